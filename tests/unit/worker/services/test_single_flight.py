"""Equal calls at one moment are one call, whoever of those who asked goes away."""

import asyncio

import pytest

from dingda.worker.services.single_flight import SharedCallCancelledError, SingleFlight
from dingda.worker.services.skill_clock import skill_clock_paused, skill_time
from tests.support.virtual_time import virtual_time


class Call:
    """Counts how often it is made; ends when it is told to."""

    def __init__(self) -> None:
        self.made = 0
        self.may_end = asyncio.Event()
        self.task: asyncio.Task[object] | None = None
        self.error: BaseException | None = None

    async def __call__(self) -> int:
        self.made += 1
        self.task = asyncio.current_task()
        await self.may_end.wait()
        if self.error:
            raise self.error
        return self.made


async def three(flights: SingleFlight, call: Call) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(flights.run("key", call)) for _ in range(3)]
    await asyncio.sleep(0.01)
    return tasks


async def test_concurrent_callers_get_the_outcome_of_one_call() -> None:
    call = Call()
    tasks = await three(SingleFlight(), call)
    call.may_end.set()
    assert await asyncio.gather(*tasks) == [1, 1, 1]


async def test_a_later_caller_makes_another_call() -> None:
    flights, call = SingleFlight(), Call()
    call.may_end.set()
    assert await flights.run("key", call) == 1
    assert await flights.run("key", call) == 2


async def test_other_keys_are_other_calls() -> None:
    flights, call = SingleFlight(), Call()
    call.may_end.set()
    assert await asyncio.gather(*(flights.run(key, call) for key in "ab")) == [1, 2]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1)])
async def test_an_error_reaches_everybody_and_ends_nothing_else(error: BaseException) -> None:
    call = Call()
    call.error = error
    tasks = [asyncio.create_task(caught(SingleFlight(), call)) for _ in range(2)]
    await asyncio.sleep(0.01)
    call.may_end.set()
    assert await asyncio.gather(*tasks) == [error, error]


async def caught(flights: SingleFlight, call: Call) -> BaseException | None:
    try:
        await flights.run("key", call)
    except (ValueError, SystemExit) as error:
        return error
    return None


async def test_a_cancelled_caller_cancels_the_call_for_no_other() -> None:
    call = Call()
    first, second, third = await three(SingleFlight(), call)
    first.cancel()
    second.cancel()
    await asyncio.sleep(0.01)
    call.may_end.set()
    assert await third == 1


@pytest.mark.parametrize("by_itself", [True, False])
async def test_a_cancelled_call_cancels_none_of_its_callers(*, by_itself: bool) -> None:
    call = Call()
    tasks = await three(SingleFlight(), call)
    if by_itself:
        call.error = asyncio.CancelledError()
        call.may_end.set()
    elif call.task:
        call.task.cancel()
    for task in tasks:
        with pytest.raises(SharedCallCancelledError):
            await task


async def test_a_call_cancelled_before_it_starts_blocks_no_later_one() -> None:
    flights, call = SingleFlight(), Call()
    call.may_end.set()
    waiter = asyncio.create_task(flights.run("key", call))
    await asyncio.sleep(0)
    (flight,) = asyncio.all_tasks() - {waiter, asyncio.current_task()}
    flight.cancel()
    with pytest.raises(SharedCallCancelledError):
        await waiter
    assert await flights.run("key", call) == 1


@virtual_time
async def test_every_callers_clock_pauses_while_the_shared_call_waits_for_a_slot() -> None:
    flights = SingleFlight()

    async def call() -> str:
        with skill_clock_paused():
            await asyncio.sleep(0.5)
        return "done"

    async def skill(begins_s: float) -> str:
        await asyncio.sleep(begins_s)
        async with skill_time(0.2, latest_s=60):
            return await flights.run("key", call)

    done = await asyncio.gather(*(skill(begins_s) for begins_s in (0, 0.1, 0.2)))
    assert done == ["done"] * 3


@virtual_time
async def test_a_shared_call_that_does_not_wait_for_a_slot_uses_every_callers_time() -> None:
    call = Call()
    flights = SingleFlight()

    async def skill() -> None:
        async with skill_time(0.05, latest_s=60):
            await flights.run("key", call)

    ends = await asyncio.gather(skill(), skill(), return_exceptions=True)
    assert [type(end) for end in ends] == [TimeoutError, TimeoutError]
    call.may_end.set()
