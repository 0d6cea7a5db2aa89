"""A skill with a schedule that writes down its ticks, for tests that break something."""

import asyncio
import os
from pathlib import Path

from pydantic_settings import SettingsConfigDict

from dingda.skill import Group, HookContext, Skill, SkillSettings, Tick

skill = Skill("ticking", summary="定时")


class TickingSettings(SkillSettings):
    model_config = SettingsConfigDict(env_prefix="TESTS_TICKING_")

    file: Path
    """Where it writes a line for each call: the tick's time, and the idempotency key."""
    hangs: int = 0
    """How many of its calls never return."""
    says: str = ""
    """What it returns, to be pushed to a group; "" for nothing."""

    def note(self, tick: Tick, ctx: HookContext) -> int:
        """Write a line; returns how many there are."""
        with self.file.open("a") as file:
            file.write(f"{tick.at_ms} {ctx.idempotency_key} {tick.run}\n")
        return len(self.file.read_text().splitlines())


@skill.schedule(
    os.environ["TESTS_TICKING_CRON"], to=Group("ops"), timezone="UTC", catch_up_s=86_400
)
async def report(tick: Tick, ctx: HookContext, settings: TickingSettings) -> str | None:
    if settings.note(tick, ctx) <= settings.hangs:
        await asyncio.Event().wait()
    return settings.says or None
