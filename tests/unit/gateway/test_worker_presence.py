"""The gateway knows that all workers are gone, and never says so too early."""

import asyncio
import logging

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.gateway.worker_presence import GRACE_S, LOOK_EVERY_S, WorkerPresence
from dingda.shared.ledger.worker_report import Presence
from tests.support.virtual_time import virtual_time


class Workers:
    """Workers that are there or not, as Redis says it, and the time."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.alive: bool | Exception = True
        self.missing: tuple[str, ...] = ()
        self.presence = WorkerPresence(self.look, now_s=lambda: self.now_s)

    async def look(self) -> Presence:
        if isinstance(self.alive, Exception):
            raise self.alive
        return Presence(self.alive, self.missing)

    async def are_gone_after(self, seconds: float) -> bool:
        self.now_s += seconds
        await self.presence.look()
        return self.presence.are_gone


@pytest.fixture
def workers() -> Workers:
    return Workers()


async def test_they_are_there_while_one_is_alive(workers: Workers) -> None:
    assert not await workers.are_gone_after(10 * GRACE_S)


async def test_they_are_gone_once_none_has_been_seen_for_the_grace(workers: Workers) -> None:
    assert not await workers.are_gone_after(1)
    workers.alive = False
    assert not await workers.are_gone_after(GRACE_S)
    assert await workers.are_gone_after(1)


async def test_they_are_back_at_once(workers: Workers) -> None:
    workers.alive = False
    assert await workers.are_gone_after(GRACE_S + 1)
    workers.alive = True
    assert not await workers.are_gone_after(1)


async def test_a_gateway_that_has_just_started_gives_them_the_grace(workers: Workers) -> None:
    workers.alive = False
    assert not await workers.are_gone_after(GRACE_S - 1)


@pytest.mark.parametrize("error", [RedisConnectionError(), TimeoutError(), OSError()])
async def test_they_are_taken_to_be_there_while_redis_does_not_say(
    workers: Workers, error: Exception
) -> None:
    workers.alive = error
    assert not await workers.are_gone_after(10 * GRACE_S)


async def test_it_is_said_once_that_they_are_gone(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    workers.alive = False
    for _ in range(3):
        await workers.are_gone_after(GRACE_S + 1)
    workers.alive = True
    await workers.are_gone_after(1)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


async def test_the_skills_that_they_lack_are_known_while_they_are_away(workers: Workers) -> None:
    workers.missing = ("acme.leave (ModuleNotFoundError)",)
    await workers.presence.look()
    workers.alive, workers.missing = False, ()
    await workers.presence.look()
    assert workers.presence.missing_skills == ("acme.leave (ModuleNotFoundError)",)
    workers.alive = True
    await workers.presence.look()
    assert not workers.presence.missing_skills


@virtual_time
async def test_it_looks_every_few_seconds_and_waits_no_longer_for_redis() -> None:
    looks: list[float] = []
    loop = asyncio.get_running_loop()

    async def hang() -> Presence:
        looks.append(loop.time())
        await asyncio.Event().wait()
        return Presence(is_any_alive=False)

    presence = WorkerPresence(hang, now_s=loop.time)
    watching = asyncio.create_task(presence.watch())
    await asyncio.sleep(4 * LOOK_EVERY_S)
    watching.cancel()
    assert len(looks) in (3, 4)
    assert not presence.are_gone
