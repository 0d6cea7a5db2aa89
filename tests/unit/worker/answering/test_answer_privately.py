"""What is for the sender alone, and what is said before the answer."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import httpx

from dingda.shared.texts import ASK_PRIVATELY, CUT_OFF, LOOKING_UP, SENT_PRIVATELY
from tests.support.worker_harness import CountingSkill, open_worker, stop, well

# In private ---------------------------------------------------------------------------------


async def test_a_private_answer_goes_to_the_sender_alone_and_the_group_hears_that() -> None:
    async with open_worker(lambda: "秘密", private=True) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert here.said == [SENT_PRIVATELY]
        (sent,) = here.private.taken
        payload = json.loads(sent.content)
        assert (payload["userIds"], payload["msgKey"]) == (["0001"], "sampleText")
        assert "秘密" in payload["msgParam"]


async def test_a_private_answer_is_answered_even_if_the_group_cannot_be_told() -> None:
    async with open_worker(lambda: "秘密", private=True) as here:
        here.chat.script = [{"errcode": 300001}]
        assert await here.state(await here.asked()) == "answered"


async def test_in_a_single_chat_a_private_skill_answers_right_there() -> None:
    async with open_worker(lambda: "秘密", private=True) as here:
        await here.asked(conversationType="1")
        assert (here.said, here.private.taken) == (["秘密"], [])


async def test_a_private_answer_that_dingtalk_refuses_leads_to_asking_in_private() -> None:
    async with open_worker(lambda: "秘密", private=True) as here:
        here.private.script = [{"invalidStaffIdList": ["0001"]}]
        message = await here.asked()
        await here.rest(message)
        await here.answer(message)
        assert here.said == [ASK_PRIVATELY]
        assert (await here.state(message)).startswith("dead: failed: private: ")
        assert len(here.private.taken) == 1


async def test_a_private_answer_that_is_put_off_stays_out_of_redis() -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell, private=True) as here:
        here.private.script = [503]
        message = await here.asked()
        assert await here.state(message) == "accepted"
        assert "第1次" not in await here.everything()
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"
        assert "第2次" in here.private.bodies[1].decode()


async def test_in_a_single_chat_a_secret_that_is_put_off_stays_out_of_redis_too() -> None:
    skill = CountingSkill()
    async with open_worker(skill.tell, private=True) as here:
        here.chat.script = [503]
        message = await here.asked(conversationType="1")
        assert await here.state(message) == "accepted"
        assert "第1次" not in await here.everything()
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"


async def test_a_private_answer_of_unknown_outcome_is_not_sent_again() -> None:
    async with open_worker(lambda: "秘密", private=True) as here:
        here.private.script = [httpx.ReadError("reset")]
        message = await here.asked()
        assert await here.state(message) == "dead: unknown: ReadError"
        assert here.said == []


async def test_a_long_private_answer_is_cut_to_one_and_stays_out_of_redis() -> None:
    async with open_worker(lambda: "秘密。" * 10_000, private=True) as here:
        seen: list[str] = []

        async def look() -> None:
            seen.append(await here.everything())

        here.private.script = [look]
        message = await here.asked()
        assert await here.state(message) == "answered"
        (sent,) = here.private.taken
        values = json.loads(sent.content)["msgParam"]
        assert len(values.encode()) <= 15_000
        assert json.loads(values)["content"].endswith(CUT_OFF)
        assert "秘密" not in seen[0]
        assert here.said == [SENT_PRIVATELY]


async def test_a_long_secret_in_a_single_chat_is_cut_to_one() -> None:
    async with open_worker(lambda: "秘密。" * 10_000, private=True) as here:
        await here.asked(conversationType="1")
        (said,) = here.said
        assert said.endswith(CUT_OFF)


# A word in between --------------------------------------------------------------------------


async def test_a_sender_who_waits_long_gets_a_notice_before_the_answer() -> None:
    async with open_worker(CountingSkill(takes_s=0.1).tell, notice_after_s=0.01) as here:
        assert await here.state(await here.asked()) == "answered"
        assert here.said == [LOOKING_UP, "第1次"]


async def test_a_quick_answer_needs_no_notice() -> None:
    async with open_worker(well, notice_after_s=0.5) as here:
        await here.asked()
        await asyncio.sleep(0.6)
        assert here.said == ["好"]


async def test_a_notice_that_fails_does_not_stop_the_answer() -> None:
    async with open_worker(CountingSkill(takes_s=0.1).tell, notice_after_s=0.01) as here:
        here.chat.script = [httpx.ReadError("reset")]
        assert await here.state(await here.asked()) == "answered"
        assert here.said == [LOOKING_UP, "第1次"]


async def test_an_answer_waits_for_a_notice_that_is_on_the_wire() -> None:
    async with open_worker(CountingSkill(takes_s=0.05).tell, notice_after_s=0.01) as here:
        order = []

        async def slowly() -> None:
            await asyncio.sleep(0.1)
            order.append(len(here.chat.taken))

        here.chat.script = [slowly]
        await here.asked()
        assert order == [1]
        assert here.said == [LOOKING_UP, "第1次"]


def told_by(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def tell() -> None:
        event.set()

    return tell


async def test_no_message_gets_a_second_notice() -> None:
    skill = CountingSkill(takes_s=0.1)
    async with open_worker(skill.tell, notice_after_s=0.01) as here:
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        told = asyncio.Event()
        here.chat.script = [told_by(told)]
        await told.wait()
        await stop(answering)
        await here.rest(message)
        await here.answer(message)
        assert here.said == [LOOKING_UP, "第2次"]
