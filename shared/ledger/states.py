"""The ledger's values: states and outcomes of messages, leases, counts and dead letters.

Values alone, without Redis; `shared.ledger.ledger` says how a message goes from state to state.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dingda.shared.ledger.facts import MessageFacts


class AcceptResult(StrEnum):
    """What became of a message that was to be accepted."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    FULL = "full"


class MessageState(StrEnum):
    """Where a message is on its way. Every message is in one of these states.

    The first three are open: the message has no end yet.
    """

    ACCEPTED = "accepted"
    """Stored, and waiting for a worker: on RQ's queue, or resting until a retry, until its turn in
    its sender's queue, or until its skill has room. Entered when the gateway accepts it, when its
    lease is released or runs out, and when an operator retries a dead letter. Left when a worker
    leases it, or to `dead` when its session closes or its record is spoilt."""
    LEASED = "leased"
    """One worker holds it, by a token and for a while that the worker renews. Entered from
    `accepted`, and from `sending` between two parts of a reply. Left to `sending`; back to
    `accepted` when the worker parks it, releases it or dies; or to any end: `dead` when too many
    workers died over it."""
    SENDING = "sending"
    """Its worker has claimed the right to send the reply, which may be on the wire. Entered from
    `leased`. Left to an end once the outcome is known; back to `accepted` when the reply was
    definitely not shown and may be later; back to `leased` for the next part. When the worker dies
    here the outcome is unknown, and the message ends as `dead`."""
    ANSWERED = "answered"
    """DingTalk accepted the reply, or the last part of it. Entered from `sending`, and from
    `leased` where there was nothing to send; never left. The record is forgotten after some
    hours."""
    UNMATCHED = "unmatched"
    """No skill wanted it; it got a hint, or silence. Entered and forgotten like `answered`."""
    DECLINED = "refused"
    """The skill or the bot said no: no permission, a bad argument, a rate limit, or too many at
    once. Entered and forgotten like `answered`."""
    DEAD = "dead"
    """It has no answer; its `DeadReason` says why. Entered from any open state. It is listed for a
    week, and left only to `accepted`, when an operator retries it before its session closes."""


class Outcome(StrEnum):
    """How a message can end: the states of `MessageState` that no worker leads it out of.

    >>> @skill.command("咖啡")
    ... def coffee() -> str:
    ...     return "咖啡好了"
    >>> asyncio.run(listen(skill, "咖啡")).completion.outcome is Outcome.ANSWERED
    True
    """

    ANSWERED = MessageState.ANSWERED.value
    UNMATCHED = MessageState.UNMATCHED.value
    DECLINED = MessageState.DECLINED.value
    DEAD = MessageState.DEAD.value


OUTCOME_NUMBERS = {Outcome.ANSWERED: 1, Outcome.UNMATCHED: 2, Outcome.DECLINED: 3}
"""What is left in Redis of a message that ended well. Small numbers are values that Redis 7 shares
between keys; a word would take 32 bytes more for each message."""
_BY_NUMBER = {str(number): outcome for outcome, number in OUTCOME_NUMBERS.items()}


def read_outcome(stored: object) -> Outcome | None:
    """How a message ended, by what is left of it; None if nothing is, or it can't be read."""
    return _BY_NUMBER.get(str(stored))


class LeaseRefusal(StrEnum):
    """Why a message cannot be leased."""

    WAITING = "waiting"
    """It is not yet due for its retry."""
    EXPIRED = "expired"
    """Its session is closing; asking for the lease has ended it."""
    SPOILT = "spoilt"
    """Its record is unreadable; asking for the lease has ended it."""
    GONE = "gone"
    """The ledger does not know it, or no longer."""
    LEASED = MessageState.LEASED.value
    """Another worker holds it."""
    SENDING = MessageState.SENDING.value
    """Another worker is sending its reply."""
    ANSWERED = MessageState.ANSWERED.value
    UNMATCHED = MessageState.UNMATCHED.value
    DECLINED = MessageState.DECLINED.value
    DEAD = MessageState.DEAD.value


class RetryResult(StrEnum):
    """What became of an operator's request to accept a dead letter once more."""

    ACCEPTED = "accepted"
    """It is on the queue, by this request or by one before."""
    EXPIRED = "expired"
    """Its session has closed or is closing, so DingTalk would take no reply."""
    GONE = "gone"
    """The ledger does not know it, or no longer."""
    SPOILT = "spoilt"
    """Its record says nothing that the ledger has ever written."""
    LEASED = MessageState.LEASED.value
    """It is no dead letter: it is open, or has ended well."""
    SENDING = MessageState.SENDING.value
    ANSWERED = MessageState.ANSWERED.value
    UNMATCHED = MessageState.UNMATCHED.value
    DECLINED = MessageState.DECLINED.value

    @classmethod
    def _missing_(cls, value: object) -> "RetryResult":  # noqa: ARG003 - whatever it is
        return cls.SPOILT


SPOILT = "its record is spoilt"
"""The detail of a dead letter whose record in Redis can't be read; `spoilt.lua` writes the same."""


class DeadReason(StrEnum):
    """Why a message ended as a dead letter. The ledger counts dead letters by it.

    >>> @skill.command("咖啡")
    ... def coffee() -> str:
    ...     raise RuntimeError("no beans")
    >>> asyncio.run(listen(skill, "咖啡")).completion.reason is DeadReason.FAILED
    True
    """

    FAILED = "failed"
    """No reply was delivered, and none will be: the skill failed, DingTalk rejected the reply,
    workers died over the message, or its record in Redis is spoilt. The sender gets an apology
    where one can still be sent. An operator may retry it until its session closes."""
    EXPIRED = "expired"
    """The session closed before a reply was delivered. Nothing can be sent through the session's
    webhook any more, so a retry is refused as well."""
    UNKNOWN = "unknown"
    """The connection broke, or the worker died, between sending the reply and hearing of its
    outcome. Most likely the reply was shown. Nothing is sent again by itself; an operator who
    retries it accepts that the sender may see two replies."""


@dataclass(frozen=True, slots=True)
class Completion:
    """How a message ended, and why.

    >>> @skill.command("咖啡")
    ... def coffee() -> str:
    ...     raise RuntimeError("no beans")
    >>> print(asyncio.run(listen(skill, "咖啡")).completion)
    dead (failed: RuntimeError in the skill)

    Args:
        outcome: how the message ended.
        reason: why it is dead; None for every other outcome.
        detail: what happened in particular, for operators: of a dead letter `errcode 300001`, of
            another outcome `rate limit`, say; "" if there is nothing to add.

    Raises:
        ValueError: for a dead end without a reason, or a reason of any other end.
    """

    outcome: Outcome
    reason: DeadReason | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        has_reason = isinstance(self.reason, DeadReason)
        if has_reason != (self.outcome is Outcome.DEAD) or not (has_reason or self.reason is None):
            raise ValueError("a dead end has a reason, and no other end has one")

    def __str__(self) -> str:
        return f"{self.outcome} ({self.full_reason})" if self.full_reason else str(self.outcome)

    @property
    def full_reason(self) -> str:
        """What operators read: `failed: errcode 300001`, `expired`; of others `rate limit`, say."""
        return join_reason(self.reason or "", self.detail)

    @classmethod
    def from_full_reason(cls, end: Outcome, text: str) -> "Completion":
        """Read an end and its `full_reason`, the form in which prepared replies keep them.

        Raises:
            ValueError: if it is dead and the text does not begin with a reason.
        """
        # Needed until 0.2: the version before this one keeps reason and detail as one text.
        if end is not Outcome.DEAD:
            return cls(end, detail=text)
        reason, _, detail = text.partition(": ")
        return cls(end, DeadReason(reason), detail)


def join_reason(reason: str, detail: str) -> str:
    """Put a stored reason and its detail into one text.

    The version before this one stored that text as the reason, and left a detail alone that a retry
    by this version had kept; so it reads the same whichever version of the worker ended a message.
    """
    if reason and reason not in frozenset(DeadReason):
        return reason
    return f"{reason}: {detail}" if reason and detail else reason or detail


@dataclass(frozen=True, slots=True)
class PreparedReply:
    """A reply ready to be sent, and the completion of its message once it is delivered.

    It is kept over a retry, so that every attempt posts the same bytes.
    """

    body: bytes = field(repr=False)
    completion: Completion
    rest: tuple[bytes, ...] = field(default=(), repr=False)
    """The parts of a long reply that follow this one."""
    shown: int = 0
    """How many parts were delivered before this one."""

    @property
    def next(self) -> "PreparedReply":
        """What is left to send once this part is delivered."""
        return PreparedReply(self.rest[0], self.completion, self.rest[1:], self.shown + 1)

    @property
    def part(self) -> str:
        """Which part this is, as `part 2 of 3`; "" for a reply that is whole."""
        total = self.shown + 1 + len(self.rest)
        return f"part {self.shown + 1} of {total}" if total > 1 else ""

    def to_json(self) -> str:
        """Write it down for the ledger.

        The completion is kept as its `full_reason`, since a worker of the version before this one
        may read it during a rolling deploy: what it can't read, it answers from the start again.
        """
        parts = [self.shown, *(body.decode() for body in self.rest)] if self.part else []
        return json.dumps(
            [self.body.decode(), self.completion.outcome, self.completion.full_reason, *parts]
        )

    @classmethod
    def from_json(cls, text: str) -> "PreparedReply":
        """Read what `to_json` wrote, in this version or one that knew no parts."""
        body, end, reason, *parts = json.loads(text)
        shown, *rest = parts or (0,)
        completion = Completion.from_full_reason(Outcome(end), reason)
        return cls(body.encode(), completion, tuple(part.encode() for part in rest), int(shown))


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a delivery has failed for now, by kind, or hooks, each by its name."""

    by_kind: Mapping[str, int] = field(default_factory=dict)

    def of(self, kind: str) -> int:
        """How often it was this kind."""
        return self.by_kind.get(kind, 0)

    def plus(self, *kinds: str) -> "Failures":
        """Count one more of each of these kinds, in a new value."""
        return Failures({**self.by_kind, **{kind: self.of(kind) + 1 for kind in kinds}})

    def to_json(self) -> str:
        """Write it down for the ledger."""
        return json.dumps(self.by_kind)

    @classmethod
    def from_json(cls, text: str) -> "Failures":
        """Read what `to_json` wrote."""
        return cls({kind: max(0, int(times)) for kind, times in json.loads(text).items()})


def read_prepared(stored: str) -> PreparedReply | None:
    """The stored reply; None if it can't be read: the skill is then called again."""
    try:
        return PreparedReply.from_json(stored) if stored else None
    except (ValueError, TypeError, AttributeError):
        return None


def read_failures(stored: str) -> Failures:
    """The stored failures; none if they can't be read."""
    try:
        return Failures.from_json(stored) if stored else Failures()
    except (ValueError, TypeError, AttributeError, OverflowError):
        return Failures()


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's hold on one message."""

    id: str
    token: str = field(repr=False)
    payload: bytes = field(repr=False)
    """The callback's body."""
    remaining_ms: int
    """How long from now an answer may still be sent."""
    delivery_attempt: int
    """The number of this attempt to deliver, from 1. Deaths of workers don't count."""
    failures: Failures
    """What went wrong with the attempts before this one."""
    prepared: PreparedReply | None = field(repr=False)
    age_ms: int
    """How long ago it was accepted."""
    is_first: bool
    """Whether no earlier message of its sender in this conversation is open."""
    was_put_back: bool
    """Whether it has been leased before, and put back to wait for something."""
    dialogue: str = field(default="", repr=False)
    """The question that it may answer, as a worker has written it down; `dialogues.LATE` if it came
    too late for that; "" if its sender was asked nothing."""
    has_card: bool = False
    """Whether a card is there, or may be, that its reply is to be shown by."""
    late_ms: int = 0
    """How much of the time that remains comes after its session's end: for a push alone."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals since the beginning, none of which ever falls; `open` is what has no end yet.

    A dead letter that an operator has accepted once more is among the dead and the revived, and
    with its next end among those that ended in that way:
    `accepted + revived = answered + unmatched + declined + dead + open`.
    """

    accepted: int
    answered: int
    unmatched: int
    declined: int
    dead: dict[str, int]
    ignored: dict[str, int]
    revived: int = 0
    unreplicated: int = 0
    """Steps that fewer replicas had in time than DINGDA_REDIS_REPLICAS asks for."""
    missed_ticks: int = 0
    """Ticks of schedules that came too late to be run."""

    @property
    def ended(self) -> int:
        """How often a message came to an end."""
        return self.answered + self.unmatched + self.declined + sum(self.dead.values())

    @property
    def open(self) -> int:
        """How many have no end yet."""
        return self.accepted + self.revived - self.ended


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that ended without an answer."""

    id: str
    reason: str
    """`failed: …`, `expired` or `unknown: …`."""
    lease_count: int
    """How often it was leased."""
    accepted_ms: int
    ended_ms: int
    payload: bytes | None = field(repr=False)
    """The callback's body, kept while the session is open."""
    facts: MessageFacts = field(default=MessageFacts())
    """What the worker noted of it: the skill, the error's class and place, and so on."""


@dataclass(frozen=True, slots=True)
class DeadLetterHead:
    """A dead letter as a list needs it: without its payload."""

    id: str
    reason: str
    """As `DeadLetter` has it."""
    ended_ms: int
    retry_within_ms: int
    """For how long it can still be retried; 0 once its session has closed or is closing."""

    @property
    def can_retry(self) -> bool:
        """Whether DingTalk would still take an answer."""
        return self.retry_within_ms > 0
