"""A schedule of one robot's skill, as workers write it down in Redis."""

import json
from dataclasses import dataclass

from pydantic import TypeAdapter

from dingda.shared.dingtalk.message import hash_of
from dingda.shared.dingtalk.tick import Tick
from dingda.shared.ledger.stored import WholeNumber

_DIGITS = 24


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """A schedule, as operators see it."""

    robot_code: str
    robot: str
    """The robot's label."""
    skill: str
    function: str
    cron: str
    timezone: str
    workdays: bool
    to: tuple[str, ...]
    """Whom it is pushed to, such as `group ops`."""
    catch_up_s: WholeNumber

    @property
    def name(self) -> str:
        """What it is called by; several robots may have it."""
        return f"{self.skill}.{self.function}"

    @property
    def id(self) -> str:
        """Names it in Redis."""
        times = (self.cron, self.timezone, str(self.workdays))
        parts = json.dumps([self.robot_code, self.skill, self.function, *times])
        return hash_of(parts)[:_DIGITS]

    def tick(self, at_ms: int, *, run: str = "") -> Tick:
        """Its tick at a time, in ms since 1970; `run` tells runs by hand apart."""
        return Tick(self.skill, self.function, at_ms, self.timezone, run)


FACTS: TypeAdapter[ScheduleFacts] = TypeAdapter(ScheduleFacts)
"""Writes and reads it."""
