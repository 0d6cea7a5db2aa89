"""The help is made from the skills, so it can't be out of date."""

from typing import Annotated, Any

import pytest

from dingda.shared.dingtalk.reply import ActionCard, Markdown, Reply, Text, to_body
from dingda.skill import Allow, Skill
from dingda.testing import ask
from dingda.worker.answering.help import help_skill


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


async def test_a_skill_that_only_has_hooks_is_not_listed() -> None:
    hooks = Skill("hooks", summary="没有命令")
    hooks.event("chat_disband")(lambda: None)
    assert "没有命令" not in (await told(weather(), hooks)).text


async def test_without_skills_the_help_lists_itself() -> None:
    assert "- 帮助" in (await told()).text


async def test_the_help_is_in_the_senders_script() -> None:
    reply = await told(weather(), text="幫助")
    assert reply.title == "我能做什麼"
    assert "查天氣" in reply.text


async def test_parts_are_paragraphs_for_dingtalk_runs_single_line_breaks_together() -> None:
    head, *_, hint = (await told(weather())).text.split("\n\n")
    assert head == "### 我能做什么"
    assert hint.startswith("群里请先 @ 我")


# One command ------------------------------------------------------------------------------------


def converter() -> Skill:
    skill = Skill("convert", summary="换算货币")

    @skill.command("换算", "兑换", "convert")
    def convert(amount: Annotated[int, "金额"], to: Annotated[str, "币种"] = "美元") -> str:
        return f"{amount} {to}"

    @skill.command("汇率")
    def rate() -> str:
        return "7.1"

    return skill


async def asked(text: str, *skills: Skill, **circumstances: Any) -> Reply | None:
    """Ask all of the skills and the help, as a bot does that runs."""
    first, *others = skills or (converter(), weather())
    beside = [*others, help_skill([first, *others])]
    return await ask(first, text, beside=beside, **circumstances)


async def explained(text: str, *skills: Skill, **circumstances: Any) -> str:
    reply = await asked(text, *skills, **circumstances)
    assert isinstance(reply, Markdown), reply
    return reply.text


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "帮助 换算",
            "换算 帮助",
            "帮助换算",
            "换算帮助",
            "help 换算",
            "帮助 兑换",
            "help convert",
        ),
        *(
            "convert help",
            "怎么用换算",
            "换算怎么用",
            "换算怎么用呢？",
            "如何使用换算",
            "换算的用法",
        ),
        *("帮助 /换算", "/帮助 换算", "@钉答 帮助 换算", "換算 幫助", "how to use convert"),
    ],
)
async def test_one_command_is_explained(typed: str) -> None:
    text = (await explained(typed)).replace("換算", "换算")
    assert text.startswith("### 换算\n\n")


async def test_it_is_explained_with_all_its_names_and_what_it_takes() -> None:
    text = await explained("帮助 兑换")
    assert "换算货币" in text
    assert "- 换算 ＜金额＞ ［币种］" in text
    assert "也可以说：兑换、convert" in text
    assert "- 汇率" in text


async def test_it_is_explained_in_the_senders_script() -> None:
    assert "換算貨幣" in await explained("幫助 換算")


async def test_the_help_explains_itself() -> None:
    assert "- 帮助 ［命令］" in await explained("帮助 帮助")


@pytest.mark.parametrize("typed", ["帮助 还算", "帮助 换蒜", "help convrt"])
async def test_a_typing_error_is_asked_about(typed: str) -> None:
    reply = await asked(typed)
    assert isinstance(reply, ActionCard)
    assert "帮助 换算" in reply.text


@pytest.mark.parametrize(
    "typed", ["帮助我看看天气 北京", "help me 天气 北京", "换算 100 帮助中心币"]
)
async def test_a_sentence_with_help_in_it_is_no_question_for_it(typed: str) -> None:
    reply = await asked(typed)
    assert not (isinstance(reply, Markdown) and "我能做什么" in reply.text)
    assert not (isinstance(reply, Markdown) and "### 换算" in reply.text)


# Who may use what -------------------------------------------------------------------------------


def only(**allow: Any) -> Skill:
    skill = Skill("payroll", summary="查工资条", allow=Allow(**allow))
    skill.command("工资条")(lambda: "好")
    return skill


@pytest.mark.parametrize(
    ("allow", "circumstances", "listed"),
    [
        ({"staff_ids": frozenset({"0001"})}, {}, True),
        ({"staff_ids": frozenset({"0002"})}, {}, False),
        ({"staff_ids": frozenset({"0002"})}, {"staff_id": ""}, False),
        ({"conversation_ids": frozenset({"cidTEST=="})}, {}, True),
        ({"conversation_ids": frozenset({"cidOTHER=="})}, {}, False),
        ({"chats": "single"}, {"group": False}, True),
        ({"chats": "single"}, {}, False),
        ({"chats": "group"}, {"group": False}, False),
    ],
)
async def test_the_help_lists_what_the_sender_may_use_here(
    allow: dict[str, Any], circumstances: dict[str, Any], *, listed: bool
) -> None:
    text = await explained("帮助", only(**allow), weather(), **circumstances)
    assert ("工资条" in text) is listed
    assert "查天气" in text
    reply = await asked("帮助 工资条", only(**allow), **circumstances)
    assert isinstance(reply, Markdown if listed else Text)
    reply = await asked("帮助 工资跳", only(**allow), **circumstances)
    assert isinstance(reply, ActionCard) is listed


async def test_a_long_help_stays_within_a_reply_and_says_that_there_is_more() -> None:
    skills = []
    for number in range(300):
        skill = Skill(f"s{number}", summary=f"第{number}个功能" * 4)
        skill.command(f"命令{number}")(lambda: "好")
        skills.append(skill)
    reply = await asked("帮助", *skills)
    assert isinstance(reply, Markdown)
    assert len(to_body(reply)) <= 20_000
    assert "命令0" in reply.text
    assert "个功能没有列出来" in reply.text
    assert reply.text.endswith("说明一条。")
