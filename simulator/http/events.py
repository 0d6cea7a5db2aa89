"""Server-sent events: everything that is remembered, and then every change."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record_store import RecordStore

_HEARTBEAT_S = 15.0
"""How often a stream without news sends something, so that a dead connection is noticed."""


class Told(Protocol):
    """A value that an event holds."""

    def to_json(self) -> bytes:
        """Write it as JSON."""


class ChangeLog(Protocol):
    """Values that are told again whenever they change."""

    @property
    def revision(self) -> int:
        """The number of the latest change."""

    def since(self, revision: int) -> Sequence[Told]:
        """Those that changed after a revision; 0: all."""


View = Callable[[], Told]
"""What there is to tell of something at present."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What the events tell besides records, by the events' names.

    Attributes:
        views: told again as a whole when they have changed.
        logs: told value by value, as cards are.
    """

    views: Mapping[str, View] = field(default_factory=dict)
    logs: Mapping[str, ChangeLog] = field(default_factory=dict)


class Events:
    """Tells of records, and of views whenever they have changed.

    Args:
        records: the records.
        views: what is told besides, by the events' names.
        changes: announces changes of all.
        logs: what is told besides, one value an event, by the events' names.
    """

    def __init__(
        self,
        records: RecordStore,
        views: Mapping[str, View],
        changes: ChangeNotifier,
        logs: Mapping[str, ChangeLog] = MappingProxyType({}),
    ) -> None:
        self._records = records
        self._logs = logs
        self._views = views
        self._changes = changes
        self._server_id = secrets.token_hex(4)

    async def follow(self, request: Request) -> Response:
        """Tell from the beginning, or from where a client of this server left off."""
        known, _, revision = request.headers.get("last-event-id", "").partition("-")
        resumes = known == self._generation and revision.isdigit()
        return StreamingResponse(
            self._events(int(revision) if resumes else 0),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(self, revision: int) -> AsyncIterator[bytes]:
        told: dict[str, Told] = {}
        # A client that resumes gets these from the beginning, which does no harm.
        logged = dict.fromkeys(self._logs, 0)
        generation = self._generation if revision else ""

        def is_news() -> bool:
            return (
                self._records.has_changed_since(revision)
                or self._news(told) != {}
                or any(log.revision > logged[name] for name, log in self._logs.items())
            )

        while not self._changes.closed:
            if generation != self._generation:
                generation, revision, told = self._generation, 0, {}
                logged = dict.fromkeys(self._logs, 0)
                yield _event("beginning", b"{}")
            records, revision = self._records.since(revision), self._records.revision
            news = self._news(told)
            told |= news
            for name, value in news.items():
                yield _event(name, value.to_json())
            for name, log in self._logs.items():
                values, logged[name] = log.since(logged[name]), log.revision
                for logged_value in values:
                    yield _event(name, logged_value.to_json())
            for record in records:
                yield _event("record", record.to_json())
            # The id is last, so that a client that resumes has had everything before it.
            yield b"event: revision\nid: %b-%d\ndata: {}\n\n" % (generation.encode(), revision)
            await self._changes.wait_until(is_news, wait_s=_HEARTBEAT_S)

    @property
    def _generation(self) -> str:
        """What a client must know to go on from where it left off."""
        return f"{self._server_id}.{self._records.generation}"

    def _news(self, told: Mapping[str, Told]) -> dict[str, Told]:
        values = {name: view() for name, view in self._views.items()}
        return {name: value for name, value in values.items() if value != told.get(name)}


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
