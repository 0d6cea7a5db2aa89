"""A backend as its skill declares it: its name and its limits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dingda.shared.runtime.limits import (
    LIMITS_MEANING,
    NAMES,
    NO_LIMITS,
    Limits,
    LimitsSetting,
    positive,
)

__all__ = [
    "LIMITS_MEANING",
    "NO_LIMITS",
    "Backend",
    "Limits",
    "LimitsSetting",
    "QuotaReader",
]

QuotaReader = Callable[[int, Any, datetime], datetime | None]
"""Reads from a response (its status, its JSON or None, the current time) that a quota is used up:
returns when calls are allowed again, or None if the response doesn't say so."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A service that skills call, and its limits, which hold for each of its hosts.

    They hold in one worker process; with three workers the service sees three times as much. The
    defaults are for a service that documents none, and don't limit a worker of a usual size.

    Args:
        name: as users know it, for the log and for apologies.
        at_once: calls at one moment; more wait in line.
        per_s: calls in any one second; None: any number.
        timeout_s: seconds that one call may take from the connection to the last byte. One that
            takes longer counts as the service's failure.
        wait_s: seconds that a call may wait in line before it is given up; that is nobody's
            failure, and the sender hears that many are asking.
        max_bytes: of a response.
        quota: reads from a response that a quota is used up; no call is made until it is restored.

    >>> Backend("工时系统", at_once=20, per_s=5).limited(Limits(per_s=10)).per_s
    10
    """

    name: str
    at_once: int = 500
    per_s: float | None = None
    timeout_s: float = 10.0
    wait_s: float = 30.0
    max_bytes: int = 1024 * 1024
    quota: QuotaReader | None = None

    def __post_init__(self) -> None:
        for name in NAMES:
            if (value := getattr(self, name)) is not None:
                positive(name, value)

    def limited(self, limits: Limits) -> "Backend":
        """Return the backend with the limits that are set in place of its own."""
        return limits.over(self)
