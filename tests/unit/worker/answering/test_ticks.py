"""Ticks, from the ledger to their end: the function is called, and what it returns is pushed."""

from datetime import datetime
from itertools import count
from typing import Any

import pytest

from dingda.shared.dingtalk.notification import LIFE_MS, parse_notification
from dingda.shared.dingtalk.push import Group, Push, Target, User
from dingda.shared.dingtalk.reply import Text
from dingda.shared.dingtalk.tick import Tick, tick_envelope, tick_payload
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.journal import read_journal
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import CHINA
from dingda.skill import HookContext, RefusalError, Skill, SkillSettings
from dingda.testing import Outcome, Pushes, tick
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


async def pushed(worker: WorkerHarness) -> list[tuple[Target, str]]:
    """Send all pushes that are accepted; returns to whom they go, and their texts."""
    found, ids = [], []
    for key in sorted(await worker.redis.keys(KEYS.message("*"))):
        payload = await worker.redis.hget(key, "payload")
        if payload and payload.startswith('["push"'):
            push = parse_notification(payload.encode()).subject
            assert isinstance(push, Push)
            assert isinstance(push.reply, Text)
            found.append((push.target, push.reply.content))
            ids.append(key.removeprefix(KEYS.message("")))
    for message_id in (*ids, *ids):  # what goes to one target is sent in order
        await worker.answerer.answer(message_id)
    assert len(worker.pushed.taken) == len(found)
    return sorted(found, key=str)


async def test_the_function_is_called_with_the_tick_and_what_it_returns_is_pushed() -> None:
    skill, seen = Skill("morning", summary="早报"), list[Any]()

    @skill.schedule("0 9 * * *", to=Group("ops"))
    async def report(tick: Tick, ctx: HookContext) -> str:
        seen.append((tick.at, ctx.robot_code, ctx.idempotency_key))
        return "早上好"

    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert seen == [(NINE, "dingrobot", envelope().id)]
        assert await pushed(worker) == [(Group("ops"), "早上好")]
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        _, entry = await read_journal(worker.redis, queue)
        assert (entry.facts.kind, entry.facts.skill) == ("tick: morning.report", "morning")


async def test_several_get_it_each() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *", to=[Group("ops"), User("0001")])
    def report() -> str:
        return "早上好"

    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert await pushed(worker) == [(Group("ops"), "早上好"), (User("0001"), "早上好")]


async def test_a_second_attempt_pushes_nothing_that_the_first_has_pushed() -> None:
    skill, calls = Skill("morning", summary="早报"), count(1)

    @skill.schedule("0 9 * * *", to=[Group("ops"), User("0001")])
    async def report() -> str:
        return f"第{next(calls)}次"

    async with open_worker(well, hooking=[skill]) as worker:
        message_id, push = await accept(worker), HookContext.push

        async def breaks_off(ctx: HookContext, to: Target, *args: Any, **fields: Any) -> bool:
            if isinstance(to, User):
                raise ConnectionError
            return await push(ctx, to, *args, **fields)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(HookContext, "push", breaks_off)
            await worker.answerer.answer(message_id)
        assert await state(worker, message_id) == "accepted"
        await worker.redis.hset(KEYS.message(message_id), "not_before_ms", 0)
        await worker.redis.zadd(KEYS.due, {message_id: 0})
        await worker.ledger.sweep()
        await worker.answerer.answer(message_id)
        assert await state(worker, message_id) == "answered"
        assert await pushed(worker) == [(Group("ops"), "第1次"), (User("0001"), "第2次")]


async def test_what_the_function_pushes_itself_is_beside_what_it_returns() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *", to=Group("ops"))
    async def report(ctx: HookContext) -> str:
        await ctx.push(Group("ops"), "先说一句")
        return "早上好"

    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert sorted(text for _, text in await pushed(worker)) == ["先说一句", "早上好"]


async def test_a_function_that_returns_nothing_pushes_nothing() -> None:
    skill = Skill("morning", summary="早报")
    skill.schedule("0 9 * * *", to=Group("ops"))(_named("report", lambda: None))
    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert await pushed(worker) == []


async def test_a_reply_for_nobody_is_an_error_that_says_what_to_write() -> None:
    skill = Skill("morning", summary="早报")
    skill.schedule("0 9 * * *")(_named("report", lambda: "早上好"))
    async with open_worker(well, hooking=[skill]) as worker:
        message_id = await accept(worker)
        await worker.answerer.answer(message_id)
        stored = await worker.redis.hgetall(KEYS.message(message_id))
        assert "the schedule names nobody to push it to: write to=" in stored["trouble"]


async def test_a_function_that_refuses_ends_the_tick_as_refused() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *", to=Group("ops"))
    def report() -> str:
        raise RefusalError("今天没有")

    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "refused"
        assert await pushed(worker) == []


async def test_a_tick_reaches_the_function_of_its_skill_alone() -> None:
    skills = [Skill("morning", summary="早报"), Skill("evening", summary="晚报")]
    for skill in skills:
        skill.schedule("0 9 * * *", to=User(skill.name))(_named("report", lambda: "好"))
        skill.schedule("0 9 * * *", to=User("other"))(_named("other", lambda: "好"))
    async with open_worker(well, hooking=skills) as worker:
        assert await ticked(worker) == "answered"
        assert await pushed(worker) == [(User("morning"), "好")]


async def test_a_run_by_hand_is_another_than_the_tick_of_its_moment() -> None:
    skill = Skill("morning", summary="早报")
    skill.schedule("0 9 * * *", to=Group("ops"))(_named("report", lambda: "好"))
    by_hand = Tick(TICK.skill, TICK.function, TICK.at_ms, run="1")
    async with open_worker(well, hooking=[skill]) as worker:
        assert await ticked(worker) == "answered"
        assert await ticked(worker, by_hand) == "answered"
        assert await ticked(worker, by_hand) == "answered"
        assert len(await pushed(worker)) == 2


async def test_a_tick_that_this_worker_does_not_know_is_left_to_another() -> None:
    async with open_worker(well, hooking=[Skill("morning", summary="早报")]) as worker:
        assert await ticked(worker) == "accepted"
        assert await pushed(worker) == []


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
        skill.schedule("* * * * * *", to=Group("ops"))
    with pytest.raises(TypeError, match=r"to='ops' is neither a Group nor a User"):
        skill.schedule("0 9 * * *", to=["ops"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="catch_up_s=0 is not from 60 to 86400 seconds"):
        skill.schedule("0 9 * * *", catch_up_s=0)
    with pytest.raises(TypeError, match="parameter 'day' is neither Tick nor HookContext"):
        skill.schedule("0 9 * * *")(_with_a_day)
    skill.schedule("0 9 * * *")(_named("report", lambda: None))
    with pytest.raises(TypeError, match="report has a schedule already"):
        skill.schedule("0 18 * * *")(_named("report", lambda: None))


async def test_the_test_kit_calls_a_scheduled_function_by_itself() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *", to=Group("ops"), timezone="Europe/Berlin")
    def report(tick: Tick, ctx: HookContext) -> str:
        return f"{tick.at:%H:%M} {ctx.now:%H:%M}"

    pushes = Pushes()
    completion = await tick(skill, report, at=NINE, pushes=pushes)
    assert completion.outcome is Outcome.ANSWERED
    assert [push.reply for push in pushes] == [Text("02:00 09:00")]
    with pytest.raises(ValueError, match="skill 'morning' has no schedule of well"):
        await tick(skill, well)


def test_its_settings_are_among_those_of_its_skill() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *")
    def report(settings: Required) -> None:
        pass

    assert skill.settings_types() == [Required]


def _with_a_day(day: str) -> None:
    pass


def _named(name: str, function: Any) -> Any:
    function.__name__ = name
    return function
