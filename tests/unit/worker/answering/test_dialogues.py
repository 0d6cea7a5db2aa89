"""A skill that asks back: what its sender says next, and what that means in the dialogue."""

import json
from typing import Annotated, Any, Literal

import pytest

from dingda.shared.dingtalk.content import Kind
from dingda.skill import (
    ActionCard,
    Allow,
    ArgumentNeeded,
    ClarificationNeeded,
    Context,
    Picture,
    Question,
    Quoted,
    RefusalError,
    Reply,
    Skill,
    Text,
)
from dingda.slots import Place
from dingda.testing import Conversation, Outcome, People
from dingda.worker.answering.dialogue import Dialogue

Group = Annotated[Literal["支付组", "风控组", "天气"], "组"]
skill = Skill("duty", summary="排班")
other = Skill("other", summary="别的")
secret = Skill("pay", summary="查工资", private=True, allow=Allow(chats="group"))


@skill.step
async def pick_group(group: Group, ctx: Context) -> str:
    if ctx.kept.get("full"):
        raise RefusalError("这一天排满了")
    return f"{group} {ctx.kept['day']} [{ctx.text}]"


@skill.step
def pick_anything(word: str) -> str | None:
    if word == "崩":
        raise RuntimeError("no beans")
    if word == "不清楚":
        raise ClarificationNeeded("哪一个？", suggestions=("甲", "乙"))
    return None if word == "不说" else f"收到{word}"


@skill.command("值班")
async def duty(day: Annotated[str, "哪天"] = "周五") -> Question:
    choices = ("支付组", "风控组", "天气")
    return Question("哪个组？", choices=choices, then=pick_group, keep={"day": day})


@skill.command("满")
async def full() -> Question:
    return Question("哪个组？", then=pick_group, keep={"full": True})


@skill.command("随便")
async def anything() -> Question:
    return Question("要什么？", then=pick_anything, expires_s=60)


@skill.command("数")
async def count(number: int | None, ctx: Context) -> Question | str:
    total = ctx.kept.get("total", 0) + (number or 0)
    if total >= 10:
        return f"够了：{total}"
    return Question(f"{total}，再来一个数", then=count, keep={"total": total})


@skill.command("寄")
async def send(number: Annotated[int, "件数"], to: Place, ctx: Context) -> str:
    return f"{number} 件到{to.name} [{ctx.text}]"


@skill.command("识图")
async def look(what: Annotated[str, "名字"], picture: Picture) -> str:
    return f"{what} {picture.code}"


@skill.command("引用")
async def quote(quoted: Quoted, note: Annotated[str, "备注"]) -> str:
    return f"{quoted.text} {note}"


@skill.command("查")
async def ask_later(ctx: Context, where: str = "") -> str:
    if not where:
        raise ArgumentNeeded("哪里？", suggestions=("查 北京",))
    return f"{where} [{ctx.text}]"


@skill.command("挑")
async def pick_good(ctx: Context, what: str = "") -> str:
    if "好" not in what:
        raise ArgumentNeeded("哪个？")
    return f"[{ctx.text}]"


@skill.command("坏")
async def wrong() -> Question:
    return Question("？", then=len)


@other.command("天气", pattern="下雨吗")
async def weather() -> str:
    return "晴"


@other.command("静", pattern="安静")
async def silent() -> None:
    return None


@secret.step
async def payslip(month: Annotated[int, "月份"]) -> str:
    return f"{month} 月 800 元"


@secret.command("工资")
async def pay() -> Question:
    return Question("哪个月？", then=payslip)


@pytest.fixture
def chat() -> Conversation:
    return Conversation(skill, beside=(other,))


async def said(chat: Conversation, *texts: str, **sender: Any) -> str:
    """The words of the reply to the last of these texts; "" for silence."""
    reply: Reply | None = None
    for text in texts:
        reply = await chat.say(text, **sender)
    return words_of(reply)


def words_of(reply: Reply | None) -> str:
    match reply:
        case Text(content):
            return content
        case ActionCard(title=title):
            return title
    return ""


# Asking ------------------------------------------------------------------------------------------


async def test_a_question_is_answered_by_the_next_message(chat: Conversation) -> None:
    assert await said(chat, "值班 周六", "支付组") == "支付组 周六 [支付组]"


async def test_choices_can_be_tapped(chat: Conversation) -> None:
    reply = await chat.say("值班")
    assert isinstance(reply, ActionCard)
    assert [button.title for button in reply.buttons] == ["支付组", "风控组", "天气"]
    assert all(each.url.startswith("dtmd://dingtalkclient/sendMessage") for each in reply.buttons)


async def test_a_question_without_choices_is_a_sentence_to_the_sender(chat: Conversation) -> None:
    reply = await chat.say("随便")
    assert isinstance(reply, Text)
    assert reply.content == "要什么？"
    assert reply.at.user_ids == ("0001",)


async def test_a_question_and_its_choices_are_in_the_senders_script(chat: Conversation) -> None:
    reply = await chat.say("值班 週六")
    assert isinstance(reply, ActionCard)
    assert [button.title for button in reply.buttons] == ["支付組", "風控組", "天氣"]
    assert (await said(chat, "風控組")).startswith("风控组 週六")


async def test_a_question_ends_its_message_as_answered(chat: Conversation) -> None:
    response = await chat.listen("值班")
    assert response is not None
    assert response.completion.outcome is Outcome.ANSWERED


async def test_a_step_may_ask_again(chat: Conversation) -> None:
    assert await said(chat, "数 3", "4") == "7，再来一个数"
    assert await said(chat, "5") == "够了：12"


async def test_a_question_that_names_no_step_is_a_skills_mistake(chat: Conversation) -> None:
    response = await chat.listen("坏")
    assert response is not None
    assert response.completion.outcome is Outcome.DEAD
    assert "write @skill.step" in response.completion.detail


async def test_a_step_of_another_skill_is_none_of_this_one() -> None:
    borrowing = Skill("borrowing", summary="借")
    borrowing.command("借")(lambda: Question("？", then=pick_group))
    response = await Conversation(borrowing, beside=(skill,)).listen("借")
    assert response is not None
    assert "no step of the skill borrowing" in response.completion.detail


async def test_whoever_dingtalk_does_not_name_is_not_asked(chat: Conversation) -> None:
    said_so = await said(chat, "值班", ordering_key="")
    assert said_so == "钉钉没有告诉我你是谁，所以没法接着问你"


# Answering ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed", ["支付组", "@钉答 支付组", "支付组 @钉答", " 支付組！", "支付组吧"]
)
async def test_an_answer_is_read_as_a_command_is(chat: Conversation, typed: str) -> None:
    assert (await said(chat, "值班", typed)).startswith("支付组 周五")


async def test_a_choice_comes_before_a_command_of_that_name(chat: Conversation) -> None:
    assert await said(chat, "值班", "天气") == "天气 周五 [天气]"


@pytest.mark.parametrize("typed", ["取消", "算了", "cancel", "@钉答 取消", "取消。"])
async def test_a_word_leaves_the_dialogue(chat: Conversation, typed: str) -> None:
    assert await said(chat, "值班", typed) == "好的，已取消"
    assert await said(chat, "支付组") == ""


async def test_outside_a_dialogue_that_word_is_like_any_other(chat: Conversation) -> None:
    assert await said(chat, "取消") == ""


@pytest.mark.parametrize("typed", ["天气", "天气 @钉答", "@钉答 天气"])
async def test_a_command_leaves_the_dialogue(chat: Conversation, typed: str) -> None:
    assert await said(chat, "随便", typed) == "晴"
    assert await said(chat, "支付组") == ""


async def test_a_pattern_counts_only_where_the_step_cant_read_the_answer(
    chat: Conversation,
) -> None:
    assert await said(chat, "随便", "明天下雨吗") == "收到明天下雨吗"
    assert await said(chat, "值班", "明天下雨吗") == "晴"
    assert await said(chat, "支付组") == ""


async def test_a_skill_that_stays_silent_by_its_pattern_leaves_the_question_open(
    chat: Conversation,
) -> None:
    assert await said(chat, "值班", "请安静") == "没有认出组：「请安静」"
    assert (await said(chat, "支付组")).startswith("支付组")


async def test_what_the_step_cant_read_is_asked_again(chat: Conversation) -> None:
    await chat.say("值班")
    reply = await chat.say("财务组")
    assert isinstance(reply, ActionCard)
    assert reply.title == "没有认出组：「财务组」"
    assert reply.buttons[0].title == "支付组"
    assert (await said(chat, "支付组")).startswith("支付组")


async def test_what_a_step_asks_about_its_answer_is_answered_to_the_step(
    chat: Conversation,
) -> None:
    assert await said(chat, "随便", "不清楚", "甲") == "收到甲"


async def test_a_refusal_ends_the_dialogue(chat: Conversation) -> None:
    assert await said(chat, "满", "支付组") == "这一天排满了"
    assert await said(chat, "支付组") == ""


async def test_silence_ends_it_too(chat: Conversation) -> None:
    assert await said(chat, "随便", "不说") == ""
    assert await said(chat, "甲") == ""


async def test_after_an_apology_the_question_may_be_answered_again(chat: Conversation) -> None:
    assert "出错了" in await said(chat, "随便", "崩")
    assert await said(chat, "甲") == "收到甲"


async def test_an_answer_that_is_too_long_is_not_read_in_part(chat: Conversation) -> None:
    assert await said(chat, "随便", "长" * 501) == "这句话太长了，请精简一些"
    assert await said(chat, "甲") == "收到甲"


async def test_what_is_no_answer_leaves_the_question_open(chat: Conversation) -> None:
    assert await said(chat, "值班", "") == ""
    assert (await said(chat, "支付组")).startswith("支付组")


async def test_an_answer_after_its_time_is_told_so_once(chat: Conversation) -> None:
    await chat.say("随便")
    chat.wait(61)
    assert await said(chat, "甲") == "刚才的问题已经过了时间，请重新开始"
    assert await said(chat, "甲") == ""


async def test_a_command_after_that_time_is_a_command(chat: Conversation) -> None:
    await chat.say("随便")
    chat.wait(61)
    assert await said(chat, "天气") == "晴"


async def test_a_question_of_a_version_that_had_another_step_is_over(chat: Conversation) -> None:
    former = Skill("duty", summary="排班")
    former.command("值班")(lambda: Question("？", then=gone))

    @former.step
    def gone(word: str) -> str:
        return word

    before = Conversation(former)
    await before.say("值班")
    chat._asked = before._asked
    assert await said(chat, "甲") == "刚才的问题已经过了时间，请重新开始"


# Who, and where ----------------------------------------------------------------------------------


async def test_anybody_elses_words_do_not_touch_it(chat: Conversation) -> None:
    await chat.say("值班")
    assert await said(chat, "支付组", staff_id="0002") == ""
    assert await said(chat, "取消", staff_id="0002") == ""
    assert (await said(chat, "支付组")).startswith("支付组")


async def test_another_conversation_does_not_touch_it(chat: Conversation) -> None:
    await chat.say("值班")
    assert await said(chat, "支付组", group=False) == ""
    assert (await said(chat, "支付组")).startswith("支付组")


async def test_a_private_question_goes_on_in_the_single_chat_even_of_a_skill_for_groups() -> None:
    chat = Conversation(secret, dingtalk=People())
    asked = await chat.listen("工资")
    assert asked is not None
    assert asked.private
    assert await said(chat, "11") == ""
    assert await said(chat, "11", group=False) == "11 月 800 元"


async def test_what_is_asked_of_a_private_skill_is_not_kept_with_its_reply() -> None:
    asked = await Conversation(secret, dingtalk=People()).listen("工资")
    assert asked is not None
    assert not asked.persist


# Missing arguments -------------------------------------------------------------------------------


async def test_a_missing_argument_may_follow(chat: Conversation) -> None:
    assert await said(chat, "寄 3") == "请告诉我城市。用法：寄 <件数> <城市>"
    assert await said(chat, "北京") == "3 件到北京 [寄 3 北京]"


async def test_several_may_follow_one_after_the_other(chat: Conversation) -> None:
    assert await said(chat, "寄", "3", "北京") == "3 件到北京 [寄 3 北京]"


async def test_the_whole_command_may_follow_as_well(chat: Conversation) -> None:
    assert await said(chat, "寄 3", "寄 5 上海") == "5 件到上海 [寄 5 上海]"


async def test_what_is_no_such_argument_is_asked_again(chat: Conversation) -> None:
    assert await said(chat, "寄 3", "火星") == "没有认出城市：「火星」。用法：寄 <件数> <城市>"
    assert await said(chat, "北京") == "3 件到北京 [寄 3 北京]"


async def test_what_was_not_understood_at_first_is_not_kept(chat: Conversation) -> None:
    await chat.say("寄 3 火星")
    assert await said(chat, "北京") == ""


async def test_a_message_that_asks_for_an_argument_still_ends_as_declined(
    chat: Conversation,
) -> None:
    response = await chat.listen("寄 3")
    assert response is not None
    assert response.completion.outcome is Outcome.DECLINED


async def test_a_function_may_find_out_later_what_is_missing(chat: Conversation) -> None:
    reply = await chat.say("查")
    assert isinstance(reply, ActionCard)
    assert [reply.title, reply.link and reply.link.title] == ["哪里？", "查 北京"]
    assert await said(chat, "北京") == "北京 [查 北京]"


async def test_what_brings_nothing_new_is_not_read_behind_what_was_typed(
    chat: Conversation,
) -> None:
    assert await said(chat, "挑", "谢谢", "再见") == "哪个？"
    assert await said(chat, "好的那个") == "[挑 好的那个]"


async def test_a_command_that_asks_about_what_was_typed_has_left_the_dialogue(
    chat: Conversation,
) -> None:
    await chat.say("随便")
    assert await said(chat, "寄 3 火星") == "没有认出城市：「火星」。用法：寄 <件数> <城市>"
    assert await said(chat, "甲") == ""


async def test_a_picture_may_follow(chat: Conversation) -> None:
    assert await said(chat, "识图 猫") == "请附上图片，再发一次：识图 <名字>"
    reply = await chat.say("", pictures=(Picture("code"),))
    assert words_of(reply) == "猫 code"


async def test_what_was_sent_beside_the_words_is_not_forgotten_so_the_command_is_typed_again(
    chat: Conversation,
) -> None:
    quoted = Quoted(Kind.TEXT, "原文", "x", is_bots=False)
    assert await said(chat, "引用", quoted=quoted) == "请告诉我备注。用法：引用 <备注>"
    assert await said(chat, "好") == ""


async def test_a_sender_whom_dingtalk_does_not_name_is_told_the_usage(chat: Conversation) -> None:
    assert (await said(chat, "寄 3", ordering_key="")).startswith("请告诉我城市")
    assert await said(chat, "北京", ordering_key="") == ""


# What is written down ----------------------------------------------------------------------------


def test_what_is_written_down_is_read_again() -> None:
    asked = Dialogue("duty", "pick", ("甲",), {"a": [1, None]}, words="3", text="寄 3", moved=True)
    assert Dialogue.from_json(asked.to_json()) == asked


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", '{"skill": "a"}', '{"skill": 1, "step": 2, "keep": 3}']
)
def test_what_cant_be_read_is_no_dialogue(text: str) -> None:
    assert Dialogue.from_json(text) is None


def test_a_later_version_may_write_down_more() -> None:
    written = json.loads(Dialogue("duty", "pick").to_json()) | {"later": True}
    assert Dialogue.from_json(json.dumps(written)) == Dialogue("duty", "pick")
