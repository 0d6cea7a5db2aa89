"""A skill that misbehaves in every way that a skill can."""

import asyncio
import contextlib
import os
import signal
import sys
import time

from worker.skill import Ask, Skill

skill = Skill("bad", summary="捣乱")


@skill.command("不停")
async def never_ends(ask: Ask) -> str:
    await asyncio.Event().wait()
    return ask.say("没有的事")


@skill.command("占着")
def blocks(seconds: float, ask: Ask) -> str:
    time.sleep(seconds)
    return ask.say("好了")


@skill.command("堵路")
async def blocks_the_loop(seconds: float, ask: Ask) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
    return ask.say("好了")


@skill.command("不听")
async def swallows_everything() -> str:
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(3600)


@skill.command("退出")
async def exits(ask: Ask) -> str:
    sys.exit(ask.text)


@skill.command("崩溃")
async def crashes(ask: Ask) -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ask.say("没有的事")


@skill.command("睡着")
async def freezes(ask: Ask) -> str:
    os.kill(os.getpid(), signal.SIGSTOP)
    return ask.say("醒了")
