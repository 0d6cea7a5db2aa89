"""A skill with something to inspect: a call to a backend, lines of the log, a failure."""

import logging
import os

from dingda.skill import Backend, BackendConfigError, Context, Skill

logger = logging.getLogger(__name__)
skill = Skill("inspected", summary="打听")
ECHO = Backend("回声")


@skill.command("打听")
async def ask_around(word: str, times: int, ctx: Context) -> str:
    logger.warning("asked %d times", times)
    url = f"{os.environ['DINGDA_SESSION_WEBHOOK_ORIGINS']}/api/health"
    response = await ctx.services.http.json(ECHO, "GET", url, shared=False)
    if response.status != 200:
        raise BackendConfigError(ECHO.name, f"HTTP {response.status}")
    return ctx.localize(f"{word}：打听到了")


@skill.command("摔跤")
async def stumble() -> str:
    raise ZeroDivisionError("over a stone")
