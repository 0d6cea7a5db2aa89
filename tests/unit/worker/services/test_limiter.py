"""Calls wait in line for their turn, in order, and not for ever."""

import asyncio

import pytest

from dingda.worker.errors import BackendBusyError
from dingda.worker.services.backend import Backend
from dingda.worker.services.limiter import BackendLimiter
from tests.support.virtual_time import virtual_time


async def begin(limiter: BackendLimiter, begun: list[float], *, takes_s: float = 0.0) -> None:
    async with limiter.slot():
        begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(takes_s)


@pytest.mark.parametrize(("per_s", "count"), [(5.0, 12), (2.5, 4)])
@virtual_time
async def test_no_more_calls_begin_within_a_second_than_are_allowed(
    per_s: float, count: int
) -> None:
    limiter, begun = BackendLimiter(Backend("API", per_s=per_s)), list[float]()
    await asyncio.gather(*(begin(limiter, begun) for _ in range(count)))
    together = int(per_s)
    window_s = together / per_s
    gaps = [later - earlier for earlier, later in zip(begun, begun[together:], strict=False)]
    assert gaps
    assert min(gaps) >= window_s - 1e-6


@virtual_time
async def test_a_few_calls_after_a_rest_do_not_wait_for_one_another() -> None:
    limiter, begun = BackendLimiter(Backend("API", per_s=3, wait_s=0.1)), list[float]()
    await asyncio.gather(*(begin(limiter, begun) for _ in range(3)))
    assert len(begun) == 3


@virtual_time
async def test_a_call_that_could_not_start_in_time_fails_at_once() -> None:
    limiter, begun = BackendLimiter(Backend("API", per_s=1, wait_s=2)), list[float]()
    waiting = [asyncio.create_task(begin(limiter, begun)) for _ in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(BackendBusyError) as error:
        async with asyncio.timeout(0.05):
            await begin(limiter, begun)
    assert "wait already" in error.value.reason
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@virtual_time
async def test_a_cancelled_call_frees_its_slot() -> None:
    limiter, begun = BackendLimiter(Backend("API", at_once=1, wait_s=5)), list[float]()
    first = asyncio.create_task(begin(limiter, begun, takes_s=60))
    others = [asyncio.create_task(begin(limiter, begun)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in (*others, first):
        task.cancel()
    await asyncio.gather(first, *others, return_exceptions=True)
    await begin(limiter, begun)
    assert len(begun) == 2
