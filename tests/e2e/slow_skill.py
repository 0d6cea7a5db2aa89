"""A skill that takes its time, for tests that kill who is answering."""

import asyncio

from worker.skill import Ask, Skill

skill = Skill("slow", summary="慢慢查")


@skill.command("慢")
async def slow(seconds: float, ask: Ask) -> str:
    await asyncio.sleep(seconds)
    return ask.say("查好了")
