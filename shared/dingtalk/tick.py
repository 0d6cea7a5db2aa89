"""Ticks: the moments at which a schedule calls its function, as the ledger keeps them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from dingda.shared.dingtalk.message import ORDERING_KEY_CHARS, Envelope, hash_of
from dingda.shared.errors import InvalidMessageError

_KIND = "tick"


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment of a schedule, for which its function is called.

    >>> @skill.schedule("0 9 * * 1-5", timezone="Europe/Berlin")
    ... def greet(tick: Tick) -> None:
    ...     print(f"{tick.at:%H:%M}")
    >>> nine = datetime(2026, 11, 30, 16, tzinfo=CHINA)
    >>> print(asyncio.run(tick(skill, greet, at=nine)))
    09:00
    answered
    """

    skill: str
    """The name of the schedule's skill."""
    function: str
    """The name of its function."""
    at_ms: int
    """The time that the schedule names, in ms since 1970; of a run by hand when that was asked."""
    timezone: str = "Asia/Shanghai"
    """The schedule's."""
    run: str = ""
    """Tells runs by hand apart; "" of what the schedule brought."""

    @property
    def at(self) -> datetime:
        """The same time, in the schedule's time zone. It may be some time ago: see `ctx.now`."""
        return datetime.fromtimestamp(self.at_ms / 1000, ZoneInfo(self.timezone))

    @property
    def name(self) -> str:
        """What a schedule is called by."""
        return f"{self.skill}.{self.function}"


def tick_envelope(robot_code: str, tick: Tick, *, now_ms: int, life_ms: int) -> Envelope:
    """What it takes to store a tick. Those of one function are handled one after the other.

    Args:
        robot_code: whose it is.
        tick: the tick.
        now_ms: the present, in ms since 1970.
        life_ms: how long its function may be called for it.
    """
    function = (robot_code, tick.skill, tick.function)
    return Envelope(
        _identity(*function, str(tick.at_ms), tick.run),
        _identity(*function)[:ORDERING_KEY_CHARS],
        now_ms + life_ms,
    )


def tick_payload(robot_code: str, tick: Tick) -> bytes:
    """What the ledger keeps of a tick."""
    fields = {
        "skill": tick.skill,
        "function": tick.function,
        "at_ms": tick.at_ms,
        "timezone": tick.timezone,
        "run": tick.run,
    }
    return json.dumps([_KIND, robot_code, fields, ""], ensure_ascii=False).encode()


def read_tick(fields: Mapping[str, Any]) -> Tick:
    """Read the fields that `tick_payload` wrote.

    Raises:
        InvalidMessageError: if they are others.
    """
    match fields:
        case {
            "skill": str(skill),
            "function": str(function),
            "at_ms": int(at_ms),
            "timezone": str(timezone),
            "run": str(run),
        }:
            return Tick(skill, function, at_ms, timezone, run)
    raise InvalidMessageError("the ledger holds a tick that lacks a field")


def _identity(*parts: str) -> str:
    """A hash that no message has: what is hashed of a message has several lines."""
    return hash_of(json.dumps([_KIND, *parts]))
