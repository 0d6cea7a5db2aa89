"""The thread pool counts the calls that nobody waits for any more."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from dingda.worker.engine.threads import SkillThreads


@pytest.fixture
def free() -> Iterator[threading.Event]:
    """Lets every hanging call return."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def threads() -> Iterator[SkillThreads]:
    made = SkillThreads(2)
    yield made
    made.shutdown(wait=False)


async def hang(
    threads: SkillThreads, free: threading.Event, count: int
) -> list[asyncio.Task[bool]]:
    """Start calls that hang, each by a task of its own."""
    began = threading.Semaphore(0)

    def call() -> bool:
        began.release()
        return free.wait()

    async def ask() -> bool:
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    tasks = [asyncio.create_task(ask()) for _ in range(count)]
    for _ in range(min(count, 2)):
        await asyncio.to_thread(began.acquire)
    return tasks


async def give_up(tasks: list[asyncio.Task[bool]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_calls_that_somebody_waits_for_are_not_stuck(
    threads: SkillThreads, free: threading.Event
) -> None:
    tasks = await hang(threads, free, 2)
    assert not threads.are_stuck
    free.set()
    assert await asyncio.gather(*tasks) == [True, True]


async def test_threads_are_stuck_when_all_hold_calls_whose_time_is_up(
    threads: SkillThreads, free: threading.Event
) -> None:
    tasks = await hang(threads, free, 2)
    await give_up(tasks[:1])
    assert not threads.are_stuck
    await give_up(tasks[1:])
    assert threads.are_stuck


async def test_a_call_that_returns_after_all_frees_its_thread(
    threads: SkillThreads, free: threading.Event
) -> None:
    await give_up(await hang(threads, free, 2))
    free.set()
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(threads, lambda: 7) == 7
    assert not threads.are_stuck


async def test_a_call_that_waits_for_a_thread_and_is_given_up_never_runs(
    threads: SkillThreads, free: threading.Event
) -> None:
    tasks = await hang(threads, free, 3)
    await give_up(tasks[2:])
    assert not threads.are_stuck
    free.set()
    assert await asyncio.gather(*tasks[:2]) == [True, True]


async def test_calls_through_asyncio_to_thread_count(
    threads: SkillThreads, free: threading.Event
) -> None:
    asyncio.get_running_loop().set_default_executor(threads)
    tasks = [asyncio.create_task(asyncio.to_thread(free.wait)) for _ in range(2)]
    await asyncio.sleep(0.1)
    await give_up(tasks)
    assert threads.are_stuck
    free.set()
