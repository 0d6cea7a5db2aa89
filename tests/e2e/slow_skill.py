"""A skill that takes its time, for tests that kill the worker meanwhile."""

import asyncio
import gc
import secrets

from dingda.skill import Context, Skill

skill = Skill("slow", summary="慢慢查")


@skill.command("慢")
async def slow(seconds: float, ctx: Context) -> str:
    await asyncio.sleep(seconds)
    return ctx.localize("查好了")


@skill.command("长")
def long() -> str:
    """An answer in three parts; each begins with what only this answer has."""
    mark = secrets.token_hex(4)
    return "\n\n".join(f"{mark} {number} {'字' * 6_000}" for number in (1, 2, 3))


@skill.command("不再回收")
def frozen_objects() -> str:
    """How many objects the garbage collector passes over."""
    return str(gc.get_freeze_count())
