"""The records of the cards that answers grow on: how far each is, and which have no end.

The card of a message is named by the message's id, so every attempt writes to the same one, and
each write has the whole text. A record outlives its message: a card whose message has ended without
it is ended by whichever worker finds it.
"""

from enum import StrEnum
from typing import NamedTuple

from redis.asyncio import Redis

from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.scripts import (
    ClaimOrphansArguments,
    CloseStreamArguments,
    LedgerScripts,
    NoteStreamArguments,
)
from dingda.shared.ledger.states import Lease, PreparedReply
from dingda.shared.ledger.times import STREAM_CLAIM_MS, STREAM_LOOK_MS, STREAM_S
from dingda.shared.queue import JobQueue

_LIMIT = 50


class StreamState(StrEnum):
    """How far a card is; `common.lua` says the same."""

    NONE = ""
    """There is none."""
    OPENING = "opening"
    """It may exist: a worker was about to create it."""
    OPEN = "open"
    """It exists, and grows."""
    ENDING = "ending"
    """Its last text is being written."""
    ENDED = "ended"
    """It shows its last text; an operator's retry opens it again."""
    REPLACED = "replaced"
    """Its last text could not be written, so the answer went another way; it is to say so."""
    ABSENT = "absent"
    """It could not be created."""
    CLOSING = "closing"
    """A worker ends it for a message that ended without it."""


class StreamRecord(NamedTuple):
    """A card as it was before it was noted."""

    state: StreamState
    text: str
    notes: int
    """How often it has been noted, over all attempts, this time as well."""


class BeingClosed(NamedTuple):
    """Another worker is ending the card, for the attempt before."""

    remaining_s: float


class OrphanStream(NamedTuple):
    """A card that its message has ended without."""

    message_id: str
    robot_code: str
    text: str
    was: StreamState
    """How far it was."""


class StreamRecords:
    """Reads and writes the records of cards. Every method may raise what the Redis client raises.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue that the messages go through.
        look_ms, claim_ms: see `times`; shorter in tests.
    """

    def __init__(
        self,
        redis: Redis,
        queue: JobQueue,
        *,
        look_ms: int = STREAM_LOOK_MS,
        claim_ms: int = STREAM_CLAIM_MS,
    ) -> None:
        self._keys = LedgerKeys(queue.name)
        self._scripts = LedgerScripts(redis, queue)
        self._look_ms = look_ms
        self._claim_ms = claim_ms

    async def note(
        self,
        lease: Lease,
        state: StreamState,
        text: str,
        *,
        robot_code: str,
        prepared: PreparedReply | None = None,
        dialogue_after: str = AS_STORED,
    ) -> StreamRecord | BeingClosed:
        """Note what is about to be written to a card; nothing is while another worker ends it.

        Args:
            lease: on its message.
            state: how far it is with that; one that exists is never `OPENING`.
            text: what it is to show; "" if that must not be kept.
            robot_code: of the robot that it belongs to.
            prepared: the reply, for a worker that leases the message after this one.
            dialogue_after: what it does to the dialogue of its sender, see `dialogues`.

        Raises:
            LeaseLostError: if the message is somebody else's by now: write nothing.
        """
        arguments = NoteStreamArguments(
            lease.id,
            lease.token,
            self._keys.stream(lease.id),
            self._keys.open_streams,
            state,
            text,
            robot_code,
            self._look_ms,
            STREAM_S * 1000,
            prepared.to_json() if prepared else "",
            dialogue_after,
        )
        granted, *found = await self._scripts.step(arguments)
        if not granted:
            raise LeaseLostError("the message is no longer this worker's")
        if len(found) == 1:
            return BeingClosed(found[0] / 1000)
        before, text_before, notes = found
        return StreamRecord(StreamState(before), text_before, notes)

    async def claim_orphans(self) -> list[OrphanStream]:
        """Claim cards that their messages have ended without, for this worker to end them."""
        arguments = ClaimOrphansArguments(
            self._keys.stream(""), self._keys.open_streams, _LIMIT, self._look_ms, self._claim_ms
        )
        return [
            OrphanStream(message_id, robot_code, text, StreamState(was))
            for message_id, robot_code, text, was in await self._scripts.run(arguments)
        ]

    async def close(self, message_id: str) -> None:
        """Note that a card which was claimed has been ended."""
        key = self._keys.stream(message_id)
        await self._scripts.run(CloseStreamArguments(message_id, key, self._keys.open_streams))
