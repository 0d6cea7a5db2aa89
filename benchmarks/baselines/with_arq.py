"""arq: `python -m benchmarks.baselines.with_arq`."""

import asyncio
from typing import Any, ClassVar

import httpx
import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker
from httpx_aiohttp import AiohttpTransport

from benchmarks.baselines.jobs import ANSWER, marks, redis_url, urls

_MAX_JOBS = 500
_AT_ONCE = 100


async def nothing(context: dict[str, Any], mark: str) -> None:
    """Do nothing; `mark` names the list to push to, if any."""
    if mark:
        await context["redis"].rpush(mark, 1)


async def reply(context: dict[str, Any], url: str, lookup: str) -> None:
    """GET what is to be looked up, if anything, then POST the answer."""
    if lookup:
        (await context["client"].get(lookup)).raise_for_status()
    (await context["client"].post(url, json=ANSWER)).raise_for_status()


class _Pool:
    """The gateway's connection, made when it is first needed."""

    pool: ClassVar[ArqRedis | None] = None


async def enqueue(message_id: str, url: str) -> None:
    """Take a message as a gateway would."""
    if _Pool.pool is None:
        _Pool.pool = await create_pool(RedisSettings.from_dsn(redis_url()))
    await _Pool.pool.enqueue_job("reply", url, "", _job_id=message_id)


async def fill(count: int, origin: str, lookup: str) -> None:
    """Queue jobs that do nothing, or with an origin those that reply."""
    pool = await create_pool(RedisSettings.from_dsn(redis_url()))
    calls: list[tuple[Any, ...]]
    if origin:
        calls = [("reply", url, lookup) for url in urls(count, origin)]
    else:
        calls = [("nothing", mark) for mark in marks(count)]
    # One by one at both ends, because arq takes jobs in the order of their milliseconds.
    await pool.enqueue_job(*calls[0])
    await asyncio.sleep(0.01)
    for start in range(1, count - 1, _AT_ONCE):
        some = calls[start : min(start + _AT_ONCE, count - 1)]
        await asyncio.gather(*(pool.enqueue_job(*call) for call in some))
    await asyncio.sleep(0.01)
    await pool.enqueue_job(*calls[-1])


async def _open_client(context: dict[str, Any]) -> None:
    # None would be aiohttp's own hundred; 0 is none.
    transport = AiohttpTransport(limits=httpx.Limits(max_connections=0))
    context["client"] = httpx.AsyncClient(transport=transport, trust_env=False)


async def work() -> None:
    """Run jobs until told to stop."""
    worker = Worker(
        functions=[nothing, reply],
        redis_settings=RedisSettings.from_dsn(redis_url()),
        on_startup=_open_client,
        max_jobs=_MAX_JOBS,
        keep_result=60,
    )
    await worker.async_run()


if __name__ == "__main__":
    uvloop.run(work())
