"""What the ledger says of messages: how they end, who holds them, and what became of them.

Values alone, without Redis; `shared.ledger` says how a message goes from state to state.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Acceptance(StrEnum):
    """What became of a message that wanted to be accepted."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    FULL = "full"


class End(StrEnum):
    """How a message can end."""

    ANSWERED = "answered"
    UNMATCHED = "unmatched"
    REFUSED = "refused"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Ending:
    """An end, and for a dead letter why: `failed: …`, `expired: …` or `unknown: …`."""

    end: End
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.end} ({self.reason})" if self.reason else str(self.end)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A reply ready to be sent, and the ending that its delivery makes true.

    It is kept over a retry, so that every attempt posts the same bytes.
    """

    body: bytes = field(repr=False)
    ending: Ending
    rest: tuple[bytes, ...] = field(default=(), repr=False)
    """The parts of a long reply that follow this one."""
    shown: int = 0
    """How many parts were delivered before this one."""

    @property
    def next(self) -> "Prepared":
        """What is left to send once this part is delivered."""
        return Prepared(self.rest[0], self.ending, self.rest[1:], self.shown + 1)

    @property
    def part(self) -> str:
        """Which part this is, as `part 2 of 3`; "" for a reply that is whole."""
        total = self.shown + 1 + len(self.rest)
        return f"part {self.shown + 1} of {total}" if total > 1 else ""

    def to_json(self) -> str:
        """Write it down for the ledger."""
        parts = [self.shown, *(body.decode() for body in self.rest)] if self.part else []
        return json.dumps([self.body.decode(), self.ending.end, self.ending.reason, *parts])

    @classmethod
    def from_json(cls, text: str) -> "Prepared":
        """Read what `to_json` wrote, in this version or one that knew no parts."""
        body, end, reason, *parts = json.loads(text)
        shown, *rest = parts or (0,)
        ending = Ending(End(end), reason)
        return cls(body.encode(), ending, tuple(part.encode() for part in rest), int(shown))


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a delivery has failed for now, by the kind of trouble. To count makes another."""

    by_kind: Mapping[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> int:
        """How often it was this kind."""
        return self.by_kind.get(kind, 0)

    def plus(self, kind: str) -> "Failures":
        """Count one more of a kind."""
        return Failures({**self.by_kind, kind: self.of(kind) + 1})

    def to_json(self) -> str:
        """Write it down for the ledger."""
        return json.dumps(self.by_kind)

    @classmethod
    def from_json(cls, text: str) -> "Failures":
        """Read what `to_json` wrote."""
        return cls({kind: max(0, int(times)) for kind, times in json.loads(text).items()})


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's hold on one message."""

    id: str
    token: str = field(repr=False)
    payload: bytes = field(repr=False)
    """The callback's body."""
    left_ms: int
    """How long from now an answer may still be sent."""
    attempt: int
    """Which attempt to deliver this is, from 1. Deaths and restarts of workers are none."""
    failures: Failures
    """What went wrong with the attempts before this one."""
    prepared: Prepared | None = field(repr=False)
    age_ms: int
    """How long ago it was accepted."""
    is_first: bool
    """Whether no earlier message of its sender in this conversation is open."""
    was_put_back: bool
    """Whether it has been leased before, and put back to wait for something."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals since the beginning; `open` is what has no end yet."""

    accepted: int
    answered: int
    unmatched: int
    refused: int
    dead: dict[str, int]
    ignored: dict[str, int]

    @property
    def open(self) -> int:
        """How many have no end yet."""
        ended = self.answered + self.unmatched + self.refused + sum(self.dead.values())
        return self.accepted - ended


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that ended badly."""

    id: str
    reason: str
    """`failed: …`, `expired` or `unknown: …`."""
    attempts: int
    """How often it was leased."""
    accepted_ms: int
    ended_ms: int
    payload: bytes | None = field(repr=False)
    """The callback's body, kept while the session is open."""
