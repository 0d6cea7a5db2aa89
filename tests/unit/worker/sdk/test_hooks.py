"""Declaring hooks: what a function may take, and what is refused when a skill is loaded."""

from datetime import datetime
from typing import Any

import pytest

from dingda.skill import CHINA, CardAction, Event, HookContext, Skill, SkillSettings


class Settings(SkillSettings):
    room: str = "A"


@pytest.fixture
def skill() -> Skill:
    return Skill("test", summary="测试")


def a_context(services: Any = None) -> HookContext:
    now = datetime(2026, 1, 1, tzinfo=CHINA)
    return HookContext(idempotency_key="k", robot_code="dingrobot", now=now, services=services)


def test_a_hook_is_called_with_what_its_parameters_ask_for(skill: Skill) -> None:
    @skill.event("chat_add_member", "chat_disband")
    async def hook(settings: Settings, ctx: HookContext, event: Event) -> None: ...

    (declared,) = skill.hooks
    event, ctx, settings = Event("chat_disband"), a_context(), Settings()
    assert declared.names == ("chat_add_member", "chat_disband")
    assert declared.bind(event, ctx, {Settings: settings}) == {
        "settings": settings,
        "ctx": ctx,
        "event": event,
    }


def test_a_hook_may_take_nothing(skill: Skill) -> None:
    @skill.card_action("approve")
    def hook() -> None: ...

    assert skill.hooks[0].bind(CardAction(("approve",)), a_context(), {}) == {}


def test_the_function_stays_an_ordinary_function(skill: Skill) -> None:
    @skill.event("chat_disband")
    def hook(event: Event) -> None:
        calls.append(event.type)

    calls: list[str] = []
    hook(Event("chat_disband"))
    assert calls == ["chat_disband"]


def test_a_hooks_settings_are_among_those_of_its_skill(skill: Skill) -> None:
    @skill.card_action("approve")
    def hook(settings: Settings) -> None: ...

    assert skill.settings_types() == [Settings]


def takes_a_text(event: Event, text: str) -> None: ...
def takes_an_action(action: CardAction) -> None: ...
def takes_anything(event) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001


@pytest.mark.parametrize("function", [takes_a_text, takes_an_action, takes_anything])
def test_a_parameter_that_nothing_can_be_given_for_is_refused(skill: Skill, function: Any) -> None:
    with pytest.raises(TypeError, match=r"parameter '\w+' is neither Event nor HookContext"):
        skill.event("chat_disband")(function)


@pytest.mark.parametrize("names", [(), (takes_an_action,), (7,)])
def test_a_hook_for_nothing_is_refused(skill: Skill, names: Any) -> None:
    with pytest.raises(TypeError, match=r"@skill.card_action\('approve'\)"):
        skill.card_action(*names)


def test_a_second_hook_for_the_same_event_is_refused(skill: Skill) -> None:
    @skill.event("a", "b")
    def hook() -> None: ...

    with pytest.raises(TypeError, match="b has a hook already"):
        skill.event("b", "c")(hook)
    skill.card_action("b")(hook)  # is no event
