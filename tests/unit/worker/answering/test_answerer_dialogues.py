"""A dialogue through the ledger and the answerer, whatever becomes of a reply on its way."""

import asyncio
from typing import Any

from dingda.skill import Context, Question
from tests.support.builders import KEYS, a_message
from tests.support.worker_harness import WorkerHarness, open_worker, stop

THROTTLED: dict[str, Any] = {"errcode": 90018, "errmsg": "send too fast"}
BUSY: dict[str, Any] = {"errcode": -1, "errmsg": "busy"}
REJECTED: dict[str, Any] = {"errcode": 400105, "errmsg": "unsupported msgtype"}
NOT_SENT: dict[str, Any] = {"invalidStaffIdList": ["0001"]}
KEY = KEYS.dialogue(a_message().ordering_key)


async def note(ctx: Context, word: str = "") -> Question | str:
    """Ask what to note, and note it."""
    if not word:
        return Question("记什么？", then=note, keep={"by": ctx.staff_id})
    return f"{ctx.kept.get('by')} 记下：{word}"


async def said(worker: WorkerHarness, text: str, name: str, **fields: Any) -> str:
    """What is sent to the chat for a message; "" for nothing."""
    before = len(worker.said)
    await worker.asked(text, msgId=name, **fields)
    return " / ".join(worker.said[before:])


async def test_the_question_is_answered_by_the_next_message() -> None:
    async with open_worker(note) as worker:
        assert await said(worker, "问", "1") == "@0001 记什么？"
        assert await said(worker, "甲", "2") == "0001 记下：甲"
        assert await said(worker, "乙", "3") == ""


async def test_the_question_is_open_though_its_worker_died_while_sending_it() -> None:
    async with open_worker(note) as worker:
        taken = asyncio.Event()

        async def hang() -> None:
            taken.set()
            await asyncio.Event().wait()

        worker.chat.script = [hang]
        message = await worker.accept("问", msgId="1")
        answering = asyncio.create_task(worker.answer(message))
        await taken.wait()
        await stop(answering)
        await worker.overdue(message)
        assert (await worker.state(message)).startswith("dead: unknown")
        assert await said(worker, "甲", "2") == "0001 记下：甲"


async def test_the_question_is_open_once_it_was_delivered_at_last() -> None:
    async with open_worker(note) as worker:
        worker.chat.script = [BUSY]
        message = await worker.accept("问", msgId="1")
        await worker.answer(message)
        assert not await worker.redis.exists(KEY)
        await worker.rest(message)
        await worker.answer(message)
        assert await said(worker, "甲", "2") == "0001 记下：甲"


async def test_a_question_that_dingtalk_rejected_is_not_open() -> None:
    async with open_worker(note) as worker:
        worker.chat.script = [REJECTED]
        message = await worker.asked("问", msgId="1")
        await worker.answer(message)
        assert worker.said[-1].endswith("被钉钉拒绝，无法显示")
        assert await said(worker, "甲", "2") == ""


async def test_an_answer_whose_reply_waits_is_read_once() -> None:
    async with open_worker(note) as worker:
        await worker.asked("问", msgId="1")
        worker.chat.script = [THROTTLED]
        answer = await worker.asked("甲", msgId="2")
        assert await said(worker, "乙", "3") == ""
        await worker.rest(answer)
        await worker.answer(answer)
        assert worker.said[-1] == "0001 记下：甲"


async def test_an_answer_that_another_worker_takes_over_sees_the_same_question() -> None:
    async with open_worker(note) as worker:
        await worker.asked("问", msgId="1")
        answer = await worker.accept("甲", msgId="2")
        await worker.ledger.lease(answer.id)
        await worker.overdue(answer)
        await worker.answer(answer)
        assert worker.said[-1] == "0001 记下：甲"


async def test_an_answer_whose_worker_is_stopped_sees_the_same_question() -> None:
    begun = asyncio.Event()

    async def slow(ctx: Context, word: str = "") -> Question | str:
        if word and not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return f"{ctx.kept}{word}" if word else Question("？", then=slow, keep={"n": 1})

    async with open_worker(slow) as worker:
        await worker.asked("问", msgId="1")
        answer = await worker.accept("甲", msgId="2")
        answering = asyncio.create_task(worker.answer(answer))
        await begun.wait()
        await stop(answering)
        await worker.answer(answer)
        assert worker.said[-1] == "{'n': 1}甲"


async def test_a_command_leaves_the_dialogue_and_begins_another() -> None:
    async with open_worker(note) as worker:
        await worker.asked("问", msgId="1")
        assert await said(worker, "问 丙", "2") == "None 记下：丙"
        assert not await worker.redis.exists(KEY)
        assert await said(worker, "问", "3") == "@0001 记什么？"


async def test_a_private_question_goes_on_in_the_single_chat() -> None:
    async with open_worker(note, private=True) as worker:
        await worker.asked("问", msgId="1")
        assert len(worker.private.taken) == 1
        assert await said(worker, "甲", "2") == ""
        single = {"conversationType": "1", "conversationId": "cidSINGLE=="}
        assert await said(worker, "乙", "3", **single) == "0001 记下：乙"


async def test_a_private_question_that_does_not_reach_its_sender_is_not_open() -> None:
    async with open_worker(note, private=True) as worker:
        worker.private.script = [NOT_SENT]
        message = await worker.accept("问", msgId="1")
        await worker.answer(message)
        await worker.answer(message)
        assert (await worker.state(message)).startswith("dead: failed")
        assert await worker.redis.keys(KEYS.dialogue("*")) == []


async def test_a_message_without_a_dialogue_stores_nothing_of_one() -> None:
    async with open_worker(lambda: "好") as worker:
        worker.chat.script = [BUSY]
        message = await worker.asked("问", msgId="1")
        assert not {"dialogue", "dialogue_after"} & (await worker.stored(message)).keys()
        assert await worker.redis.keys(KEYS.dialogue("*")) == []


async def test_an_answer_that_is_typed_ahead_waits_for_its_question() -> None:
    asking, shown = asyncio.Event(), asyncio.Event()

    async def slow(word: str = "") -> Question | str:
        if word:
            return f"记下：{word}"
        asking.set()
        await shown.wait()
        return Question("记什么？", then=slow)

    async with open_worker(slow) as worker:
        first, second = await worker.accept("问", msgId="1"), await worker.accept("甲", msgId="2")
        answering = asyncio.create_task(worker.answer(first))
        await asking.wait()
        await worker.answer(second)
        assert await worker.state(second) == "accepted"
        shown.set()
        await answering
        await worker.answer(second)
        assert worker.said[-1] == "记下：甲"
