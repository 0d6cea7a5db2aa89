"""A skill that misbehaves in every way that a skill can."""

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from dingda.skill import Context, Skill

skill = Skill("bad", summary="捣乱")


class PanicException(BaseException):
    """What a library written in Rust raises when it panics."""


@skill.command("不停")
async def never_ends(ctx: Context) -> str:
    await asyncio.Event().wait()
    return ctx.localize("没有的事")


@skill.command("占着")
def blocks(seconds: float, ctx: Context) -> str:
    time.sleep(seconds)
    return ctx.localize("好了")


@skill.command("堵路")
async def blocks_the_loop(seconds: float, ctx: Context) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - that is the fault
    return ctx.localize("好了")


@skill.command("抱锁")
async def keeps_the_interpreter_lock(ctx: Context) -> str:
    re.match(r"(a+)+$", "a" * 60 + "b")
    return ctx.localize("没有的事")


@skill.command("抱锁线程")
def keeps_the_interpreter_lock_in_a_thread(ctx: Context) -> str:
    re.match(r"(a+)+$", "a" * 60 + "b")
    return ctx.localize("没有的事")


@skill.command("线程")
async def blocks_in_a_thread(seconds: float, ctx: Context) -> str:
    await asyncio.to_thread(time.sleep, seconds)
    return ctx.localize("好了")


@skill.command("计算")
async def computes(mark: str, ctx: Context) -> str:
    await ctx.in_process(touch_for_ever, mark)
    return ctx.localize("没有的事")


def touch_for_ever(path: str) -> None:
    while True:
        Path(path).touch()
        time.sleep(0.01)


@skill.command("不听")
async def swallows_everything() -> str:
    while True:
        with contextlib.suppress(BaseException):
            await asyncio.sleep(3600)


@skill.command("退出")
async def exits(ctx: Context) -> str:
    sys.exit(ctx.text)


@skill.command("崩溃")
async def crashes(ctx: Context) -> str:
    os.kill(os.getpid(), signal.SIGSEGV)
    return ctx.localize("没有的事")


@skill.command("睡着")
async def freezes(ctx: Context) -> str:
    os.kill(os.getpid(), signal.SIGSTOP)
    return ctx.localize("醒了")


@skill.command("恐慌")
async def panics() -> NoReturn:
    raise PanicException


@skill.command("打断")
def interrupts() -> NoReturn:
    raise KeyboardInterrupt


@skill.command("撤销")
async def awaits_what_is_cancelled() -> str:
    shared = asyncio.ensure_future(asyncio.sleep(60))
    asyncio.get_running_loop().call_soon(shared.cancel)
    await shared
    return "没有的事"


@skill.command("自撤")
async def cancels_itself(ctx: Context) -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)
    return ctx.localize("没有的事")


@skill.command("到头")
def stops_an_iteration() -> str:
    return next(iter(list[str]()))


@skill.command("遗留")
async def leaves_an_exit_behind(ctx: Context) -> str:
    async def leave() -> NoReturn:
        await asyncio.sleep(0)
        sys.exit(ctx.text)

    asyncio.create_task(leave())  # noqa: RUF006 - that is the fault
    return ctx.localize("好了")


@skill.command("读数")
async def quotes_what_was_typed(what: str) -> str:
    return str(int(what))


@skill.command("生成")
def returns_a_generator() -> Any:
    yield "没有的事"
