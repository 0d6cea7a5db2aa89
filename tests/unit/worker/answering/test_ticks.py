"""Ticks, from the ledger to their end: the function is called."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from dingda.shared.dingtalk.notification import LIFE_MS, parse_notification
from dingda.shared.dingtalk.tick import Tick, tick_envelope, tick_payload
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.journal import read_journal
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import CHINA
from dingda.skill import HookContext, RefusalError, Skill, SkillSettings
from dingda.worker.answering.hooks import LEFT_TO_OTHERS_MS
from tests.support.builders import KEYS, now_ms
from tests.support.worker_harness import WorkerHarness, open_worker, well

NINE = datetime(2026, 11, 30, 9, tzinfo=CHINA)
TICK = Tick("morning", "report", round(NINE.timestamp() * 1000))


def envelope(tick: Tick = TICK) -> Any:
    return tick_envelope("dingrobot", tick, now_ms=now_ms(), life_ms=LIFE_MS)


async def accept(worker: WorkerHarness, tick: Tick = TICK) -> str:
    """Accept a tick; returns its id."""
    stored = envelope(tick)
    await worker.ledger.accept([(stored, tick_payload("dingrobot", tick))], backlog_limit=100)
    return str(stored.id)


async def state(worker: WorkerHarness, message_id: str) -> str:
    stored = await worker.redis.hgetall(KEYS.message(message_id))
    return ": ".join(filter(None, map(stored.get, ("state", "reason", "detail"))))


async def ticked(worker: WorkerHarness, tick: Tick = TICK) -> str:
    """Accept a tick, and take it as far as it goes; returns its state."""
    message_id = await accept(worker, tick)
    await worker.answerer.answer(message_id)
    return await state(worker, message_id)


async def test_the_function_is_called_with_the_tick() -> None:
    skill, seen = Skill("morning", summary="早报"), list[Any]()

    @skill.schedule("0 9 * * *")
    async def report(tick: Tick, ctx: HookContext) -> None:
        seen.append((tick.at, ctx.robot_code, ctx.idempotency_key))

    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert seen == [(NINE, "dingrobot", envelope().id)]
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        (entry,) = await read_journal(worker.redis, queue)
        assert (entry.facts.kind, entry.facts.skill) == ("tick: morning.report", "morning")


async def test_a_function_that_refuses_ends_the_tick_as_refused() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *")
    def report() -> None:
        raise RefusalError("今天没有")

    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "refused"


async def test_a_tick_reaches_the_function_of_its_skill_alone() -> None:
    skills, called = (
        [Skill("morning", summary="早报"), Skill("evening", summary="晚报")],
        list[str](),
    )
    for skill in skills:
        for name in ("report", "other"):
            noting = partial(called.append, f"{skill.name}.{name}")
            skill.schedule("0 9 * * *")(_named(name, _calling(noting)))
    async with open_worker(well, hooking=skills) as worker:
        assert await ticked(worker) == "answered"
        assert called == ["morning.report"]


async def test_a_run_by_hand_is_another_than_the_tick_of_its_moment() -> None:
    skill, called = Skill("morning", summary="早报"), list[str]()

    @skill.schedule("0 9 * * *")
    def report(tick: Tick) -> None:
        called.append(tick.run)

    by_hand = Tick(TICK.skill, TICK.function, TICK.at_ms, run="1")
    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert await ticked(worker, by_hand) == "answered"
        assert await ticked(worker, by_hand) == "answered"
        assert called == ["", "1"]


async def test_a_tick_that_this_worker_does_not_know_is_left_to_another() -> None:
    async with open_worker(well, hooking=[Skill("morning", summary="早报")]) as worker:
        assert await ticked(worker) == "accepted"


async def test_after_a_while_a_tick_that_nobody_knows_ends_as_unmatched() -> None:
    async with open_worker(well, hooking=[Skill("morning", summary="早报")]) as worker:
        message_id = await accept(worker)
        accepted_ms = now_ms() - LEFT_TO_OTHERS_MS - 1
        await worker.redis.hset(KEYS.message(message_id), "accepted_ms", accepted_ms)
        await worker.answerer.answer(message_id)
        assert await state(worker, message_id) == "unmatched"


def test_a_payload_is_read_as_the_tick_that_was_written() -> None:
    tick = Tick("早报", "report", 1, "Europe/Berlin", run="1")
    found = parse_notification(tick_payload("dingrobot", tick))
    assert (found.robot_code, found.subject) == ("dingrobot", tick)
    assert (found.title, found.dingtalk_id) == ("tick: 早报.report", "")


@pytest.mark.parametrize("fields", [b"{}", b'{"skill": 1}', b"[]", b'"x"'])
def test_a_tick_without_its_fields_is_refused(fields: bytes) -> None:
    with pytest.raises(InvalidMessageError, match="the ledger holds"):
        parse_notification(b'["tick", "r", %b, ""]' % fields)


class Required(SkillSettings):
    token: str = ""


def test_a_schedule_is_checked_when_it_is_declared() -> None:
    skill = Skill("morning", summary="早报")
    with pytest.raises(TypeError, match=r"skill 'morning': '\* \* \* \* \* \*' is no cron"):
        skill.schedule("* * * * * *")
    with pytest.raises(TypeError, match="catch_up_s=0 is not from 60 to 86400 seconds"):
        skill.schedule("0 9 * * *", catch_up_s=0)
    with pytest.raises(TypeError, match="parameter 'day' is neither Tick nor HookContext"):
        skill.schedule("0 9 * * *")(_with_a_day)
    skill.schedule("0 9 * * *")(_named("report", lambda: None))
    with pytest.raises(TypeError, match="report has a schedule already"):
        skill.schedule("0 18 * * *")(_named("report", lambda: None))


def test_its_settings_are_among_those_of_its_skill() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *")
    def report(settings: Required) -> None:
        pass

    assert skill.settings_types() == [Required]


def _with_a_day(day: str) -> None:
    pass


def _calling(function: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        function()

    return call


def _named(name: str, function: Callable[..., Any]) -> Any:
    function.__name__ = name
    return function
