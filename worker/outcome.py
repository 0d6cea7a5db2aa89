"""What became of a reply, and what is done next: values, and one decision that sends nothing."""

import random
from dataclasses import dataclass
from enum import StrEnum

from dingda.shared.states import Failures

LAST_TRY_MS = 6_000
"""How long before the last moment for an answer the last attempt is due: a sweep (2 s) hands it
out, and the POST needs a while."""

_GROWING_MS = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
_LONGEST_ASKED_S = 60.0


class Trouble(StrEnum):
    """Why a reply was not shown for now. Attempts are counted for each kind by itself."""

    CONNECTION = "connection"
    """No connection stood: refused, timed out, no such name, reset or TLS before the first byte."""
    CERTIFICATE = "certificate"
    """The certificate does not prove that it is DingTalk; an operator may mend that."""
    BUSY = "busy"
    """DingTalk says that it failed, or that it has no time."""
    THROTTLED = "throttled"
    """Too many messages: 20 a minute are allowed, and going on blocks the robot for ten minutes."""
    TOKEN = "token"  # noqa: S105 - a kind of trouble
    """DingTalk's OpenAPI doesn't know the access token; there is a new one for the next attempt."""


_PAUSES_MS = {
    Trouble.CONNECTION: _GROWING_MS,
    Trouble.CERTIFICATE: _GROWING_MS,
    Trouble.BUSY: _GROWING_MS,
    Trouble.THROTTLED: (60_000, 600_000),
    Trouble.TOKEN: (1_000,),
}
"""The pause after the first failure of a kind, after the second, and so on; the last one stays."""
_SPREAD = {Trouble.THROTTLED: (1.0, 1.1)}
"""A throttle is never cut short; what came in a burst comes back over six seconds."""
_MOST_ATTEMPTS = {Trouble.TOKEN: 3}
"""Of any other kind there are as many as the session has room for."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """DingTalk took it (errcode 0)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It was definitely not shown, and may be next time."""

    trouble: Trouble
    reason: str
    asked_s: float = 0.0
    """How long the server asked to be left alone, in seconds."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It was definitely not shown, and never will be; `for_content` if a plainer text might be."""

    reason: str
    for_content: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been shown."""

    reason: str


Outcome = Delivered | Retry | Refused | Unknown


@dataclass(frozen=True, slots=True)
class Again:
    """Post it once more after a pause."""

    pause_ms: int
    trouble: Trouble
    reason: str


@dataclass(frozen=True, slots=True)
class TooLate:
    """The session closes before another attempt could be made."""

    reason: str


def decide(
    outcome: Outcome, failures: Failures, left_ms: float
) -> Delivered | Again | TooLate | Refused | Unknown:
    """Decide what follows from an outcome.

    Args:
        outcome: of the attempt that was just made.
        failures: of the attempts before it.
        left_ms: how long from now an answer may still be sent, in ms.
    """
    if not isinstance(outcome, Retry):
        return outcome
    before = failures.of(outcome.trouble)
    most = _MOST_ATTEMPTS.get(outcome.trouble)
    if most is not None and before + 1 >= most:
        return Refused(outcome.reason)
    pause_ms = _within(_pause_ms(outcome, before), left_ms)
    if pause_ms is None:
        return TooLate(outcome.reason)
    return Again(round(pause_ms), outcome.trouble, outcome.reason)


def _pause_ms(retry: Retry, before: int) -> float:
    """The pause for this step of its kind, spread so that not all come back at one moment."""
    steps = _PAUSES_MS[retry.trouble]
    spread = random.uniform(*_SPREAD.get(retry.trouble, (0.8, 1.2)))  # noqa: S311 - no secret
    own_ms = steps[min(before, len(steps) - 1)] * spread
    # A server may ask for more patience, but for no more than we have with one that says nothing.
    asked_ms = min(retry.asked_s, _LONGEST_ASKED_S) * 1000 * random.uniform(1.0, 1.2)  # noqa: S311
    return max(own_ms, asked_ms)


def _within(pause_ms: float, left_ms: float) -> float | None:
    """Shorten a pause so that a last attempt comes just before the end; None: that was the last."""
    last_ms = left_ms - LAST_TRY_MS
    if pause_ms <= last_ms:
        return pause_ms
    if last_ms >= _GROWING_MS[0]:
        return last_ms
    return pause_ms if pause_ms < left_ms else None
