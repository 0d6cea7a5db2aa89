"""Ticks of schedules, for tests."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from dingda.shared.dingtalk.tick import Tick
from dingda.shared.ledger.states import Completion
from dingda.shared.runtime.clock import china_now
from dingda.worker.sdk.schedule import Schedule
from dingda.worker.sdk.skill import Skill
from dingda.worker.testing.asking import fire


async def tick(
    skill: Skill, function: Callable[..., Any], *, at: datetime | None = None, **circumstances: Any
) -> Completion:
    """Call a scheduled function, as at a tick of its schedule.

    Args:
        skill: the one whose function it is.
        function: the one below `@skill.schedule`.
        at: when that is, whether the schedule has a tick then or not; now unless given.
        circumstances: as of `fire`: `pushes=Pushes()` notes what is pushed; `now` is `at` unless
            given.

    Returns:
        As `fire`.

    Raises:
        ValueError: if the skill has no schedule of this function.

    >>> @skill.schedule("0 9 * * 1-5", to=Group("ops"))
    ... def greet(tick: Tick) -> str:
    ...     return f"今天是 {tick.at:%m-%d}"
    >>> nine, pushes = datetime(2026, 11, 30, 9, tzinfo=CHINA), Pushes()
    >>> print(asyncio.run(tick(skill, greet, at=nine, pushes=pushes)), pushes[0].reply.content)
    answered 今天是 11-30
    """
    schedule = _schedule(skill, function)
    at = at or china_now()
    at_ms = round(at.timestamp() * 1000)
    what = Tick(skill.name, function.__name__, at_ms, schedule.cron.zone.key)
    return await fire(skill, what, **{"now": at} | circumstances)


def ticks_after(skill: Skill, function: Callable[..., Any], after: datetime) -> Iterator[datetime]:
    """When a scheduled function is called from a time on, in the schedule's own time zone.

    Args:
        skill: the one whose function it is.
        function: the one below `@skill.schedule`.
        after: a time, with its time zone.

    Raises:
        ValueError: if the skill has no schedule of this function.

    >>> @skill.schedule("0 9 * * *", to=Group("ops"), workdays=True)
    ... def report(tick: Tick) -> str:
    ...     return "早"
    >>> friday_noon = datetime(2026, 11, 27, 12, tzinfo=CHINA)
    >>> print(next(ticks_after(skill, report, friday_noon)))
    2026-11-30 09:00:00+08:00
    """
    cron = _schedule(skill, function).cron
    found = cron.next_ms(round(after.timestamp() * 1000))
    while found is not None:
        yield datetime.fromtimestamp(found / 1000, cron.zone)
        found = cron.next_ms(found)


def _schedule(skill: Skill, function: Callable[..., Any]) -> Schedule:
    name = function.__name__
    if name not in skill.schedules:
        raise ValueError(f"skill {skill.name!r} has no schedule of {name}")
    return skill.schedules[name]
