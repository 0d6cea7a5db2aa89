"""What follows from the outcome of a delivery: every rule of docs/delivery.md, on one screen.

Nothing here sends, stores or reads a clock; `worker.answering.answerer` carries the decision out.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from dingda.shared.ledger.states import Completion, DeadReason, Failures, Outcome
from dingda.shared.texts import (
    ASK_PRIVATELY,
    CARD_NOT_SHOWN,
    REJECTED,
    REST_REJECTED,
    SENT_PRIVATELY,
)
from dingda.worker.answering.outgoing import OutgoingReply
from dingda.worker.answering.response import ANSWERED
from dingda.worker.delivery.channel import Channel
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    OutOfTime,
    Rejected,
    Retry,
    Unknown,
)

LAST_TRY_MS = 6_000
"""How long before the deadline the last attempt is due: the sweeper comes by every 2 s, and the
POST takes a while."""

_GROWING_MS = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
_MAX_RETRY_AFTER_S = 60.0
_PAUSES_MS = {
    FailureKind.CONNECTION: _GROWING_MS,
    FailureKind.CERTIFICATE: _GROWING_MS,
    FailureKind.BUSY: _GROWING_MS,
    FailureKind.THROTTLED: (60_000, 600_000),
    FailureKind.QPS: _GROWING_MS[1:],
    FailureKind.TOKEN: (1_000,),
}
"""The pause after the first failure of a kind, after the second, and so on; the last repeats."""
_SPREAD = {FailureKind.THROTTLED: (1.0, 1.1)}
"""A throttle's pause is never shortened; a burst comes back spread over six seconds."""
_MAX_ATTEMPTS = {FailureKind.TOKEN: 3}
"""Any other kind is retried until the session closes."""
_MAX_CARD_ATTEMPTS = 5
"""How often the end of a card is tried; then its answer goes another way."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Finish the message."""

    completion: Completion
    follow_up: str = ""
    """A sentence for the conversation afterwards; "" for none."""


@dataclass(frozen=True, slots=True)
class SendNext:
    """Send the next part: this one was delivered."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Send the reply again after a pause."""

    pause_ms: int
    kind: FailureKind
    reason: str


@dataclass(frozen=True, slots=True)
class SendFallback:
    """Send a plain sentence instead, as another attempt; its delivery finishes the message."""

    sentence: str
    completion: Completion


@dataclass(frozen=True, slots=True)
class SendInstead:
    """Send what the card can't show as messages: by the way that its message would take without."""


Settlement = Finish | SendNext | RetryLater | SendFallback | SendInstead
Draw = Callable[[float, float], float]
"""Draws a number between two bounds."""


def settle(
    outcome: DeliveryOutcome | OutOfTime,
    reply: OutgoingReply,
    failures: Failures,
    *,
    remaining_ms: float,
    draw: Draw = random.uniform,
) -> Settlement:
    """Decide what follows from an outcome.

    Args:
        outcome: of the attempt that was just made.
        reply: what it tried to send.
        failures: of the attempts before it.
        remaining_ms: milliseconds until the deadline.
        draw: spreads the pauses, so that not all messages come back at one moment.
    """
    match outcome:
        case Delivered() if reply.prepared.rest:
            return SendNext()
        case Delivered():
            return Finish(reply.completion, follow_up=SENT_PRIVATELY if reply.is_private else "")
        case Unknown(reason):
            return Finish(_dead(DeadReason.UNKNOWN, reason, reply))
        case OutOfTime():
            return Finish(_dead(DeadReason.EXPIRED, "", reply))
        case Rejected():
            return _after_rejection(outcome, reply)
        case Retry(kind, reason):
            before = failures.of(kind)
            is_card = reply.channel is Channel.GROWING_CARD
            most = _MAX_CARD_ATTEMPTS if is_card else _MAX_ATTEMPTS.get(kind, float("inf"))
            if before + 1 >= most:
                return _after_rejection(Rejected(reason), reply)
            pause_ms = _cut_to_fit(_pause_ms(outcome, before, draw), remaining_ms)
            if pause_ms is None:
                return Finish(_dead(DeadReason.EXPIRED, reason, reply))
            return RetryLater(round(pause_ms), kind, reason)


def _after_rejection(
    rejected: Rejected, reply: OutgoingReply
) -> Finish | SendFallback | SendInstead:
    """Fall back to a plain sentence where that may be accepted, else finish.

    Only an answer has a fallback; an apology, a refusal, a push or the fallback itself has none.
    """
    if reply.channel is Channel.GROWING_CARD:
        return SendInstead()
    completion = _dead(DeadReason.FAILED, rejected.reason, reply)
    if reply.completion != ANSWERED or reply.channel is Channel.PUSH:
        return Finish(completion)
    if reply.channel is Channel.PRIVATE:
        return SendFallback(ASK_PRIVATELY, completion)
    if reply.channel is Channel.CARD:
        return SendFallback(CARD_NOT_SHOWN, completion)
    if rejected.content_rejected:
        return SendFallback(REST_REJECTED if reply.prepared.shown else REJECTED, completion)
    return Finish(completion)


def _dead(reason: DeadReason, detail: str, reply: OutgoingReply) -> Completion:
    """The completion of a dead letter; its detail names the part of a reply that failed."""
    part = reply.prepared.part
    if part:
        detail = f"{detail} ({part})" if detail else part
    return Completion(Outcome.DEAD, reason, detail)


def _pause_ms(retry: Retry, before: int, draw: Draw) -> float:
    """The pause after this failure, in milliseconds."""
    steps = _PAUSES_MS[retry.kind]
    own_ms = steps[min(before, len(steps) - 1)] * draw(*_SPREAD.get(retry.kind, (0.8, 1.2)))
    # A Retry-After may lengthen our pause, up to the longest that a silent server gets.
    retry_after_ms = min(retry.retry_after_s, _MAX_RETRY_AFTER_S) * 1000 * draw(1.0, 1.2)
    return max(own_ms, retry_after_ms)


def _cut_to_fit(pause_ms: float, remaining_ms: float) -> float | None:
    """Shorten a pause so that a last attempt fits before the deadline; None: no attempt fits."""
    last_ms = remaining_ms - LAST_TRY_MS
    if pause_ms <= last_ms:
        return pause_ms
    if last_ms >= _GROWING_MS[0]:
        return last_ms
    return pause_ms if pause_ms < remaining_ms else None
