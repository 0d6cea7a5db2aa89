"""Dingda's side of the jobs: a skill that asks a service, or only waits."""

import asyncio
import time

from dingda.skill import Backend, Context, Skill, SkillSettings

skill = Skill("lookup", summary="查一会儿")

_SERVICE = Backend("慢服务")
_failed: set[str] = set()


class LookupSettings(SkillSettings):
    """Which service is asked."""

    bench_service_url: str = "http://127.0.0.1:9"


@skill.command("查")
async def look_up(settings: LookupSettings, ctx: Context) -> str:
    """Ask the service something that nobody else asks."""
    await ctx.services.http.json(
        _SERVICE, "GET", settings.bench_service_url, params={"of": ctx.message.id}
    )
    return ctx.localize("查好了")


@skill.command("等")
async def wait(seconds: float, ctx: Context) -> str:
    """Wait so many seconds; the answer says when they were over, by the clock of all processes."""
    await asyncio.sleep(seconds)
    return ctx.localize(f"等好了 {time.monotonic():.6f}")


@skill.command("坏")
async def fail() -> str:
    """Fail, whenever it is asked."""
    raise RuntimeError("the look-up failed")


@skill.command("坏一次")
async def fail_once(ctx: Context) -> str:
    """Fail the first time that this process is asked by this message."""
    if ctx.message.id not in _failed:
        _failed.add(ctx.message.id)
        raise RuntimeError("the look-up failed")
    return ctx.localize("等好了")
