"""A backend as its skill declares it: a name and bounds; and what an operator sets of those."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, InstanceOf
from pydantic_settings import NoDecode

QuotaReader = Callable[[int, Any, datetime], datetime | None]
"""Reads from an answer (its status, its JSON or None, the present) that a quota is used up: when
calls are allowed again, or None if it says nothing of the kind."""

_WHOLE = frozenset({"at_once", "max_bytes"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What is set of a backend's bounds; None leaves the backend's own."""

    at_once: int | None = None
    per_s: float | None = None
    timeout_s: float | None = None
    wait_s: float | None = None
    max_bytes: int | None = None

    @classmethod
    def parse(cls, text: object) -> "Limits":
        """Read `at_once=50,per_s=10,timeout_s=8`; any of the five, in any order.

        Raises:
            ValueError: saying which part is wrong, and what it must be.
        """
        if isinstance(text, Limits):
            return text
        values: dict[str, Any] = {}
        for part in filter(None, map(str.strip, str(text).split(","))):
            name, _, value = map(str.strip, part.partition("="))
            if name not in _NAMES:
                raise ValueError(
                    f"{name[:20]!r} is no bound; write {', '.join(_NAMES)}, as at_once=50,per_s=10"
                )
            if name in values:
                raise ValueError(f"{name} is there twice")
            values[name] = _number(name, value)
        return cls(**values)

    def __str__(self) -> str:
        """The bounds that are set, as `parse` reads them."""
        named = ((name, getattr(self, name)) for name in _NAMES)
        return ",".join(f"{name}={value:.12g}" for name, value in named if value is not None)


NO_LIMITS = Limits()
_NAMES = tuple(field.name for field in fields(Limits))

LimitsSetting = Annotated[InstanceOf[Limits], NoDecode, BeforeValidator(Limits.parse)]
"""The type of a setting that holds limits."""
LIMITS_MEANING = (
    "What one worker asks of {service}: any of at_once, per_s, timeout_s, wait_s and max_bytes, "
    "as at_once=50,per_s=10. What is not named stays as it is."
)


@dataclass(frozen=True, slots=True)
class Backend:
    """A service that skills call, and how much it bears; the bounds hold for each of its hosts.

    They hold in one worker process; with three workers the service sees three times as much. The
    defaults are for a service that says nothing, and bound no worker of a usual size.

    Args:
        name: as people know it, for the log and for apologies.
        at_once: calls at one moment; more wait in line.
        per_s: calls in any one second; None: any number.
        timeout_s: seconds that one call may take from the connection to the last byte. One that
            takes longer counts as the service's failure.
        wait_s: seconds that a call may wait in line before it is given up; that is nobody's
            failure, and the sender hears that many are asking.
        max_bytes: of an answer.
        quota: reads from an answer that a quota is used up; until it is restored, no call is made.
    """

    name: str
    at_once: int = 500
    per_s: float | None = None
    timeout_s: float = 10.0
    wait_s: float = 30.0
    max_bytes: int = 1024 * 1024
    quota: QuotaReader | None = None

    def __post_init__(self) -> None:
        for name in _NAMES:
            if (value := getattr(self, name)) is not None:
                _number(name, value)

    def limited(self, limits: Limits) -> "Backend":
        """The same backend with the bounds that are set in place of its own."""
        chosen = {name: value for name in _NAMES if (value := getattr(limits, name)) is not None}
        return replace(self, **chosen)


def _number(name: str, value: str | float) -> float:
    try:
        number = int(value) if name in _WHOLE else float(value)
    except ValueError:
        number = 0
    if not (number > 0 and math.isfinite(number)):
        kind = "a whole number" if name in _WHOLE else "a number"
        raise ValueError(f"{name} must be {kind} above 0")
    return number
