"""`python -m tests.chaos`: break everything at once for a while, and evaluate what became of it."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.queue import JobQueue
from dingda.simulator.testing.processes import free_port
from tests.chaos.abandonment import AbandonmentMonitor
from tests.chaos.callers import Callers
from tests.chaos.dingtalk import FaultyDingTalk
from tests.chaos.fault_injector import FaultInjector
from tests.chaos.fleet import Fleet, Member
from tests.chaos.result import evaluate, table
from tests.faults.report import write_section
from tests.support.processes import SECRET, Valkey

GATEWAYS, WORKERS = 3, 4
PER_S = 120.0
_SETTLE_S = 150.0
"""DingTalk's throttle is over after a minute."""


async def run(minutes: float, seed: int, folder: Path, *, record: bool) -> int:
    """Run once; returns the process's exit status."""
    dingtalk = FaultyDingTalk(_rng(seed, "dingtalk"))
    webhook_port = await dingtalk.start()
    server = Valkey(folder, appendfsync="always")
    ports = [free_port() for _ in range(GATEWAYS)]
    fleet = Fleet(_members(ports, webhook_port, server.url, folder))
    redis = _client(server.url)
    monitor = AbandonmentMonitor(redis)
    callers = Callers(
        ports=ports,
        webhook_port=webhook_port,
        rng=_rng(seed, "callers"),
        froze_since=fleet.froze_since,
    )
    injector = FaultInjector(
        fleet=fleet, server=server, dingtalk=dingtalk, monitor=monitor, seed=seed
    )
    fleet.start()
    background = [asyncio.create_task(each) for each in (fleet.supervise(), monitor.run())]
    try:
        await asyncio.sleep(3)
        seconds = minutes * 60
        await asyncio.gather(injector.run(seconds), callers.ask(seconds=seconds, per_s=PER_S))
        print("the faults are over; waiting for the last message's end ...", flush=True)
        settled_s = await settle(redis)
        result = await evaluate(redis, callers, dingtalk, noticed_s=monitor.noticed_s)
    finally:
        for task in background:
            task.cancel()
        fleet.stop()
        await redis.aclose()
        server.close()
        await dingtalk.stop()
    figures = table(result, fleet=fleet, injector=injector, dingtalk=dingtalk)
    title = (
        f"{minutes:g} minutes, seed {seed}; the last end came {settled_s:.0f} s after the faults."
    )
    print(f"{title}\n\n{figures}")
    faults = result.faults(minutes, fleet.kills)
    for fault in faults:
        print(f"MISSED: {fault}; the logs are in {folder}", file=sys.stderr)
    if record and not faults:
        write_section("chaos", f"{title}\n\n{figures}")
    return 1 if faults else 0


def _rng(seed: int, whose: str) -> random.Random:
    return random.Random(f"{seed} {whose}")  # noqa: S311 - must be repeatable


def _members(ports: list[int], webhook_port: int, redis_url: str, folder: Path) -> list[Member]:
    common = {"DINGDA_REDIS_URL": redis_url, "DINGDA_APP_SECRET": SECRET}
    gateways = [
        Member("gateway", common | {"DINGDA_PORT": str(port)}, folder / f"gateway{port}.log")
        for port in ports
    ]
    answers = common | {
        "DINGDA_SKILLS": "dingda.worker.skills.demo,tests.e2e.slow_skill",
        "DINGDA_SESSION_WEBHOOK_ORIGINS": f"http://127.0.0.1:{webhook_port}",
    }
    workers = [Member("worker", answers, folder / f"worker{n}.log") for n in range(WORKERS)]
    return gateways + workers


def _client(url: str) -> Redis:
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=1.0,
        socket_connect_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


async def settle(redis: Redis) -> float:
    """Wait until nothing is open, and return how long that took, in seconds."""
    admin = LedgerAdmin(redis, JobQueue.create("dingda", skill_timeout_s=30))
    began = time.monotonic()
    while (waited_s := time.monotonic() - began) < _SETTLE_S:
        with suppress(RedisError, OSError):
            if (await admin.counts()).open == 0:
                break
        await asyncio.sleep(0.5)
    return waited_s


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="write docs/faults.md")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="dingda-chaos-"))
    return asyncio.run(run(options.minutes, options.seed, folder, record=options.record))


if __name__ == "__main__":
    sys.exit(main())
