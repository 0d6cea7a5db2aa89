"""The test kit plays what the product can do: time that passes, workers that die, pushes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import pytest

from dingda.shared.ledger.cards import CardState
from dingda.skill import (
    CHINA,
    ActionButton,
    Card,
    Context,
    Group,
    Question,
    Skill,
    Tick,
    User,
)
from dingda.testing import (
    Conversation,
    Outcome,
    People,
    Pushes,
    ask,
    listen,
    press,
    ticks_after,
)

NOON = datetime(2026, 11, 27, 12, tzinfo=CHINA)
skill = Skill("shop", summary="小卖部")


@dataclass(frozen=True)
class Pay:
    order: str


@skill.command("下单")
async def order(ctx: Context) -> str:
    await ctx.push(Group("ops"), "来单了")
    return ctx.idempotency_key


@skill.command("几点")
async def clock(ctx: Context) -> str:
    async def fetch() -> str:
        return f"{ctx.now:%H:%M}"

    kept = await ctx.services.cache.remember("time", fetch, ttl_s=60)
    return f"{ctx.now:%H:%M} {kept}"


@skill.command("退货")
async def give_back() -> Question:
    return Question("为什么？", then=note)


@skill.step
def note(reason: str) -> str:
    return f"因为{reason}"


@skill.action(Pay)
def pay(paid: Pay) -> str:
    return f"{paid.order}已付"


@skill.schedule("0 9 * * *", to=Group("ops"), workdays=True)
def report(tick: Tick) -> str:
    return f"{tick.at:%m-%d}"


async def test_a_skill_whose_worker_died_is_called_again_with_the_same_key() -> None:
    keys: list[str] = []

    @(counting := Skill("counting", summary="数")).command("数")
    def count(ctx: Context) -> str:
        keys.append(ctx.idempotency_key)
        return f"第 {len(keys)} 次"

    response = await listen(counting, "数", crashes=2)
    assert response is not None
    assert response.reply.to_payload()["text"]["content"] == "第 3 次"
    assert len(keys) == 3
    assert len(set(keys)) == 1


async def test_what_is_pushed_by_each_attempt_is_pushed_once() -> None:
    pushes = Pushes()
    await ask(skill, "下单", pushes=pushes, crashes=1)
    assert [(push.target, push.reply.to_payload()["text"]["content"]) for push in pushes] == [
        (Group("ops"), "来单了")
    ]


async def test_a_message_of_a_conversation_has_a_key_of_its_own_in_all_attempts() -> None:
    chat = Conversation(skill)
    first = await chat.say("下单", crashes=1)
    assert first != await chat.say("下单")
    assert len(chat.pushes) == 2


async def test_time_passes_in_a_conversation_for_the_skill_and_what_it_cached() -> None:
    chat = Conversation(skill, now=NOON)

    async def said() -> str:
        reply = await chat.say("几点")
        assert reply is not None
        return str(reply.to_payload()["text"]["content"])

    assert await said() == "12:00 12:00"
    chat.wait(59)
    assert await said() == "12:00 12:00"
    chat.wait(1)
    assert await said() == "12:01 12:01"
    assert chat.now == NOON + timedelta(minutes=1)


async def test_a_dialogue_survives_a_worker_that_died_over_its_answer() -> None:
    chat = Conversation(skill)
    await chat.say("退货")
    reply = await chat.say("太大", crashes=1)
    assert reply is not None
    assert reply.to_payload()["text"]["content"] == "因为太大"


async def test_a_card_that_was_shown_for_too_long_decides_nothing() -> None:
    card = Card("付款", "42 元", (ActionButton("付", Pay("42")),), allow=("0001",), expires_s=3600)
    in_time = await press(skill, Pay("42"), by="0001", card=card, after_s=3599, now=NOON)
    assert (in_time.result, in_time.card.state) == ("42已付", CardState.DECIDED)
    late = await press(skill, Pay("42"), by="0001", card=card, after_s=3600, now=NOON)
    assert (late.result, late.card.state) == ("", CardState.EXPIRED)
    assert late.completion.outcome is Outcome.DECLINED
    assert "12:00" in late.shown


async def test_a_card_that_names_nobody_is_the_senders_to_press() -> None:
    card = Card("付款", "42 元", (ActionButton("付", Pay("42")),))
    assert (await press(skill, Pay("42"), by="0001", card=card)).result == "42已付"
    assert (await press(skill, Pay("42"), by="0002", card=card)).result == ""
    assert (await press(skill, Pay("42"), by="0002", card=card, to="0002")).result == "42已付"


async def test_a_test_shows_what_an_error_says_from_the_skill_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = Skill("broken", summary="坏了")

    @broken.command("数豆子")
    def count() -> str:
        raise ValueError("no beans")

    await ask(broken, "数豆子")
    shown = capsys.readouterr().err
    assert shown.endswith("ValueError: no beans\n")
    assert "responder.py" not in shown


def test_the_times_of_a_schedule_can_be_asked_for() -> None:
    found = islice(ticks_after(skill, report, NOON), 2)
    assert [f"{each:%m-%d %H:%M}" for each in found] == ["11-30 09:00", "12-01 09:00"]


def test_of_a_function_without_a_schedule_there_are_no_times() -> None:
    with pytest.raises(ValueError, match="no schedule of pay"):
        next(ticks_after(skill, pay, NOON))


async def test_a_private_answer_is_distinguished_from_one_for_the_group() -> None:
    secret = Skill("pay", summary="查工资", private=True)

    @secret.command("工资")
    async def wage(ctx: Context) -> str:
        await ctx.push(User("0009"), "有人查工资")
        return "不告诉你"

    chat = Conversation(secret, dingtalk=People())
    response = await chat.listen("工资")
    assert response is not None
    assert response.private
    assert [push.target for push in chat.pushes] == [User("0009")]
