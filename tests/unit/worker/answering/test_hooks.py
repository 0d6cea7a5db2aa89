"""Hooks, from a stored event or card action to its end: called, called again, and given up."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from dingda.shared.dingtalk.message import Envelope
from dingda.shared.dingtalk.notification import LIFE_MS, card_action_payload, event_payload
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.journal import JournalEntry, read_journal
from dingda.shared.ledger.ledger import MAX_DEATHS
from dingda.shared.ledger.states import Lease, RetryResult
from dingda.shared.queue import JobQueue
from dingda.skill import (
    BackendUnavailableError,
    CardAction,
    Event,
    HookContext,
    RefusalError,
    Skill,
    SkillSettings,
)
from dingda.worker.answering.hooks import PAUSES_MS
from tests.support.builders import KEYS, a_card_callback, an_event, event_headers, now_ms
from tests.support.worker_harness import WorkerHarness, open_worker, stop, well

ID = "e" * 64
EVENT = event_payload("dingrobot", event_headers("chat_add_member"), an_event())


class Required(SkillSettings):
    token: str


async def accept(
    worker: WorkerHarness, payload: bytes = EVENT, *, key: str = ID, line: str = ""
) -> None:
    envelope = Envelope(key, line, now_ms() + LIFE_MS)
    await worker.ledger.accept([(envelope, payload)], backlog_limit=100)


async def told(worker: WorkerHarness, payload: bytes = EVENT) -> None:
    """Accept an event or a card action, and take it as far as it goes."""
    await accept(worker, payload)
    await worker.answerer.answer(ID)


async def state(worker: WorkerHarness, key: str = ID) -> str:
    stored = await worker.redis.hgetall(KEYS.message(key))
    return ": ".join(filter(None, map(stored.get, ("state", "reason", "detail"))))


async def again(worker: WorkerHarness) -> None:
    """Let the pause before the next attempt pass by, and make it."""
    await worker.redis.hset(KEYS.message(ID), "not_before_ms", 0)
    await worker.redis.zadd(KEYS.due, {ID: 0})
    await worker.ledger.sweep()
    await worker.answerer.answer(ID)


async def only_entry(worker: WorkerHarness) -> JournalEntry:
    queue = JobQueue.create("dingda", skill_timeout_s=30)
    (entry,) = await read_journal(worker.redis, queue)
    return entry


class Counting:
    """A skill whose hook counts its calls, and raises what it is told to, one after the other."""

    def __init__(self, name: str = "counting", raises: Sequence[BaseException] = ()) -> None:
        self.calls: list[str] = []
        self.raises = list(raises)
        self.skill = Skill(name, summary="计数")
        self.skill.event("chat_add_member")(self.hook)

    async def hook(self, ctx: HookContext) -> None:
        self.calls.append(ctx.idempotency_key)
        if self.raises:
            raise self.raises.pop(0)


# Called once --------------------------------------------------------------------------------


async def test_a_hook_is_called_with_the_event_and_the_event_is_answered() -> None:
    skill, seen = Skill("chats", summary="群"), list[Any]()

    @skill.event("chat_add_member")
    async def joined(event: Event, ctx: HookContext) -> None:
        seen.append((event.type, event.data["userId"], ctx.robot_code, ctx.idempotency_key))

    async with open_worker(well, hooking=[skill]) as worker:
        await told(worker)
        assert seen == [("chat_add_member", ["0002"], "dingrobot", ID)]
        assert await state(worker) == "answered"
        assert worker.chat.taken == []
        entry = await only_entry(worker)
        assert entry.facts == MessageFacts(
            msg_id="e1", kind="event: chat_add_member", robot="dingrobot", skill="chats"
        )


async def test_a_press_reaches_the_hook_of_its_action() -> None:
    skill, seen = Skill("approval", summary="审批"), list[Any]()

    @skill.card_action("approve", "reject")
    def decided(action: CardAction) -> None:
        seen.append((action.user_id, action.params))

    @skill.card_action("other")
    def unwanted() -> None:
        seen.append("other")

    async with open_worker(well, hooking=[skill]) as worker:
        await told(worker, card_action_payload("dingrobot", a_card_callback("reject")))
        assert seen == [("0001", {"jobId": "42"})]
        assert await state(worker) == "answered"
        facts = (await only_entry(worker)).facts
        assert (facts.kind, facts.sender, facts.conversation) == (
            "card action: reject",
            "0001",
            "cidAAAA==",
        )


async def test_what_nobody_hooks_is_unmatched() -> None:
    skill = Skill("cards", summary="卡片")
    skill.card_action("chat_add_member")(lambda: None)  # no event, though of its name
    async with open_worker(well, hooking=[skill]) as worker:
        await told(worker)
        assert await state(worker) == "unmatched"


async def test_an_event_that_has_been_handled_is_not_handled_again() -> None:
    counting = Counting()
    async with open_worker(well, hooking=[counting.skill]) as worker:
        await told(worker)
        await told(worker)
        assert counting.calls == [ID]


async def test_a_hook_that_refuses_declines_what_it_was_called_for() -> None:
    refusing = Counting(raises=[RefusalError("canary")])
    async with open_worker(well, hooking=[refusing.skill]) as worker:
        await told(worker)
        assert await state(worker) == "refused"
        assert "canary" not in await worker.everything()


async def test_what_a_hook_returns_is_ignored() -> None:
    skill = Skill("talkative", summary="话多")
    skill.event("chat_add_member")(lambda: "大家好")  # type: ignore[type-var]
    async with open_worker(well, hooking=[skill]) as worker:
        await told(worker)
        assert await state(worker) == "answered"
        assert worker.chat.taken == []


# Called again -------------------------------------------------------------------------------


class SecretiveError(Exception):
    """Fails when it is asked what it is."""

    __class__ = property(lambda _: 1 / 0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("canary"), "ValueError in the skill"),
        (BackendUnavailableError("工时系统", "HTTP 503"), "工时系统: HTTP 503"),
        (TimeoutError(), "the skill took too long"),
        (SystemExit("canary"), "SystemExit in the skill"),
        (asyncio.CancelledError(), "CancelledError in the skill"),
        (SecretiveError(), "SecretiveError in the skill"),
    ],
    ids=lambda value: "" if type(value) is str else type(value).__name__,
)
async def test_a_hook_that_fails_is_called_again_after_a_pause_with_the_same_key(
    error: BaseException, reason: str
) -> None:
    counting = Counting(raises=[error])
    async with open_worker(well, hooking=[counting.skill]) as worker:
        await told(worker)
        stored = await worker.redis.hgetall(KEYS.message(ID))
        assert (stored["state"], stored["trouble"]) == ("accepted", reason)
        pause_ms = int(stored["not_before_ms"]) - now_ms()
        assert 0 < pause_ms <= PAUSES_MS[0] * 1.2
        await worker.answerer.answer(ID)  # too early
        assert counting.calls == [ID]
        await again(worker)
        assert counting.calls == [ID, ID]
        assert await state(worker) == "answered"
        assert "canary" not in await worker.everything()


async def test_a_hook_that_fails_each_time_leaves_a_dead_letter_that_says_where() -> None:
    counting = Counting(raises=[ValueError("canary")] * 99)
    async with open_worker(well, hooking=[counting.skill]) as worker:
        await told(worker)
        for _ in PAUSES_MS:
            await again(worker)
        assert len(counting.calls) == len(PAUSES_MS) + 1
        assert await state(worker) == "dead: failed: ValueError in the skill"
        (letter,) = await worker.admin.dead_letters()
        facts = letter.facts
        assert (facts.kind, facts.skill, facts.error) == (
            "event: chat_add_member",
            "counting",
            "ValueError",
        )
        assert "test_hooks.py" in facts.place
        assert "canary" not in repr(letter)


async def test_an_operator_who_retries_it_has_its_hooks_called_from_the_beginning() -> None:
    counting = Counting(raises=[ValueError()] * (len(PAUSES_MS) + 1))
    async with open_worker(well, hooking=[counting.skill]) as worker:
        await told(worker)
        for _ in PAUSES_MS:
            await again(worker)
        assert await worker.admin.retry_dead_letter(ID) is RetryResult.ACCEPTED
        await worker.answerer.answer(ID)
        assert await state(worker) == "answered"


async def test_of_two_skills_only_the_one_that_failed_is_called_again() -> None:
    first, second = Counting("first", [ValueError()] * 2), Counting("second")
    async with open_worker(well, hooking=[first.skill, second.skill]) as worker:
        await told(worker)
        await again(worker)
        await again(worker)
        assert (len(first.calls), len(second.calls)) == (3, 1)
        assert await state(worker) == "answered"


async def test_both_are_called_again_where_both_fail_and_each_until_it_returns() -> None:
    first, second = Counting("first", [ValueError()] * 2), Counting("second", [ValueError()])
    async with open_worker(well, hooking=[first.skill, second.skill]) as worker:
        await told(worker)
        await again(worker)
        await again(worker)
        assert (len(first.calls), len(second.calls)) == (3, 2)
        assert await state(worker) == "answered"


async def test_a_skill_that_always_fails_keeps_no_other_from_the_event() -> None:
    failing, other = Counting("failing", [ValueError()] * 99), Counting("other")
    async with open_worker(well, hooking=[failing.skill, other.skill]) as worker:
        await told(worker)
        for _ in PAUSES_MS:
            await again(worker)
        assert len(other.calls) == 1
        assert await state(worker) == "dead: failed: ValueError in the skill"
        assert (await only_entry(worker)).facts.skill == "failing"


async def test_of_two_that_failed_a_dead_letter_tells_of_one_and_not_of_both_mixed() -> None:
    first, second = Counting("first", [ValueError()] * 99), Counting("second", [KeyError()] * 99)
    async with open_worker(well, hooking=[first.skill, second.skill]) as worker:
        await told(worker)
        for _ in PAUSES_MS:
            await again(worker)
        facts = (await only_entry(worker)).facts
        assert (facts.skill, facts.error) == ("first", "ValueError")


async def test_a_hook_whose_skill_is_gone_at_the_next_attempt_is_no_longer_waited_for() -> None:
    failing, other = Counting("failing", [ValueError()] * 99), Counting("other")
    async with open_worker(well, hooking=[failing.skill, other.skill]) as worker:
        await told(worker)
        failing.skill.name = "renamed"
        await again(worker)
        assert await state(worker) == "answered"
        assert (len(failing.calls), len(other.calls)) == (1, 1)


# Time, deaths and order ---------------------------------------------------------------------


async def test_a_hook_has_the_skills_timeout() -> None:
    skill = Skill("slow", summary="慢", timeout_s=0.01)

    @skill.event("chat_add_member")
    async def hangs() -> None:
        await asyncio.sleep(60)

    async with open_worker(well, hooking=[skill]) as worker:
        await told(worker)
        stored = await worker.redis.hgetall(KEYS.message(ID))
        assert stored["trouble"] == "the skill took too long"


async def test_a_hook_whose_worker_dies_is_called_by_another_and_given_up_in_the_end() -> None:
    counting = Counting()
    async with open_worker(well, hooking=[counting.skill]) as worker:
        await accept(worker)
        for _ in range(MAX_DEATHS - 1):
            assert isinstance(await worker.ledger.lease(ID), Lease)  # and the worker dies
            await worker.redis.zadd(KEYS.due, {ID: 0})
            await worker.ledger.sweep()
            await worker.redis.hdel(KEYS.message(ID), "not_before_ms")
        await worker.answerer.answer(ID)
        assert counting.calls == [ID]
        assert await state(worker) == "answered"


async def test_a_worker_that_is_told_to_end_leaves_the_event_to_another() -> None:
    skill, begun = Skill("slow", summary="慢"), asyncio.Event()

    @skill.event("chat_add_member")
    async def hangs() -> None:
        begun.set()
        await asyncio.sleep(60)

    async with open_worker(well, hooking=[skill]) as worker:
        await accept(worker)
        answering = asyncio.create_task(worker.answerer.answer(ID))
        await begun.wait()
        (doing,) = worker.answerer.doing(now_ms())
        assert (doing.id, doing.skill) == (ID, "slow")
        await stop(answering)
        assert await state(worker) == "accepted"


async def test_the_second_press_on_a_card_waits_for_the_first() -> None:
    skill, order, go_on = Skill("vote", summary="投票"), list[str](), asyncio.Event()

    @skill.card_action("yes", "no")
    async def vote(action: CardAction) -> None:
        order.append(f"begin {action.action_ids[0]}")
        await go_on.wait()
        order.append(f"end {action.action_ids[0]}")

    yes, no = (card_action_payload("dingrobot", a_card_callback(each)) for each in ("yes", "no"))
    async with open_worker(well, hooking=[skill]) as worker:
        await accept(worker, yes, key="a" * 64, line="card1")
        await accept(worker, no, key="b" * 64, line="card1")
        first = asyncio.create_task(worker.answerer.answer("a" * 64))
        await asyncio.sleep(0.01)
        await worker.answerer.answer("b" * 64)  # is put back
        go_on.set()
        await first
        await worker.answerer.answer("b" * 64)
        assert order == ["begin yes", "end yes", "begin no", "end no"]


async def test_settings_that_could_not_be_read_fail_the_hook_and_no_message() -> None:
    skill = Skill("setup", summary="配置")

    @skill.event("chat_add_member")
    async def hook(settings: Required) -> None: ...

    async with open_worker(well, hooking=[skill]) as worker:
        await told(worker)
        stored = await worker.redis.hgetall(KEYS.message(ID))
        assert stored["trouble"] == "「配置」: Required is missing or wrong; see dingda settings"


@pytest.mark.parametrize("payload", [b"[", b'["event"]', b'["push","dingrobot",{},"{}"]'])
async def test_a_payload_that_cannot_be_read_is_a_dead_letter(payload: bytes) -> None:
    async with open_worker(well) as worker:
        await accept(worker, payload)
        with pytest.raises(InvalidMessageError):
            await worker.answerer.answer(ID)
        assert await state(worker) == "dead: failed: InvalidMessageError"


async def test_what_a_robot_is_told_that_this_worker_does_not_know_is_left_to_others() -> None:
    counting = Counting()
    async with open_worker(well, hooking=[counting.skill], known="dingother") as worker:
        await told(worker)
        assert counting.calls == []
        assert await state(worker) == "accepted"
