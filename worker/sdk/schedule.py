"""A schedule: when a function of a skill is called, and whom what it returns is pushed to."""

from collections.abc import Iterable
from dataclasses import dataclass

from dingda.shared.dingtalk.push import Group, Target
from dingda.shared.ledger.schedule_facts import ScheduleFacts
from dingda.worker.sdk.cron import Cron

LEAST_CATCH_UP_S, MOST_CATCH_UP_S = 60, 24 * 3600


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a function is called, and whom what it returns is pushed to."""

    cron: Cron
    to: tuple[Target, ...]
    catch_up_s: int
    """How late a tick may be run, in seconds."""

    @classmethod
    def of(
        cls,
        expression: str,
        *,
        to: Target | Iterable[Target],
        timezone: str,
        workdays: bool,
        catch_up_s: int,
    ) -> "Schedule":
        """Check what an author wrote.

        Raises:
            ValueError: saying what is wrong with it.
            TypeError: if something else than targets is in `to`.
        """
        if not LEAST_CATCH_UP_S <= catch_up_s <= MOST_CATCH_UP_S:
            bounds = f"{LEAST_CATCH_UP_S} to {MOST_CATCH_UP_S} seconds"
            raise ValueError(f"catch_up_s={catch_up_s} is not from {bounds}")
        cron = Cron.parse(expression, timezone, workdays=workdays)
        return cls(cron, tuple(map(_target, (to,) if isinstance(to, Target) else to)), catch_up_s)

    def facts(self, robot_code: str, robot: str, skill: str, function: str) -> ScheduleFacts:
        """What operators see of it, where a robot has it."""
        return ScheduleFacts(
            robot_code=robot_code,
            robot=robot,
            skill=skill,
            function=function,
            cron=self.cron.expression,
            timezone=self.cron.zone.key,
            workdays=self.cron.workdays,
            to=tuple(map(shown_target, self.to)),
            catch_up_s=self.catch_up_s,
        )

    @property
    def shown(self) -> str:
        """When it is, as authors read it: `0 9 * * 1-5  Asia/Shanghai  on workdays`."""
        days = "  on workdays" if self.cron.workdays else ""
        return f"{self.cron.expression}  {self.cron.zone.key}{days}"


def shown_target(target: Target) -> str:
    """A target as operators read it: `group ops`, `user 0001`."""
    return f"group {target.name}" if isinstance(target, Group) else f"user {target.staff_id}"


def _target(written: object) -> Target:
    if not isinstance(written, Target):
        raise TypeError(f"to={written!r} is neither a Group nor a User: write Group('ops')")
    return written
