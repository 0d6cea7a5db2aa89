"""Server-sent events: everything that is remembered, and then every change."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record_store import RecordStore

_HEARTBEAT_S = 15.0
"""How often a stream without news sends something, so that a dead connection is noticed."""


class EventData(Protocol):
    """A value that an event carries."""

    def to_json(self) -> bytes:
        """Write it as JSON."""


class ChangeLog(Protocol):
    """Values that are sent again whenever they change."""

    @property
    def revision(self) -> int:
        """The number of the latest change."""

    def since(self, revision: int) -> Sequence[EventData]:
        """Those that changed after a revision; 0: all."""


View = Callable[[], EventData]
"""Reads something as it is at present."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What is sent besides records, by the events' names.

    Attributes:
        views: sent again as a whole when they have changed.
        logs: sent value by value, as cards are.
    """

    views: Mapping[str, View] = field(default_factory=dict)
    logs: Mapping[str, ChangeLog] = field(default_factory=dict)


class Events:
    """Sends records, and what else there is, whenever they have changed.

    Args:
        records: the records.
        feed: what is sent besides.
        changes: announces changes of all.
    """

    def __init__(self, records: RecordStore, feed: Feed, changes: ChangeNotifier) -> None:
        self._records = records
        self._logs = feed.logs
        self._views = feed.views
        self._changes = changes
        self._server_id = secrets.token_hex(4)

    async def follow(self, request: Request) -> Response:
        """Send everything, or what came since a client of this server left off."""
        known, _, revision = request.headers.get("last-event-id", "").partition("-")
        resumes = known == self._generation and revision.isdigit()
        return StreamingResponse(
            self._events(int(revision) if resumes else 0),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    async def _events(self, revision: int) -> AsyncIterator[bytes]:
        sent: dict[str, EventData] = {}
        # A client that resumes gets these from the beginning, which does no harm.
        logged = dict.fromkeys(self._logs, 0)
        generation = self._generation if revision else ""

        def is_news() -> bool:
            return (
                self._records.has_changed_since(revision)
                or self._news(sent) != {}
                or any(log.revision > logged[name] for name, log in self._logs.items())
            )

        while not self._changes.closed:
            if generation != self._generation:
                generation, revision, sent = self._generation, 0, {}
                logged = dict.fromkeys(self._logs, 0)
                yield _event("beginning", b"{}")
            records, revision = self._records.since(revision), self._records.revision
            news = self._news(sent)
            sent |= news
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

    def _news(self, sent: Mapping[str, EventData]) -> dict[str, EventData]:
        values = {name: view() for name, view in self._views.items()}
        return {name: value for name, value in values.items() if value != sent.get(name)}


def _event(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)
