"""Dingda's side of the job: a skill that looks something up for as long as it is told."""

import asyncio

from dingda.skill import Context, Skill

skill = Skill("lookup", summary="查一会儿")


@skill.command("查")
async def look_up(seconds: float, ctx: Context) -> str:
    """Look something up for so many seconds."""
    await asyncio.sleep(seconds)
    return ctx.localize("查好了")
