"""A question that a skill asks back: what it takes, what it refuses, and the step that it names."""

from decimal import Decimal
from typing import Any

import pytest

from dingda.shared.errors import InvalidReplyError
from dingda.skill import Context, Question, Skill, SkillSettings
from dingda.worker.sdk.question import (
    MAX_CHOICE_CHARS,
    MAX_CHOICES,
    MAX_KEEP_BYTES,
    MAX_QUESTION_CHARS,
)

KEPT: list[dict[str, Any]] = [
    {},
    {"day": "2026-12-01", "pieces": 3, "share": 0.5, "is_new": True, "nothing": None},
    {"words": ["甲", ["乙"]], "at": {"x": 1}},
]
NOT_KEPT: list[Any] = [
    {"pair": (1, 2)},
    {1: "one"},
    {"price": Decimal(1)},
    {"share": float("nan")},
    {"half": "\ud800"},
    {"text": b"bytes"},
    ["a", "list"],
    None,
]


def step(word: str) -> str:
    return word


@pytest.mark.parametrize("keep", KEPT)
def test_what_is_json_is_kept(keep: dict[str, Any]) -> None:
    assert Question("？", then=step, keep=keep).keep == keep


def test_what_is_kept_does_not_change_with_what_it_was_made_of() -> None:
    words = ["甲"]
    question = Question("？", then=step, keep={"words": words})
    words.append("乙")
    assert question.keep == {"words": ["甲"]}


@pytest.mark.parametrize("keep", NOT_KEPT)
def test_what_would_come_back_as_something_else_is_refused(keep: Any) -> None:
    with pytest.raises(InvalidReplyError, match=r"question\.keep"):
        Question("？", then=step, keep=keep)


def test_too_much_is_refused_with_its_size() -> None:
    Question("？", then=step, keep={"a": "x" * (MAX_KEEP_BYTES - 9)})
    with pytest.raises(InvalidReplyError, match=f"{MAX_KEEP_BYTES + 1} bytes; at most"):
        Question("？", then=step, keep={"a": "x" * (MAX_KEEP_BYTES - 8)})


def test_a_structure_without_an_end_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(InvalidReplyError, match="JSON only"):
        Question("？", then=step, keep=endless)


@pytest.mark.parametrize("text", ["", "  ", "长" * (MAX_QUESTION_CHARS + 1), None])
def test_a_question_has_words_and_not_too_many(text: Any) -> None:
    with pytest.raises(InvalidReplyError, match=r"question\.text"):
        Question(text, then=step)


@pytest.mark.parametrize(
    "choices",
    ["支付组", ("",), ("长" * (MAX_CHOICE_CHARS + 1),), ("甲",) * (MAX_CHOICES + 1), (1,)],
)
def test_choices_are_a_few_short_texts(choices: Any) -> None:
    with pytest.raises(InvalidReplyError, match=r"question\.choices"):
        Question("？", choices, then=step)


@pytest.mark.parametrize("expires_s", [0, -1, 0.5, 86_401, float("nan"), float("inf")])
def test_it_lasts_a_second_at_least_and_a_day_at_the_most(expires_s: float) -> None:
    with pytest.raises(InvalidReplyError, match=r"question\.expires_s"):
        Question("？", then=step, expires_s=expires_s)


def test_what_it_keeps_is_in_no_log() -> None:
    assert "s3cret" not in repr(Question("？", then=step, keep={"a": "s3cret"}))


# Steps -------------------------------------------------------------------------------------------


def test_a_step_stays_an_ordinary_function() -> None:
    skill = Skill("s", summary="s")
    assert skill.step(step) is step
    assert step("甲") == "甲"


def test_a_step_is_checked_when_its_skill_is_loaded() -> None:
    skill = Skill("s", summary="s")

    def wrong(what: object) -> str:
        return str(what)

    with pytest.raises(TypeError, match="can't be read from text"):
        skill.step(wrong)


def test_two_steps_have_two_names() -> None:
    skill = Skill("s", summary="s")
    skill.step(step)
    with pytest.raises(TypeError, match="'step' is a step already"):
        skill.step(step)


def test_the_settings_of_a_step_are_the_skills() -> None:
    class Own(SkillSettings):
        own_url: str = ""

    skill = Skill("s", summary="s")

    @skill.step
    def with_settings(word: str, settings: Own, ctx: Context) -> str:
        return f"{word} {settings.own_url} {ctx.staff_id}"

    assert skill.settings_types() == [Own]


def test_a_step_and_a_commands_function_are_found_by_name() -> None:
    skill = Skill("s", summary="s")
    skill.step(step)

    @skill.command("走")
    def walk() -> str:
        return "走"

    found = [skill.find_step(name) for name in ("step", "walk", "run")]
    assert [each and each.function for each in found] == [step, walk, None]
