"""`python -m tests.soak`: a steady load for a while, and whether anything grows or goes astray."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from redis.asyncio import Redis

from tests.chaos.__main__ import settle
from tests.chaos.callers import Callers
from tests.chaos.dingtalk import FaultyDingTalk
from tests.chaos.result import evaluate
from tests.faults.report import write_section
from tests.soak.deployment import SoakDeployment
from tests.soak.growth import Sampler
from tests.soak.keys import count_keys
from tests.soak.result import SoakResult, table
from tests.soak.warm_up import warm_up
from tests.support.sentinels import MASTER, SentinelDeployment, sentinel_deployment

PER_S = 40.0
SAMPLE_S = 5.0
_PROGRESS_S = 60.0
_OLD_PRIMARY_AWAY_S = 15.0
_RESTARTS = 20
"""Of workers in one run."""
_LONG_MINUTES = 10.0
"""In a shorter run a process that warms up looks like one that leaks."""
_TIDIED_WITHIN_S = 180.0
"""RQ forgets a worker that was killed, and its jobs, two minutes after its last heartbeat."""
_CONFIG = {"appendfsync": "everysec", "min-replicas-to-write": "1", "min-replicas-max-lag": "2"}


async def run(minutes: float, seed: int, folder: Path, *, record: bool) -> int:
    """Run once; returns the process's exit status."""
    dingtalk = FaultyDingTalk(random.Random(seed))  # noqa: S311 - must be repeatable
    webhook_port = await dingtalk.start()
    with ExitStack() as stack:
        sentinels = stack.enter_context(sentinel_deployment(folder, _CONFIG, down_after_ms=5_000))
        origin = f"http://127.0.0.1:{webhook_port}"
        bot = stack.enter_context(SoakDeployment(_settings(sentinels), origin=origin))
        callers = Callers(
            ports=list(bot.gateway_ports),
            webhook_port=webhook_port,
            rng=random.Random(seed),  # noqa: S311
            froze_since=lambda _port, _since_s: False,
        )
        sampler = Sampler()
        tasks_before = await bot.read_tasks()
        await warm_up(callers)
        await _load(callers, bot, sentinels, sampler, seconds=minutes * 60)
        print("the load is over; waiting for the last message's end ...", flush=True)
        async with Redis.from_url(sentinels.primary.url, decode_responses=True) as redis:
            settled_s = await settle(redis)
            result = SoakResult(
                messages=await evaluate(redis, callers, dingtalk, noticed_s=[]),
                growth=sampler.growth_of(bot.lasting_pids),
                views=await bot.read_views(),
                keys=await count_keys(redis, within_s=_TIDIED_WITHIN_S),
                tasks=(tasks_before, await bot.read_tasks()),
                restarts=bot.restarts,
                kills=bot.kills,
            )
    await dingtalk.stop()
    title = f"{minutes:g} minutes, seed {seed}; the last end came {settled_s:.0f} s after the load."
    print(f"{title}\n\n{table(result)}")
    faults = list(result.faults(is_long=minutes >= _LONG_MINUTES))
    for fault in faults:
        print(f"MISSED: {fault}; the data are in {folder}", file=sys.stderr)
    if record and not faults:
        write_section("soak", f"{title}\n\n{table(result)}")
    return 1 if faults else 0


async def _load(
    callers: Callers,
    bot: SoakDeployment,
    sentinels: SentinelDeployment,
    sampler: Sampler,
    *,
    seconds: float,
) -> None:
    """Load the bot for so long: workers are restarted all the while, Redis fails over half-way."""
    background = [
        asyncio.create_task(bot.restart_workers(every_s=seconds / _RESTARTS)),
        asyncio.create_task(_sample(sampler, bot)),
        asyncio.create_task(_show_progress(callers, seconds)),
        asyncio.create_task(_fail_over(sentinels, after_s=seconds / 2)),
    ]
    try:
        await callers.ask(seconds=seconds, per_s=PER_S)
    finally:
        for task in background:
            task.cancel()
        for ended in await asyncio.gather(*background, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _sample(sampler: Sampler, bot: SoakDeployment) -> None:
    while True:
        await asyncio.to_thread(sampler.sample, bot.lasting_pids)
        await asyncio.sleep(SAMPLE_S)


async def _show_progress(callers: Callers, seconds: float) -> None:
    began_s = time.monotonic()
    while True:
        await asyncio.sleep(_PROGRESS_S)
        heard = sum(asked.heard == "stored" for asked in callers.asked)
        minute = (time.monotonic() - began_s) / 60
        print(f"minute {minute:.0f} of {seconds / 60:g}: {heard} stored", flush=True)


async def _fail_over(sentinels: SentinelDeployment, *, after_s: float) -> None:
    """Kill the primary once; the old one comes back after a while, as a replica."""
    await asyncio.sleep(after_s)
    old = await asyncio.to_thread(lambda: sentinels.primary)
    old.kill()
    await asyncio.to_thread(sentinels.wait_for_other_primary, old)
    print("Redis has failed over", flush=True)
    await asyncio.sleep(_OLD_PRIMARY_AWAY_S)
    await asyncio.to_thread(old.start)


def _settings(sentinels: SentinelDeployment) -> dict[str, str]:
    return {
        "DINGDA_REDIS_URL": "redis://",
        "DINGDA_REDIS_SENTINELS": sentinels.addresses,
        "DINGDA_REDIS_MASTER": MASTER,
        "DINGDA_REDIS_REPLICAS": "1",
    }


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="write docs/faults.md")
    options = parser.parse_args()
    if options.minutes < 1:
        parser.error("less than a minute holds too few samples to compare")
    folder = Path(tempfile.mkdtemp(prefix="dingda-soak-"))
    return asyncio.run(run(options.minutes, options.seed, folder, record=options.record))


if __name__ == "__main__":
    sys.exit(main())
