"""Whoever stops, dies or loses Redis while answering leaves the message in good order."""

import asyncio
import logging
from contextlib import suppress

import httpx
import pytest
from redis.exceptions import ConnectionError as RedisAwayError

from dingda.shared.dingtalk.message import Message
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.runtime.cancel_reason import CancelReason
from dingda.skill import Context, RefusalError
from dingda.worker.contained import STOPPED
from tests.support.builders import KEYS
from tests.support.worker_harness import CountingSkill, WorkerHarness, open_worker, stop, well

DONE = Completion(Outcome.ANSWERED)


# Ending early -------------------------------------------------------------------------------


async def test_a_worker_that_ends_hands_its_message_back_for_another_to_take_at_once() -> None:
    skill = CountingSkill(takes_s=30)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await skill.begun.wait()
        await stop(answering)
        assert await here.state(message) == "accepted"
        assert await here.ledger.sweep() == 1
        assert not isinstance(await here.ledger.lease(message.id), str)
        assert here.said == []


async def test_a_message_stopped_by_an_operator_is_a_dead_letter_that_says_so() -> None:
    skill = CountingSkill(takes_s=30)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await skill.begun.wait()
        await stop(answering, STOPPED)
        assert await here.state(message) == "dead: failed: stopped by an operator"


@pytest.mark.parametrize("cancellation", [(), (STOPPED,)])
async def test_a_reply_that_was_on_the_wire_when_its_worker_was_stopped_is_unknown(
    cancellation: tuple[CancelReason, ...],
) -> None:
    async with open_worker(well) as here:
        on_the_wire = asyncio.Event()

        async def never_answer() -> None:
            on_the_wire.set()
            await asyncio.Event().wait()

        here.chat.script = [never_answer]
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await on_the_wire.wait()
        await stop(answering, *cancellation)
        assert await here.state(message) == "sending"
        await here.overdue(message)
        assert (await here.state(message)).startswith("dead: unknown: ")


async def test_a_worker_whose_message_was_taken_over_posts_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    skill = CountingSkill(takes_s=0.1)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await skill.begun.wait()
        other = await here.taken_over(message)
        await answering
        assert here.said == []
        assert "was taken over by another worker" in caplog.text
        await here.ledger.finish(other, DONE)
        assert await here.state(message) == "answered"


async def test_a_lease_is_renewed_as_long_as_the_skill_works() -> None:
    skill = CountingSkill(takes_s=0.5)
    async with open_worker(skill.tell, lease_ms=150) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        while not answering.done():
            await asyncio.sleep(0.02)
            assert await here.ledger.sweep() == 0
        assert (await here.state(message), skill.asked) == ("answered", 1)


async def test_an_outage_of_redis_while_the_skill_works_is_waited_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun, outage_over = asyncio.Event(), asyncio.Event()

    async def outlast_the_outage() -> str:
        begun.set()
        await outage_over.wait()
        return "好了"

    async with open_worker(outlast_the_outage, lease_ms=100) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await begun.wait()
        here.server.connected = False
        async with asyncio.timeout(20):
            # It is renewed four times in a lease: the outage takes longer.
            while caplog.text.count("the lease could not be renewed") < 4:  # noqa: ASYNC110 - log lines set no event
                await asyncio.sleep(0.01)
        here.server.connected = True
        outage_over.set()
        await answering
        assert await here.state(message) == "answered"


# What goes wrong around it ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("nonsense", InvalidMessageError),
        ("{}", TypeError),
        ('{"msgtype":"picture"}', InvalidMessageError),
    ],
)
async def test_a_payload_that_is_no_message_is_a_dead_letter_and_a_failed_job(
    payload: str, error: type[Exception]
) -> None:
    async with open_worker(well) as here:
        message = await here.accept()
        await here.redis.hset(KEYS.message(message.id), "payload", payload)
        with pytest.raises(error):
            await here.answer(message)
        assert await here.state(message) == f"dead: failed: {error.__name__}"
        assert here.said == []


async def lose_redis_after_the_reply(here: WorkerHarness) -> Message:
    async def lose() -> None:
        here.server.connected = False

    here.chat.script = [lose]
    message = await here.accept()
    with pytest.raises(RedisAwayError):
        await here.answer(message)
    here.server.connected = True
    return message


async def test_a_reply_whose_end_could_not_be_written_is_unknown_and_never_sent_again() -> None:
    async with open_worker(well) as here:
        message = await lose_redis_after_the_reply(here)
        assert await here.state(message) == "sending"
        await here.answer(message)
        await here.overdue(message)
        assert await here.state(message) == "dead: unknown: the worker died while sending"
        await here.answer(message)
        assert here.said == ["好"]


async def test_without_redis_before_the_claim_nothing_is_sent() -> None:
    skill = CountingSkill(takes_s=0.05)
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await skill.begun.wait()
        here.server.connected = False
        with suppress(RedisAwayError):
            await answering
        here.server.connected = True
        assert here.said == []
        await here.overdue(message)
        await here.answer(message)
        assert here.said == ["第2次"]


async def test_no_log_line_holds_what_was_said_or_where_it_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(ctx: Context) -> str:
        if "好" in ctx.message.sender_nick:
            return "s3cret-reply"
        raise RefusalError("s3cret-refusal")

    caplog.set_level(logging.DEBUG)
    async with open_worker(fail) as here:
        here.chat.script = [{"errcode": -1}, httpx.ReadError("session=s3cret-session")]
        for number, nick in enumerate(("s3cret-nick", "s3cret-nick好")):
            await here.asked(msgId=str(number), senderNick=nick)
    assert "s3cret" not in caplog.text
    assert "session=" not in "".join(r.getMessage() for r in caplog.records if r.name != "httpx")
