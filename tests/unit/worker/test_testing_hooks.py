"""The test kit plays events and card actions: which hooks are called, and how it would end."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
import pytest

from dingda.skill import (
    CHINA,
    Allow,
    CardAction,
    Event,
    HookContext,
    RefusalError,
    Skill,
    SkillSettings,
)
from dingda.testing import Completion, DeadReason, MemoryCache, Outcome, fire

PRESSED = CardAction(("approve",), user_id="0001")


class Settings(SkillSettings):
    room: str = "A"


@pytest.fixture
def skill() -> Skill:
    return Skill("test", summary="测试")


async def test_the_hook_is_called_with_the_circumstances_that_the_test_chose(skill: Skill) -> None:
    seen = []

    @skill.card_action("approve")
    async def hook(action: CardAction, ctx: HookContext, settings: Settings) -> None:
        url = "https://hr.example/"
        response = await ctx.services.http.json("人事", "GET", url)
        seen.append((action, ctx.idempotency_key, ctx.robot_code, ctx.now, settings.room))
        await ctx.services.cache.set("seen", response.data, ttl_s=60)

    cache, noon = MemoryCache(), datetime(2026, 1, 1, 12, tzinfo=CHINA)
    completion = await fire(
        skill,
        PRESSED,
        idempotency_key="k",
        robot_code="r",
        now=noon,
        settings=[Settings(room="B")],
        cache=cache,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"ok": True})),
    )
    assert completion == Completion(Outcome.ANSWERED)
    assert seen == [(PRESSED, "k", "r", noon, "B")]
    assert await cache.get("seen") == {"ok": True}


async def test_what_it_does_not_hook_is_unmatched(skill: Skill) -> None:
    skill.event("chat_disband")(lambda: None)
    assert (await fire(skill, Event("chat_add_member"))).outcome is Outcome.UNMATCHED
    assert (await fire(skill, CardAction(("chat_disband",)))).outcome is Outcome.UNMATCHED


async def test_a_refusal_is_declined_and_an_error_is_dead(skill: Skill) -> None:
    @skill.card_action("approve")
    def refuse() -> None:
        raise RefusalError("不行")

    @skill.event("chat_disband")
    def fail() -> None:
        raise ValueError

    assert (await fire(skill, PRESSED)).outcome is Outcome.DECLINED
    failed = Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError in the skill")
    assert await fire(skill, Event("chat_disband")) == failed


@pytest.mark.parametrize(
    ("allow", "press", "outcome"),
    [
        (Allow(staff_ids=frozenset({"0001"})), {}, Outcome.ANSWERED),
        (Allow(staff_ids=frozenset({"0001"})), {"user_id": "0002"}, Outcome.DECLINED),
        (Allow(staff_ids=frozenset({"0001"})), {"user_id": ""}, Outcome.DECLINED),
        (Allow(conversation_ids=frozenset({"cid"})), {"space_id": "cid"}, Outcome.ANSWERED),
        (Allow(conversation_ids=frozenset({"cid"})), {"space_id": "other"}, Outcome.DECLINED),
        (Allow(chats="group"), {"space_type": "IM_GROUP"}, Outcome.ANSWERED),
        (Allow(chats="group"), {"space_type": "IM_ROBOT"}, Outcome.DECLINED),
        (Allow(chats="single"), {"space_type": "IM_ROBOT"}, Outcome.ANSWERED),
        (Allow(chats="single"), {}, Outcome.DECLINED),
    ],
)
async def test_a_press_is_allowed_to_whom_and_where_the_skill_is(
    allow: Allow, press: dict[str, Any], outcome: Outcome
) -> None:
    called, skill = [], Skill("test", summary="测试", allow=allow)
    skill.card_action("approve")(lambda: called.append("press"))
    pressed = replace(PRESSED, **press)
    assert (await fire(skill, pressed)).outcome is outcome
    assert len(called) == (outcome is Outcome.ANSWERED)


async def test_an_event_is_allowed_as_it_has_no_sender() -> None:
    skill = Skill("test", summary="测试", allow=Allow(staff_ids=frozenset({"0001"})))
    skill.event("chat_disband")(lambda: None)
    assert (await fire(skill, Event("chat_disband"))).outcome is Outcome.ANSWERED


async def test_the_network_is_closed_unless_a_backend_is_played(skill: Skill) -> None:
    @skill.card_action("approve")
    async def hook(ctx: HookContext) -> None:
        await ctx.services.http.json("人事", "GET", "https://hr.example/")

    completion = await fire(skill, PRESSED)
    assert completion.outcome is Outcome.DEAD
    assert completion.detail.startswith("人事: ")


async def test_a_hook_that_takes_an_awaitable_or_a_thread_is_awaited(skill: Skill) -> None:
    order = []

    @skill.card_action("approve")
    def blocks() -> None:
        order.append("blocks")

    @skill.card_action("later")
    def wraps():  # type: ignore[no-untyped-def] # noqa: ANN202
        async def later() -> None:
            order.append("later")

        return later()

    await fire(skill, CardAction(("approve", "later")))
    assert order == ["blocks", "later"]


async def test_a_test_shows_what_a_hook_raised(
    skill: Skill, capsys: pytest.CaptureFixture[str]
) -> None:
    @skill.event("chat_disband")
    async def hook(event: Event) -> None:
        raise ValueError(event.type)

    await fire(skill, Event("chat_disband"))
    assert capsys.readouterr().err.endswith("ValueError: chat_disband\n")
