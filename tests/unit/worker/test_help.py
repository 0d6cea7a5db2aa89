"""The help is made from the skills, so it can't be out of date."""

from typing import Annotated

import pytest

from shared.reply import Markdown
from worker.help import help_skill
from worker.skill import Skill
from worker.testing import ask


def weather() -> Skill:
    skill = Skill("weather", summary="查天气")

    @skill.command("天气", "weather")
    def tell(city: Annotated[str, "城市"], day: Annotated[str | None, "日期"]) -> str:
        return f"{city} {day}"

    @skill.command("预报")
    def forecast() -> str:
        return "晴"

    return skill


async def told(*skills: Skill, text: str = "帮助") -> Markdown:
    reply = await ask(help_skill(skills), text)
    assert isinstance(reply, Markdown)
    return reply


@pytest.mark.parametrize("typed", ["帮助", "幫助", "help", "HELP", "菜单", "/help"])
async def test_the_help_has_several_names(typed: str) -> None:
    assert (await told(text=typed)).text


async def test_each_skill_is_listed_with_every_command_and_what_it_takes() -> None:
    reply = await told(weather())
    assert reply.title == "我能做什么"
    assert "**查天气**\n\n- 天气 ＜城市＞ ［日期］\n- 预报" in reply.text


async def test_skills_are_listed_in_their_order_and_the_help_last() -> None:
    other = Skill("other", summary="别的")
    other.command("别的")(lambda: "好")
    text = (await told(weather(), other)).text
    places = [text.index(f"**{summary}**") for summary in ("查天气", "别的", "看看我能做什么")]
    assert places == sorted(places)


async def test_without_skills_the_help_lists_itself() -> None:
    assert "- 帮助" in (await told()).text


async def test_the_help_is_in_the_askers_script() -> None:
    reply = await told(weather(), text="幫助")
    assert reply.title == "我能做什麼"
    assert "查天氣" in reply.text


async def test_parts_are_paragraphs_for_dingtalk_runs_single_line_breaks_together() -> None:
    head, *_, hint = (await told(weather())).text.split("\n\n")
    assert head == "### 我能做什么"
    assert hint.startswith("群里请先 @ 我")
