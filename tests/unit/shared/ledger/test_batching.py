"""Batching: calls of many callers share a round trip, and each caller gets its own result."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from dingda.shared.errors import BusyError
from dingda.shared.ledger.batching import Batcher, BatchLimits, ScriptBatcher
from dingda.shared.ledger.replicas import ReplicatedConnection
from dingda.shared.runtime.kept_connection import Command, KeptConnection

# Batches of anything.


class Doubler:
    """Doubles numbers, a batch at a time, as soon as its gate is open."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.error: BaseException | None = None

    async def run(self, batch: list[int]) -> list[int | Exception]:
        self.batches.append(batch)
        await self.gate.wait()
        if self.error:
            raise self.error
        return [ValueError("odd") if number % 2 else 2 * number for number in batch]


@pytest.fixture
def doubler() -> Doubler:
    return Doubler()


def submit(
    batcher: "Batcher[int, int]", *numbers: int, size: int = 0
) -> "list[asyncio.Future[int]]":
    return [batcher.submit(number, size=size) for number in numbers]


async def outcomes(*tasks: "asyncio.Future[int]") -> list[int | BaseException]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_result_that_is_an_exception_is_raised_to_its_caller_alone(
    doubler: Doubler,
) -> None:
    doubler.gate.set()
    found = await outcomes(*submit(Batcher(doubler.run, limits=BatchLimits()), 2, 3, 4))
    assert (found[0], found[2]) == (4, 8)
    assert isinstance(found[1], ValueError)
    assert doubler.batches == [[2, 3, 4]]


async def test_a_batch_takes_no_more_calls_and_bytes_than_its_limits(doubler: Doubler) -> None:
    doubler.gate.set()
    by_calls = Batcher(doubler.run, limits=BatchLimits(batch=2))
    await outcomes(*submit(by_calls, 2, 4, 6))
    by_bytes = Batcher(doubler.run, limits=BatchLimits(batch_bytes=20))
    await outcomes(*submit(by_bytes, 2, 4, 6, size=10))
    assert doubler.batches == [[2, 4], [6]] * 2


async def test_results_that_are_too_few_are_given_to_nobody() -> None:
    async def forgetful(batch: list[int]) -> list[int]:
        return batch[1:]

    found = await outcomes(*submit(Batcher(forgetful, limits=BatchLimits()), 2, 4))
    assert [type(outcome) for outcome in found] == [ValueError, ValueError]


async def test_waiting_calls_can_be_failed_while_a_batch_is_in_flight(doubler: Doubler) -> None:
    batcher = Batcher(doubler.run, limits=BatchLimits())
    in_flight = submit(batcher, 2)
    await asyncio.sleep(0)
    waiting = submit(batcher, 4, 6)
    await asyncio.sleep(0)
    batcher.fail_waiting(RedisConnectionError("away"))
    doubler.gate.set()
    found = await outcomes(*in_flight, *waiting)
    assert found[0] == 4
    assert [type(outcome) for outcome in found[1:]] == [RedisConnectionError] * 2


async def test_stopping_fails_the_batch_in_flight_and_the_calls_that_wait(
    doubler: Doubler,
) -> None:
    batcher = Batcher(doubler.run, limits=BatchLimits(batch=1))
    calls = submit(batcher, 2, 4)
    await asyncio.sleep(0.01)
    await batcher.stop()
    assert [type(outcome) for outcome in await outcomes(*calls)] == [BusyError] * 2


async def test_stopping_before_the_first_batch_has_begun_fails_its_call(doubler: Doubler) -> None:
    batcher = Batcher(doubler.run, limits=BatchLimits())
    call = submit(batcher, 2)
    await batcher.stop()
    assert [type(outcome) for outcome in await outcomes(*call)] == [BusyError]
    assert doubler.batches == []


async def test_a_batch_that_panics_is_logged_and_the_next_call_starts_again(
    doubler: Doubler, caplog: pytest.LogCaptureFixture
) -> None:
    class PanicError(BaseException):
        """What a library in another language raises: no `Exception`."""

    batcher = Batcher(doubler.run, limits=BatchLimits())
    doubler.gate.set()
    doubler.error = PanicError()
    assert [type(outcome) for outcome in await outcomes(*submit(batcher, 2))] == [BusyError]
    assert "PanicError" in caplog.text
    doubler.error = None
    assert await batcher.submit(4) == 8


# Batches of scripts.

COUNT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
ECHO = "return ARGV[1]"


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    async with fakeredis.FakeAsyncRedis(decode_responses=True) as redis:
        yield redis


@pytest.fixture
def scripts(redis: fakeredis.FakeAsyncRedis) -> ScriptBatcher:
    return ScriptBatcher(ReplicatedConnection(redis, replicas=0, counts_key="count"), ["total"])


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each round trip had."""
    sizes: list[int] = []
    original = KeptConnection.execute_all

    async def counted(self: KeptConnection, commands: Sequence[Command]) -> list[Any]:
        sizes.append(len(commands))
        return await original(self, commands)

    monkeypatch.setattr(KeptConnection, "execute_all", counted)
    return sizes


async def test_a_call_returns_what_its_script_returns(
    redis: fakeredis.FakeAsyncRedis, scripts: ScriptBatcher
) -> None:
    count, echo = redis.register_script(COUNT), redis.register_script(ECHO)
    counted, echoed = await asyncio.gather(scripts.run(count, [2]), scripts.run(echo, ["x"]))
    assert (counted, echoed) == (2, "x")


async def test_calls_made_together_share_a_round_trip(
    redis: fakeredis.FakeAsyncRedis, scripts: ScriptBatcher, executed: list[int]
) -> None:
    echo = redis.register_script(ECHO)
    await scripts.run(echo, ["the script is known from here on"])
    executed.clear()
    answers = await asyncio.gather(*(scripts.run(echo, [str(n)]) for n in range(50)))
    assert answers == [str(n) for n in range(50)]
    assert executed == [50]


async def test_a_redis_that_has_forgotten_the_scripts_is_told_them_again_and_each_runs_once(
    redis: fakeredis.FakeAsyncRedis, scripts: ScriptBatcher
) -> None:
    count = redis.register_script(COUNT)
    await scripts.run(count, [1])
    await redis.script_flush()
    answers = await asyncio.gather(*(scripts.run(count, [1]) for _ in range(3)))
    assert answers == [2, 3, 4]


async def test_an_error_reaches_the_caller_that_it_is_about_and_nobody_else(
    redis: fakeredis.FakeAsyncRedis, scripts: ScriptBatcher
) -> None:
    count = redis.register_script(COUNT)
    answers = await asyncio.gather(
        scripts.run(count, [1]),
        scripts.run(count, ["no number"]),
        scripts.run(count, [1]),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], ResponseError)


async def test_an_outage_reaches_every_call_of_a_round_trip_and_not_the_next_one(
    redis: fakeredis.FakeAsyncRedis, scripts: ScriptBatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    echo = redis.register_script(ECHO)
    with monkeypatch.context() as patch:
        patch.setattr(redis.connection_pool, "get_connection", broken)
        answers = await asyncio.gather(
            *(scripts.run(echo, ["x"]) for _ in range(3)), return_exceptions=True
        )
    assert [type(answer) for answer in answers] == [RedisConnectionError] * 3
    assert await scripts.run(echo, ["y"]) == "y"


async def test_a_caller_that_is_gone_before_the_round_trip_has_no_effect(
    redis: fakeredis.FakeAsyncRedis, scripts: ScriptBatcher
) -> None:
    count = redis.register_script(COUNT)
    gone = asyncio.create_task(scripts.run(count, [100]))
    stays = asyncio.create_task(scripts.run(count, [1]))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 1
