"""Every line about a message says which, by whom and since when, whoever writes the line."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dingda.shared.runtime.task_owner import current_owner
from dingda.skill import Text
from dingda.worker.contained import contain_tasks
from tests.support.log_lines import LogLines, log_lines
from tests.support.worker_harness import open_worker

library = logging.getLogger("a.library")


@pytest.fixture
def lines() -> Iterator[LogLines]:
    with log_lines() as seen:
        yield seen


async def on_the_loop() -> str:
    library.info("looking")
    return "好"


def in_a_thread() -> str:
    assert threading.current_thread() is not threading.main_thread()
    library.info("looking")
    return "好"


async def in_a_task_of_its_own() -> str:
    async def look() -> None:
        await asyncio.sleep(0)
        library.info("looking")

    await asyncio.create_task(look())
    return "好"


async def by_to_thread() -> str:
    await asyncio.to_thread(library.info, "looking")
    return "好"


async def in_a_callback() -> str:
    called = asyncio.Event()

    def look() -> None:
        library.info("looking")
        called.set()

    asyncio.get_running_loop().call_soon(look)
    await called.wait()
    return "好"


@pytest.mark.parametrize(
    "skill", [on_the_loop, in_a_thread, in_a_task_of_its_own, by_to_thread, in_a_callback]
)
async def test_a_line_of_a_library_inside_a_skill_names_the_message(
    lines: LogLines, skill: Callable[..., Any]
) -> None:
    async with open_worker(skill) as worker:
        message = await worker.asked()
    line = lines.one("looking")
    assert (line["message_id"], line["skill"], line["attempt"]) == (message.id, "test", 1)
    assert line["duration_s"] >= 0


async def test_two_messages_at_once_keep_their_lines_apart(lines: LogLines) -> None:
    both_are_here = asyncio.Barrier(2)

    async def meet() -> str:
        await both_are_here.wait()
        library.info("met")
        return "好"

    async with open_worker(meet) as worker:
        messages = [await worker.accept(msgId=one, senderId=one) for one in ("1", "2")]
        await asyncio.gather(*map(worker.answer, messages))
    met = [line["message_id"] for line in lines.all if line["message"] == "met"]
    assert sorted(met) == sorted(message.id for message in messages)


async def test_a_line_of_the_second_attempt_says_so(lines: LogLines) -> None:
    async with open_worker(lambda: "好") as worker:
        worker.chat.script = [{"errcode": -1}]
        message = await worker.asked()
        await worker.rest(message)
        await worker.answer(message)
    attempts = [line["attempt"] for line in lines.all if line.get("message_id") == message.id]
    assert attempts == [1, 2]


async def test_a_traceback_is_in_a_line_that_names_the_message(lines: LogLines) -> None:
    def fails() -> str:
        raise ValueError("我的工资")

    async with open_worker(fails) as worker:
        message = await worker.asked()
    line = lines.one("skill test failed")
    assert (line["message_id"], line["skill"]) == (message.id, "test")
    assert line["error.type"] == "ValueError"
    assert f"{__file__}:" in line["stack"]
    assert "工资" not in str(lines.all)


async def test_what_nobody_awaited_names_the_message_that_left_it_behind(lines: LogLines) -> None:
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()

    async def fails() -> None:
        raise ValueError("我的工资")

    async def leaves_it_behind() -> Text:
        asyncio.create_task(fails())  # noqa: RUF006 - that is its fault
        await asyncio.sleep(0)
        return Text("好")

    contain_tasks(loop)
    try:
        async with open_worker(leaves_it_behind) as worker:
            message = await asyncio.create_task(_accepted_and_answered(worker))
    finally:
        loop.set_task_factory(before)
        loop.set_exception_handler(None)
    line = lines.one("exception was never retrieved")
    assert (line["message_id"], line["skill"]) == (message.id, "test")
    assert line["error.type"] == "ValueError"
    assert "工资" not in str(lines.all)


async def test_a_line_that_is_about_no_message_names_none(lines: LogLines) -> None:
    async with open_worker(on_the_loop) as worker:
        await asyncio.create_task(_accepted_and_answered(worker))
        library.info("swept")
    assert current_owner.get() is None
    assert "message_id" not in lines.one("swept")


async def _accepted_and_answered(worker: Any) -> Any:
    return await worker.asked()


async def test_the_end_of_a_message_is_one_line_with_its_outcome_and_what_took_how_long(
    lines: LogLines,
) -> None:
    async with open_worker(on_the_loop) as worker:
        message = await worker.asked()
    (line,) = [line for line in lines.all if line.get("event") == "message.ended"]
    assert (line["message_id"], line["skill"], line["attempt"]) == (message.id, "test", 1)
    assert (line["severity"], line["outcome"]) == ("INFO", "answered")
    assert "reason" not in line
    assert {"queue_s", "skill_s", "delivery_s"} <= set(line)
    assert all(line[stage] >= 0 for stage in ("queue_s", "skill_s", "delivery_s"))
    assert line["skill_s"] + line["delivery_s"] <= line["duration_s"]
    assert line["message"].startswith("answered: queue 0.")


async def test_one_that_ends_badly_says_why_in_that_line(lines: LogLines) -> None:
    def fails() -> str:
        raise ValueError("我的工资")

    async with open_worker(fails) as worker:
        await worker.asked()
    (line,) = [line for line in lines.all if line.get("event") == "message.ended"]
    assert (line["severity"], line["outcome"]) == ("WARNING", "dead")
    assert line["reason"] == "failed: ValueError in the skill"


async def test_one_that_nothing_was_sent_for_has_no_delivery(lines: LogLines) -> None:
    async with open_worker(on_the_loop) as worker:
        await worker.asked("吃了吗")
    (line,) = [line for line in lines.all if line.get("event") == "message.ended"]
    assert line["outcome"] == "unmatched"
    assert "delivery_s" not in line


async def test_a_delivery_that_is_tried_again_is_an_event_too(lines: LogLines) -> None:
    async with open_worker(on_the_loop) as worker:
        worker.chat.script = [{"errcode": -1}]
        await worker.asked()
    (line,) = [line for line in lines.all if line.get("event") == "message.retried"]
    assert line["reason"] == "errcode -1"
    assert line["pause_s"] > 0
