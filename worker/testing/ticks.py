"""A tick of a schedule, for tests."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from dingda.shared.dingtalk.tick import Tick
from dingda.shared.ledger.states import Completion
from dingda.worker.answering.responder import china_now
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
    name = function.__name__
    schedule = skill.schedules.get(name)
    if schedule is None:
        raise ValueError(f"skill {skill.name!r} has no schedule of {name}")
    at = at or china_now()
    at_ms = round(at.timestamp() * 1000)
    what = Tick(skill.name, name, at_ms, schedule.cron.zone.key)
    return await fire(skill, what, **{"now": at} | circumstances)
