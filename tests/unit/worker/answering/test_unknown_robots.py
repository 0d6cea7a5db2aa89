"""Messages to a robot that the worker does not know."""

import asyncio

import pytest

from tests.support.builders import KEYS, now_ms
from tests.support.virtual_time import virtual_time
from tests.support.worker_harness import CountingSkill, open_worker, well


async def test_it_is_put_back_and_no_skill_is_asked() -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell, known="ding1") as worker:
        message = await worker.asked(robotCode="ding2")
        assert await worker.state(message) == "accepted"
        assert (skill.asked, worker.said) == (0, [])


async def test_a_worker_that_knows_the_robot_answers_it() -> None:
    async with open_worker(well, known="ding2") as worker:
        message = await worker.accept(robotCode="ding2")
        lease = await worker.ledger.lease(message.id)
        await worker.ledger.release(lease, pause_ms=1)  # type: ignore[arg-type]
        await worker.rest(message)
        await worker.answer(message)
        assert worker.said == ["好"]


async def test_its_dead_letter_says_why_once_the_session_has_closed() -> None:
    async with open_worker(well, known="ding1") as worker:
        message = await worker.asked(robotCode="ding2")
        await worker.redis.hset(KEYS.message(message.id), "expires_ms", 1)
        await worker.overdue(message)
        assert (
            await worker.state(message)
            == "dead: expired: no worker that took it knows its robot (DINGDA_ROBOTS)"
        )


@pytest.mark.parametrize(("age_s", "pause_s"), [(0, 2), (16, 2), (80, 10), (3000, 60)])
async def test_it_comes_back_soon_at_first_and_then_once_a_minute(
    age_s: float, pause_s: float
) -> None:
    async with open_worker(well, known="ding1") as worker:
        message = await worker.accept(robotCode="ding2")
        accepted_ms = now_ms() - int(age_s * 1000)
        await worker.redis.hset(KEYS.message(message.id), "accepted_ms", accepted_ms)
        before_ms = now_ms()
        await worker.answer(message)
        rests_ms = await worker.rests_until(message) - before_ms
        assert pause_s * 1000 <= rests_ms < pause_s * 1000 + 2_000


async def test_it_never_rests_longer_than_its_session_is_open() -> None:
    async with open_worker(well, known="ding1") as worker:
        message = await worker.accept(robotCode="ding2")
        fields = {"accepted_ms": now_ms() - 3_000_000, "expires_ms": now_ms() + 30_000}
        await worker.redis.hset(KEYS.message(message.id), mapping=fields)
        await worker.answer(message)
        assert await worker.rests_until(message) <= fields["expires_ms"]


@virtual_time
async def test_the_log_says_so_once_a_minute() -> None:
    async with open_worker(well, known="ding1") as worker:
        with pytest.MonkeyPatch.context() as patch:
            said: list[str] = []
            logger = "dingda.worker.answering.unknown_robots.logger.warning"
            patch.setattr(logger, lambda words, *args: said.append(words % args))
            await worker.asked(msgId="1", robotCode="ding2\n")
            await worker.asked(msgId="2", robotCode="ding3")
            await asyncio.sleep(61)
            await worker.asked(msgId="3", robotCode="")
    left = ", and leaves its messages to others (DINGDA_ROBOTS)"
    assert said == [
        f"this worker knows no robot ding2\\n{left}",
        f"this worker knows no robot without a code{left}",
    ]
