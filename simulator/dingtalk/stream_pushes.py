"""The pushes that are no messages: events, card callbacks, and frames of any kind."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_frames import (
    FrameType,
    Outcome,
    Push,
    StreamAck,
    Undelivered,
)

_REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class PushAck:
    """One acknowledgement."""

    code: int
    data: dict[str, Any]
    """What the JSON in its `data` holds; {} if it is no object."""
    after_ms: int
    """Milliseconds after the first delivery began."""


@dataclass(frozen=True, slots=True)
class PushRecord:
    """A push, and what has become of it."""

    id: str
    """Of an event, its eventId."""
    type: FrameType
    topic: str
    data: str
    headers: dict[str, str]
    sent_at_ms: int
    """Milliseconds since 1970."""
    deliveries: int = 0
    """How many have ended."""
    acks: tuple[PushAck, ...] = ()
    undelivered: Undelivered | None = None
    """Why the last delivery was not acknowledged."""

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _RECORD.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "PushRecord":
        """Read what `to_json` wrote."""
        return _RECORD.validate_json(body)

    @staticmethod
    def list_to_json(records: "list[PushRecord]") -> bytes:
        """One JSON array of them."""
        return _RECORDS.dump_json(records)

    @staticmethod
    def list_from_json(body: bytes) -> "list[PushRecord]":
        """Read what `list_to_json` wrote."""
        return _RECORDS.validate_json(body)


_RECORD = TypeAdapter(PushRecord)
_RECORDS = TypeAdapter(list[PushRecord])


class StreamPushes:
    """Sends pushes, and remembers the latest.

    Args:
        stream: the connections.
        client_id: the application that gets what names no other.
        now_ms: the clock, in ms since 1970.
        announce: called after each redelivery.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        client_id: str,
        now_ms: Callable[[], int],
        announce: Callable[[], Awaitable[None]],
    ) -> None:
        self._stream = stream
        self._client_id = client_id
        self._now_ms = now_ms
        self._announce = announce
        self._records: dict[str, PushRecord] = {}

    @property
    def records(self) -> list[PushRecord]:
        """The latest pushes, the oldest first."""
        return list(self._records.values())

    async def send(self, client_id: str, push_id: str, push: Push) -> PushRecord:
        """Push to one of an application's connections; returns once that delivery has ended."""
        headers = dict(push.headers)
        sent_at_ms = self._now_ms()
        record = PushRecord(push_id, push.type, push.topic, push.data, headers, sent_at_ms)
        self._records[push_id] = record
        if len(self._records) > _REMEMBERED:
            del self._records[next(iter(self._records))]

        async def note(outcome: Outcome) -> None:
            self._note(push_id, outcome)
            await self._announce()

        outcome = await self._stream.deliver(client_id or self._client_id, push, on_redelivery=note)
        self._note(push_id, outcome)
        return self._records.get(push_id, record)

    def _note(self, push_id: str, outcome: Outcome) -> None:
        record = self._records.get(push_id)
        if record is None:
            return
        acks = record.acks
        if isinstance(outcome, StreamAck):
            after_ms = self._now_ms() - record.sent_at_ms
            acks = (*acks, PushAck(outcome.code, outcome.data, after_ms))
        self._records[push_id] = replace(
            record,
            deliveries=record.deliveries + 1,
            acks=acks,
            undelivered=outcome if isinstance(outcome, Undelivered) else None,
        )
