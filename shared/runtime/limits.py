"""Bounds on a backend that an operator sets: `at_once=50,per_s=10`."""

import math
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, InstanceOf
from pydantic_settings import NoDecode

D = TypeVar("D")

_WHOLE = frozenset({"at_once", "max_bytes"})


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds that are set; None leaves the backend's own.

    >>> Limits.parse("at_once=50,per_s=10")
    Limits(at_once=50, per_s=10.0, timeout_s=None, wait_s=None, max_bytes=None)
    """

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
            if name not in NAMES:
                raise ValueError(
                    f"{name[:20]!r} is no bound; write {', '.join(NAMES)}, as at_once=50,per_s=10"
                )
            if name in values:
                raise ValueError(f"{name} is there twice")
            values[name] = positive(name, value)
        return cls(**values)

    def over(self, declared: D) -> D:
        """The declared bounds with those that are set in place of their own.

        Args:
            declared: a frozen dataclass with fields of these names.

        Raises:
            ValueError: if a bound is set that `declared` does not have.
        """
        chosen = {name: value for name in NAMES if (value := getattr(self, name)) is not None}
        known = [name for name in NAMES if hasattr(declared, name)]
        for name in chosen:
            if name not in known:
                raise ValueError(f"{name} has no effect here; write {', '.join(known)}")
        return replace(declared, **chosen)  # type: ignore[type-var]

    def __str__(self) -> str:
        """The bounds that are set, as `parse` reads them."""
        named = ((name, getattr(self, name)) for name in NAMES)
        return ",".join(f"{name}={value:.12g}" for name, value in named if value is not None)


NO_LIMITS = Limits()
"""None set: a backend's own hold.

>>> Backend("工时系统").limited(NO_LIMITS) == Backend("工时系统")
True
"""
NAMES = tuple(field.name for field in fields(Limits))

LimitsSetting = Annotated[InstanceOf[Limits], NoDecode, BeforeValidator(Limits.parse)]
"""The type of a setting that holds limits.

>>> class HoursSettings(SkillSettings):
...     hours_limits: LimitsSetting = NO_LIMITS  # DINGDA_HOURS_LIMITS
>>> HoursSettings(hours_limits="at_once=5").hours_limits.at_once
5
"""
LIMITS_MEANING = (
    "What one worker asks of {service}: any of at_once, per_s, timeout_s, wait_s and max_bytes, "
    "as at_once=50,per_s=10. What is not named stays as it is."
)
"""How such a setting is described.

>>> LIMITS_MEANING.format(service="the HR service")
'What one worker asks of the HR service: any of at_once, per_s, ...'
"""


def positive(name: str, value: str | float) -> float:
    """Read one bound.

    Raises:
        ValueError: if it is no number above 0, or not a whole one where it must be.
    """
    try:
        number = int(value) if name in _WHOLE else float(value)
    except ValueError:
        number = 0
    if not (number > 0 and math.isfinite(number)):
        kind = "a whole number" if name in _WHOLE else "a number"
        raise ValueError(f"{name} must be {kind} above 0")
    return number
