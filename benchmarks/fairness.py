"""What a quick skill's users wait for while others hang, flood or wait in front of them."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.bot import Bot, a_bot, weather_questions
from benchmarks.candidates import DINGDA, SERVICE_TAKES_S, Server, a_server
from benchmarks.plan import Plan
from benchmarks.processes import ROOT
from benchmarks.samples import Column, Sample, Table, percentile

HANGING, FLOOD = 500, 1_000
_PLACES = 100
_HANGS_S = 3600.0
_QUICK = "帮助"
_QUICK_EVERY_S = 0.1
_BEHIND_BACKLOG_S = 2.0

TABLE = Table(
    question="fairness",
    title=f"Fairness: what 「{_QUICK}」 waits beside others",
    note=f"People ask for 「{_QUICK}」, ten a second, each in a group of their own, through the "
    f"gateway and one worker process with {_PLACES} places. *Hanging*: {HANGING} people have asked "
    "for different weather, and the service answers nobody. *A flood*: one person has sent "
    f"{FLOOD:,} questions about the weather, and the service takes a second. *Waiting*: so many "
    "messages of other people, which take no time to answer, wait in the queue. It is first in, "
    "first out, so that whoever comes then waits until they are answered: that row shows what "
    "a backlog costs people, and that it is answered no slower for its length. *The others "
    "answered* counts their replies by the time the last of the quick ones came.",
    columns=(
        Column("p50_ms", "p50 ms"),
        Column("p99_ms", "p99 ms"),
        Column("max_ms", "max ms"),
        Column("others", "the others answered"),
        Column("per_s", "replies/s", 1),
    ),
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Ask beside each neighbour in turn, round after round; behind a backlog, once."""
    with a_server(folder / "fairness") as server:
        for number in range(plan.slow_rounds):
            yield from beside_neighbours(server, plan, number)
        waiting = plan.backlogs[1]
        values = uvloop.run(behind_backlog(server, waiting, _BEHIND_BACKLOG_S))
        yield Sample("fairness", f"{waiting:,} waiting", 0, values)


def beside_neighbours(
    server: Server, plan: Plan, number: int, *, code: Path = ROOT, name: str = DINGDA
) -> Iterator[Sample]:
    """Ask alone, beside a hanging service and beside a flood, with a checkout's code."""
    for variant, neighbours in (
        ("nobody else", _alone),
        (f"hanging, {HANGING} wait", _hanging),
        ("a flood by one person", _flood),
    ):
        values = uvloop.run(neighbours(server, code, plan.fairness_s))
        yield Sample("fairness", f"{name}: {variant}", number, values)


async def _alone(server: Server, code: Path, seconds: float) -> dict[str, float]:
    async with a_bot(server, takes_s=SERVICE_TAKES_S, places=_PLACES, code=code) as bot:
        return await _quick(bot, seconds)


async def _hanging(server: Server, code: Path, seconds: float) -> dict[str, float]:
    async with a_bot(server, takes_s=_HANGS_S, places=_PLACES, code=code) as bot:
        await bot.ask_all(weather_questions(HANGING), "hang")
        return await _quick(bot, seconds)


async def _flood(server: Server, code: Path, seconds: float) -> dict[str, float]:
    questions = weather_questions(HANGING) * (FLOOD // HANGING)
    async with a_bot(server, takes_s=SERVICE_TAKES_S, places=_PLACES, code=code) as bot:
        await bot.ask_all(questions, "flood", person="one")
        return await _quick(bot, seconds)


async def behind_backlog(server: Server, waiting: int, seconds: float) -> dict[str, float]:
    """Ask behind so many messages that wait when the worker starts."""
    async with a_bot(server, takes_s=SERVICE_TAKES_S, places=_PLACES, waiting=waiting) as bot:
        return await _quick(bot, seconds)


async def _quick(bot: Bot, seconds: float) -> dict[str, float]:
    """Ask quick questions for some seconds: what they waited, and what happened meanwhile."""
    began_s, before = time.perf_counter(), len(bot.replies)
    sessions: list[str] = []
    async with aiohttp.ClientSession() as client:
        while time.perf_counter() - began_s < seconds:
            sessions.append(f"quick{len(sessions)}")
            await bot.ask(client, sessions[-1], _QUICK)
            await asyncio.sleep(_QUICK_EVERY_S)
    await bot.wait_for(sessions)
    waited_ms, others = bot.waited_ms(sessions), len(bot.replies) - len(sessions)
    return {
        "p50_ms": percentile(waited_ms, 50),
        "p99_ms": percentile(waited_ms, 99),
        "max_ms": max(waited_ms),
        "others": others,
        "per_s": (len(bot.replies) - before) / (time.perf_counter() - began_s),
    }
