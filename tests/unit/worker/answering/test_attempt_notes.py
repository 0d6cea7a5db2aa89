"""What a worker notes of a message while it answers it, as the journal has it afterwards."""

import asyncio
import json
from functools import partial
from typing import Annotated, Any

import httpx
import pytest

from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.journal import JournalEntry, read_journal
from dingda.shared.queue import JobQueue
from dingda.skill import BackendUnavailableError, Context, RefusalError
from dingda.slots import Day
from tests.support.builders import KEYS
from tests.support.worker_harness import SkillFunction, WorkerHarness, open_worker, stop, well

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
WHO = partial(
    MessageFacts, msg_id="msgAAAA==", robot="dingrobot", sender="0001", conversation="cidAAAA=="
)


async def entries(here: WorkerHarness) -> list[JournalEntry]:
    return await read_journal(here.redis, QUEUE)


async def noted(function: SkillFunction, text: str = "问", **options: Any) -> MessageFacts:
    """What is noted of a message to a skill."""
    async with open_worker(function, **options) as here:
        await here.asked(text)
        (entry,) = await entries(here)
        return entry.facts


async def ask_backend(ctx: Context) -> str:
    """Ask a backend that all of its calls get a token from (see `open_worker`)."""
    await ctx.services.http.json("API", "GET", "https://api.example/v1?key=hidden")
    return "好"


async def test_an_answered_message_is_noted_with_its_ids_and_skill() -> None:
    assert await noted(well) == WHO(skill="test")


async def test_a_message_that_no_skill_wants_is_noted_without_one() -> None:
    assert await noted(well, "再见") == WHO()


async def test_arguments_are_noted_by_name_and_type() -> None:
    def asked(day: Day, count: int | None, rest: Annotated[str, "其余"]) -> str:  # noqa: ARG001
        return "好"

    facts = await noted(asked, "问 明天 秘密")
    assert facts.arguments == {"day": "Day", "count": "NoneType", "rest": "str"}


async def test_calls_to_backends_are_noted_by_host_and_status() -> None:
    facts = await noted(ask_backend)
    (call,) = facts.calls
    assert (call.host, call.result) == ("api.example", "200")
    assert 0 <= call.took_ms < 30_000


async def test_a_call_in_a_task_that_the_skill_started_is_noted() -> None:
    async def asked(ctx: Context) -> str:
        return await asyncio.create_task(ask_backend(ctx))

    assert len((await noted(asked)).calls) == 1


async def test_of_many_calls_the_last_ten_are_noted() -> None:
    async def asked(ctx: Context) -> str:
        for number in range(12):
            await ctx.services.http.json("API", "GET", f"https://api{number}.example/")
        return "好"

    calls = (await noted(asked)).calls
    assert [call.host for call in calls] == [f"api{n}.example" for n in range(2, 12)]


async def test_every_message_that_shares_a_call_notes_it() -> None:
    async with open_worker(ask_backend) as here:
        messages = [await here.accept(msgId=str(n), senderStaffId=str(n)) for n in range(3)]
        await asyncio.gather(*map(here.answer, messages))
        assert [len(entry.facts.calls) for entry in await entries(here)] == [1, 1, 1]


async def test_an_error_is_noted_by_its_class_and_its_place_in_the_skill() -> None:
    def asked() -> str:
        raise KeyError("绩效")

    facts = await noted(asked)
    assert facts.error == "KeyError"
    assert facts.place.startswith(__file__)
    assert facts.place.endswith(" in asked")


async def test_an_error_in_a_library_is_noted_where_the_skill_called_it() -> None:
    def asked() -> str:
        return str(json.loads("{"))

    facts = await noted(asked)
    assert facts.error == "JSONDecodeError"
    assert facts.place.endswith(" in asked")


async def test_what_is_no_exception_is_noted_by_its_own_class() -> None:
    def asked() -> str:
        raise SystemExit

    facts = await noted(asked)
    assert facts.error == "SystemExit"
    assert facts.place.endswith(" in asked")


async def test_a_backends_failure_is_noted() -> None:
    def asked() -> str:
        raise BackendUnavailableError("工时系统", "HTTP 503")

    assert (await noted(asked)).error == "BackendUnavailableError"


async def test_a_refusal_is_no_error() -> None:
    def asked() -> str:
        raise RefusalError("不行")

    assert (await noted(asked)).error == ""


async def test_a_skill_that_takes_too_long_is_noted_with_what_it_called() -> None:
    async def asked(ctx: Context) -> str:
        await ask_backend(ctx)
        await asyncio.sleep(60)
        return "好"

    facts = await noted(asked, timeout_s=0.2)
    assert (facts.error, len(facts.calls)) == ("TimeoutError", 1)


async def test_an_error_outside_of_the_skill_is_noted_with_the_ids() -> None:
    async with open_worker(well) as here:
        message = await here.accept()
        here.answerer._sender.send = None  # type: ignore[assignment, method-assign]
        with pytest.raises(TypeError):
            await here.answer(message)
        (entry,) = await entries(here)
        assert entry.facts.error == "TypeError"
        assert entry.facts.sender == "0001"
        assert entry.facts.place.endswith(" in _advance")


@pytest.mark.parametrize("private", [False, True])
async def test_a_delivery_that_is_tried_again_keeps_what_the_skill_noted(*, private: bool) -> None:
    async with open_worker(ask_backend, private=private) as here:
        channel = here.private if private else here.chat
        channel.script = [httpx.ConnectError("refused"), 503]
        message = await here.asked()
        for _ in range(2):
            await here.rest(message)
            await here.answer(message)
        (entry,) = await entries(here)
        assert (entry.outcome, entry.delivery_attempts) == ("answered", 3)
        assert [call.host for call in entry.facts.calls][-1:] == ["api.example"]


async def test_an_errcode_that_is_final_is_the_entrys_detail() -> None:
    async with open_worker(well) as here:
        here.chat.script = [{"errcode": 300001}]
        await here.asked()
        (entry,) = await entries(here)
        assert entry.full_reason == "failed: errcode 300001"


async def test_a_worker_that_dies_while_it_sends_leaves_what_it_noted() -> None:
    async with open_worker(ask_backend) as here:
        hangs = asyncio.Event()

        async def hang() -> None:
            hangs.set()
            await asyncio.sleep(60)

        here.chat.script = [hang]
        message = await here.accept()
        answering = asyncio.create_task(here.answer(message))
        await hangs.wait()
        await here.overdue(message)
        (entry,) = await entries(here)
        assert (entry.reason, entry.facts.skill, len(entry.facts.calls)) == ("unknown", "test", 1)
        await stop(answering)


async def test_nothing_that_was_typed_answered_or_said_by_an_error_is_noted() -> None:
    async def asked(words: str, ctx: Context) -> str:
        await ask_backend(ctx)
        raise ValueError(f"不懂{words}")

    async with open_worker(asked) as here:
        await here.asked("问 我的绩效", senderNick="王小明", conversationTitle="秘密项目")
        stored = str(await here.redis.xrange(KEYS.journal))
    for word in ("绩效", "王小明", "秘密", "不懂", "hidden", "session="):
        assert word not in stored
