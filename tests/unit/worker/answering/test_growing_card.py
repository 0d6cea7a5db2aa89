"""An answer grows on one card, which always comes to an end."""

import asyncio
import gc
import json
from dataclasses import dataclass
from itertools import pairwise
from warnings import catch_warnings, simplefilter

from dingda.shared.texts import CARD_REPLACED, FAILED, NOTHING_TO_SHOW, SENT_PRIVATELY, TIMED_OUT
from dingda.simulator.dingtalk.card import CardState
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault
from dingda.skill import (
    ActionButton,
    Card,
    Context,
    Image,
    Markdown,
    MediaId,
    Question,
    RefusalError,
)
from dingda.worker.answering.cadence import MAX_WRITES
from dingda.worker.answering.growing_text import MAX_CARD_CHARS
from dingda.worker.contained import contain_tasks
from tests.support.builders import KEYS
from tests.support.fake_cards import FakeCards
from tests.support.virtual_time import virtual_time
from tests.support.worker_harness import open_worker

GROUP = {"conversationType": "2"}


async def poem(ctx: Context) -> None:
    """Ten lines, one a second."""
    async with ctx.stream() as answer:
        for number in range(10):
            await answer.write(f"第{number}行\n")
            await asyncio.sleep(1)


@dataclass(frozen=True)
class Approve:
    """What a button says."""


def markdown(body: bytes) -> str:
    return str(json.loads(body)["markdown"]["text"])


WHOLE = "".join(f"第{number}行\n" for number in range(10)).strip()


@virtual_time
async def test_what_is_written_grows_on_one_card_and_ends_there() -> None:
    cards = FakeCards()
    async with open_worker(poem, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert here.said == []
    assert cards.texts[0] == "第0行"
    assert all(text == WHOLE[: len(text)] for text in cards.texts)
    assert cards.card.state is CardState.FINISHED
    assert cards.shown == WHOLE


@virtual_time
async def test_the_first_words_are_shown_at_once_and_later_ones_ever_more_slowly() -> None:
    cards, at_s = FakeCards(), list[float]()
    loop = asyncio.get_running_loop()

    async def note() -> None:
        at_s.append(loop.time())

    cards.before = {"create": note, "frame": note}
    async with open_worker(poem, cards=cards) as here:
        begun_s = loop.time()
        await here.asked()
    assert at_s[0] - begun_s < 0.1
    pauses = [after - before for before, after in pairwise(at_s[:-1])]
    assert all(pause >= 1.5 for pause in pauses)
    assert pauses == sorted(pauses)


@virtual_time
async def test_no_warning_of_ours_is_in_the_log_of_a_worker() -> None:
    loop = asyncio.get_running_loop()
    contain_tasks(loop)  # as a worker does
    try:
        with catch_warnings(record=True) as warned:
            simplefilter("always")
            async with open_worker(poem, cards=FakeCards()) as here:
                await here.asked()
            gc.collect()
    finally:
        loop.set_task_factory(None)
        loop.set_exception_handler(None)
    assert [str(each.message) for each in warned] == []


@virtual_time
async def test_a_long_work_writes_so_often_and_no_more_but_for_the_end() -> None:
    async def work(ctx: Context) -> str:
        async with ctx.stream() as answer:
            for number in range(3_000):
                await answer.write(f"{number} ")
                await asyncio.sleep(0.1)
        return "完"

    cards = FakeCards()
    async with open_worker(work, cards=cards, timeout_s=1_000) as here:
        await here.asked()
    assert len(cards.texts) <= MAX_WRITES
    assert cards.shown == "完"


@virtual_time
async def test_a_skill_that_writes_nothing_makes_no_card() -> None:
    async def well() -> str:
        return "好"

    cards = FakeCards()
    async with open_worker(well, cards=cards) as here:
        await here.asked()
        assert here.said == ["好"]
    assert cards.calls == []


@virtual_time
async def test_an_answer_that_is_complete_at_once_needs_no_card() -> None:
    async def write(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("好")

    cards = FakeCards()
    async with open_worker(write, cards=cards) as here:
        await here.asked()
        assert list(map(markdown, here.chat.bodies)) == ["好"]
    assert cards.calls == []


@virtual_time
async def test_a_returned_reply_takes_the_place_of_what_was_written() -> None:
    async def search(ctx: Context) -> Markdown:
        async with ctx.stream() as answer:
            await answer.write("在查…")
            await asyncio.sleep(2)
        return Markdown("结果", "**三条**")

    cards = FakeCards()
    async with open_worker(search, cards=cards) as here:
        await here.asked()
        assert here.said == []
    assert (cards.texts, cards.shown) == (["在查…"], "**三条**")


@virtual_time
async def test_progress_is_shown_below_the_text_and_gone_at_the_end() -> None:
    async def count(ctx: Context) -> str:
        async with ctx.stream() as answer:
            await answer.write("开始")
            await ctx.progress(0.4, "查到 3 条")
            await asyncio.sleep(2)
        return "一共 5 条"

    cards = FakeCards()
    async with open_worker(count, cards=cards) as here:
        await here.asked()
    assert cards.texts == ["开始\n\n⏳ 40% 查到 3 条"]
    assert cards.shown == "一共 5 条"


@virtual_time
async def test_a_skill_that_shows_its_progress_and_stays_silent_ends_its_card() -> None:
    async def count(ctx: Context) -> None:
        await ctx.progress(0.5)
        await asyncio.sleep(2)

    cards = FakeCards()
    async with open_worker(count, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "unmatched"
    assert (cards.shown, cards.card.state) == (NOTHING_TO_SHOW, CardState.FINISHED)


@virtual_time
async def test_a_skill_that_fails_ends_its_card_with_an_apology() -> None:
    async def fail(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("一半")
            await asyncio.sleep(2)
            raise RuntimeError("no beans")

    cards = FakeCards()
    async with open_worker(fail, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "dead: failed: RuntimeError in the skill"
        assert here.said == []
    assert cards.shown.startswith("一半\n\n")
    assert FAILED.format(skill="测试")[:6] in cards.shown
    assert cards.card.state is CardState.FINISHED


@virtual_time
async def test_a_skill_that_takes_too_long_ends_its_card_and_says_so() -> None:
    async def hang(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("一半")
            await asyncio.sleep(1_000)

    cards = FakeCards()
    async with open_worker(hang, cards=cards, timeout_s=5) as here:
        message = await here.asked()
        assert await here.state(message) == "dead: failed: the skill took too long"
    assert TIMED_OUT.format(skill="测试")[-10:] in cards.shown
    assert cards.card.state is CardState.FINISHED


@virtual_time
async def test_a_refusal_follows_what_was_written() -> None:
    async def refuse(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("先看权限")
            await asyncio.sleep(1)
        raise RefusalError("没有权限")

    cards = FakeCards()
    async with open_worker(refuse, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "refused"
    assert cards.shown == "先看权限\n\n没有权限"


@virtual_time
async def test_what_a_card_has_no_room_for_follows_in_messages() -> None:
    async def recite(ctx: Context) -> None:
        async with ctx.stream() as answer:
            for number in range(1_000):
                await answer.write(f"第 {number} 句话。\n\n")

    cards = FakeCards()
    async with open_worker(recite, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        followed = list(map(markdown, here.chat.bodies))
    assert all(len(text) <= MAX_CARD_CHARS for text in (*cards.texts, cards.shown))
    whole = "\n\n".join([cards.shown, *followed])
    assert [line for line in whole.splitlines() if line] == [f"第 {n} 句话。" for n in range(1_000)]


@virtual_time
async def test_a_private_answer_grows_in_the_single_chat_and_is_not_kept() -> None:
    async def salary(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("工资 98,765.43")
            await asyncio.sleep(2)
            assert "98,765.43" not in await stored()

    async def stored() -> str:
        found = [await here.redis.hgetall(key) for key in await here.redis.keys("*:stream:*")]
        assert found
        return await here.everything() + str(found)

    cards = FakeCards()
    async with open_worker(salary, cards=cards, private=True) as here:
        message = await here.asked(**GROUP)
        assert await here.state(message) == "answered"
        assert here.said == [SENT_PRIVATELY]
    (target,) = cards.targets
    assert (target.kind, target.id) == ("IM_ROBOT", message.sender_staff_id)
    assert cards.shown == "工资 98,765.43"


@virtual_time
async def test_a_picture_follows_what_was_written_in_a_message() -> None:
    async def draw(ctx: Context) -> Image:
        async with ctx.stream() as answer:
            await answer.write("访问量如图")
            await asyncio.sleep(1)
        return Image(MediaId("@lALOpVk7"))

    cards = FakeCards()
    async with open_worker(draw, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert list(map(markdown, here.chat.bodies)) == ["![](@lALOpVk7)"]
    assert cards.shown == "访问量如图"


@virtual_time
async def test_a_card_with_buttons_comes_below_the_one_that_grew() -> None:
    async def propose(ctx: Context) -> Card:
        async with ctx.stream() as answer:
            await answer.write("查到一条")
            await asyncio.sleep(1)
        return Card("请假", "周五", (ActionButton("同意", Approve()),))

    cards = FakeCards()
    async with open_worker(propose, cards=cards) as here:
        await here.asked()
        assert len(here.said) == 1  # the robot of this test has no such cards, and says so
    assert (cards.shown, cards.card.state) == ("查到一条", CardState.FINISHED)


@virtual_time
async def test_a_question_at_the_end_may_be_answered() -> None:
    async def ask(ctx: Context) -> Question:
        await ctx.progress(0.5)
        await asyncio.sleep(1)
        return Question("哪个组？", choices=("支付组",), then=ask)

    cards = FakeCards()
    async with open_worker(ask, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert await here.redis.keys("dingda:dialogue:*")
    assert cards.shown.startswith("哪个组？")


@virtual_time
async def test_of_a_long_private_answer_one_message_follows() -> None:
    async def recite(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("工资条。\n\n" * 10_000)
            await asyncio.sleep(1)

    cards = FakeCards()
    async with open_worker(recite, cards=cards, private=True) as here:
        message = await here.asked(**GROUP)
        assert await here.state(message) == "answered"
        assert len(here.private.bodies) == 1
    assert len(cards.shown) <= MAX_CARD_CHARS


@virtual_time
async def test_no_notice_is_sent_while_the_card_is_there() -> None:
    cards = FakeCards()
    async with open_worker(poem, cards=cards, notice_after_s=2) as here:
        await here.asked()
        assert here.said == []


@virtual_time
async def test_without_a_card_the_answer_is_sent_whole_after_the_notice() -> None:
    async with open_worker(poem, notice_after_s=2) as here:
        await here.asked()
        assert here.said[0] == "正在查询…"
        assert markdown(here.chat.bodies[1]) == f"{WHOLE}\n"


@virtual_time
async def test_a_template_that_does_not_exist_makes_a_message_of_the_answer() -> None:
    cards = FakeCards()
    cards.fail(OpenAPIFault.TEMPLATE, "create")
    async with open_worker(poem, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert list(map(markdown, here.chat.bodies)) == [f"{WHOLE}\n"]
    assert len(cards.calls) == 1


@virtual_time
async def test_a_card_that_is_not_shown_in_the_chat_makes_a_message_of_the_answer() -> None:
    cards = FakeCards()
    cards.fail(OpenAPIFault.UNDELIVERED, "create")
    async with open_worker(poem, cards=cards) as here:
        await here.asked()
        assert len(here.said) == 1


@virtual_time
async def test_a_card_whose_creation_got_no_response_is_found_and_not_made_again() -> None:
    cards = FakeCards()
    cards.fail(OpenAPIFault.LOST, "create", count=1)
    async with open_worker(poem, cards=cards) as here:
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert here.said == []
    assert [call.name for call in cards.calls].count("create") == 1
    assert cards.shown == WHOLE


@virtual_time
async def test_frames_that_fail_are_skipped() -> None:
    cards = FakeCards()
    cards.fail(OpenAPIFault.FAIL, "frame", count=2)
    async with open_worker(poem, cards=cards) as here:
        await here.asked()
        assert here.said == []
    assert cards.shown == WHOLE


@virtual_time
async def test_an_end_that_fails_for_now_is_written_again_without_the_skill() -> None:
    asked = 0

    async def count(ctx: Context) -> str:
        nonlocal asked
        asked += 1
        await ctx.progress(0.5)
        await asyncio.sleep(1)
        return f"第{asked}次"

    async def fail() -> None:
        cards.fail(OpenAPIFault.FAIL, "update")

    cards = FakeCards()
    async with open_worker(count, cards=cards) as here:
        cards.before["frame"] = fail
        message = await here.asked()
        assert await here.state(message) == "accepted"
        cards.before.clear()
        cards.fail(None)
        await here.rest(message)
        await here.answer(message)
        assert await here.state(message) == "answered"
        assert here.said == []
    assert (asked, cards.shown, cards.card.state) == (1, "第1次", CardState.FINISHED)


@virtual_time
async def test_an_end_that_fails_for_good_goes_into_a_message_that_says_so() -> None:
    async def count(ctx: Context) -> str:
        await ctx.progress(0.5)
        await asyncio.sleep(1)
        return "五条"

    cards = FakeCards()
    async with open_worker(count, cards=cards) as here:
        cards.fail(OpenAPIFault.FORBIDDEN, "frame")
        message = await here.asked()
        assert await here.state(message) == "answered"
        assert list(map(markdown, here.chat.bodies)) == [f"{CARD_REPLACED}\n\n五条"]


@virtual_time
async def test_a_card_is_given_up_after_some_attempts() -> None:
    async def count(ctx: Context) -> str:
        await ctx.progress(0.5)
        await asyncio.sleep(1)
        return "五条"

    cards = FakeCards()
    async with open_worker(count, cards=cards) as here:
        message = await here.accept()
        await here.answer(message)  # it is created here, where nothing fails yet
        assert await here.state(message) == "answered"
        cards.fail(OpenAPIFault.FAIL, "frame")
        message = await here.accept(msgId="another")
        for _ in range(5):
            await here.answer(message)
            if await here.state(message) == "accepted":
                await here.rest(message)
        assert await here.state(message) == "answered"
        assert len(here.said) == 1


@virtual_time
async def test_another_worker_writes_to_the_same_card() -> None:
    cards = FakeCards()
    begun = asyncio.Event()

    async def write(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("从头来过" if begun.is_set() else "一半")
            begun.set()
            await asyncio.sleep(3)

    async with open_worker(write, cards=cards) as here:
        message = await here.accept()
        dying = asyncio.create_task(here.answer(message))
        await begun.wait()
        await asyncio.sleep(1)
        assert cards.shown == "一半"
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        assert await here.state(message) == "accepted"
        await here.answer(message)
        assert await here.state(message) == "answered"
    assert [call.name for call in cards.calls].count("create") == 1
    assert cards.shown == "从头来过"
    assert cards.card.state is CardState.FINISHED


@virtual_time
async def test_what_was_shown_stays_until_the_new_text_is_longer() -> None:
    cards, asked = FakeCards(), 0

    async def write(ctx: Context) -> None:
        nonlocal asked
        asked += 1
        async with ctx.stream() as answer:
            await answer.write("一二三四五" if asked == 1 else "新的")
            await asyncio.sleep(3)
            await answer.write("更长的回答")
            await asyncio.sleep(3 if asked == 2 else 100)

    async with open_worker(write, cards=cards) as here:
        message = await here.accept()
        dying = asyncio.create_task(here.answer(message))
        await asyncio.sleep(1)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        await here.answer(message)
    assert cards.texts == ["一二三四五", "新的更长的回答"]


@virtual_time
async def test_a_worker_that_has_lost_its_message_writes_no_more() -> None:
    cards = FakeCards()

    async def write(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("一")
            await asyncio.sleep(1)
            await here.taken_over(message)
            await answer.write("二")
            await asyncio.sleep(10)

    async with open_worker(write, cards=cards) as here:
        message = await here.accept()
        await here.answer(message)
        assert await here.redis.hget(KEYS.message(message.id), "state") == "leased"
    assert (cards.texts, cards.card.state) == (["一"], CardState.TYPING)


@virtual_time
async def test_an_operators_retry_takes_the_same_card() -> None:
    cards, asked = FakeCards(), 0

    async def write(ctx: Context) -> None:
        nonlocal asked
        asked += 1
        async with ctx.stream() as answer:
            await answer.write(f"第{asked}次")
            await asyncio.sleep(2)
            if asked == 1:
                raise RuntimeError("no beans")

    async with open_worker(write, cards=cards) as here:
        message = await here.asked()
        await here.admin.retry_dead_letter(message.id)
        await here.answer(message)
        assert await here.state(message) == "answered"
    assert [call.name for call in cards.calls].count("create") == 1
    assert cards.shown == "第2次"
