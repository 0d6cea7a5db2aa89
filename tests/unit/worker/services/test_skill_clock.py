"""A skill's time is for its work: waiting in a line of ours is not part of it."""

import asyncio

import pytest

from dingda.worker.services.skill_clock import skill_clock_paused, skill_time
from tests.support.virtual_time import virtual_time


async def wait_in_line(seconds: float) -> None:
    with skill_clock_paused():
        await asyncio.sleep(seconds)


@virtual_time
async def test_waiting_for_a_slot_uses_none_of_a_skills_time() -> None:
    async with skill_time(0.2, latest_s=60):
        await wait_in_line(0.5)
        await wait_in_line(0.5)


@virtual_time
async def test_a_skills_own_work_before_and_after_uses_its_time() -> None:
    async def work() -> None:
        await asyncio.sleep(0.15)
        await wait_in_line(0.3)
        await asyncio.sleep(0.15)

    with pytest.raises(TimeoutError):
        async with skill_time(0.2, latest_s=60):
            await work()


@virtual_time
async def test_waiting_for_several_at_once_counts_once() -> None:
    loop = asyncio.get_running_loop()

    async def work() -> None:
        await asyncio.gather(*(wait_in_line(seconds) for seconds in (1, 2, 3)))
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with skill_time(0.2, latest_s=60):
            await work()
    assert loop.time() == pytest.approx(3.2)


@virtual_time
async def test_the_clock_stays_paused_while_any_call_waits() -> None:
    async with skill_time(0.1, latest_s=60):
        await asyncio.gather(wait_in_line(0.01), wait_in_line(0.4))


@virtual_time
async def test_the_clock_is_never_paused_beyond_the_end_of_the_session() -> None:
    with pytest.raises(TimeoutError):
        async with skill_time(0.1, latest_s=0.2):
            await wait_in_line(60)


@virtual_time
async def test_the_session_may_be_shorter_than_the_skills_time() -> None:
    with pytest.raises(TimeoutError):
        async with skill_time(60, latest_s=0.05):
            await asyncio.sleep(60)


@virtual_time
async def test_a_background_task_of_a_skill_disturbs_nothing() -> None:
    async with skill_time(0.1, latest_s=60):
        left_behind = asyncio.create_task(wait_in_line(0.02))
    await left_behind


@virtual_time
async def test_concurrent_skills_have_separate_clocks() -> None:
    async def skill(*, in_line: bool) -> None:
        async with skill_time(0.1, latest_s=60):
            await (wait_in_line(0.4) if in_line else asyncio.sleep(0.4))

    waiting, working = await asyncio.gather(
        skill(in_line=True), skill(in_line=False), return_exceptions=True
    )
    assert waiting is None
    assert isinstance(working, TimeoutError)


@virtual_time
async def test_without_a_skill_there_is_no_clock_to_pause() -> None:
    await wait_in_line(0.001)
