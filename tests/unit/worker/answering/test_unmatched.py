"""A message that no skill wants: one line where somebody waits for one, silence otherwise."""

from typing import Annotated, Any

import pytest

from dingda.shared.dingtalk.content import File, Kind, Picture, Quoted, Voice
from dingda.shared.dingtalk.message import Mention
from dingda.shared.dingtalk.reply import ActionCard, Reply
from dingda.shared.ledger.states import Outcome
from dingda.shared.texts import AT_YOUR_SERVICE, NOT_HEARD, ONLY_WORDS, TOO_LONG
from dingda.skill import Context, Skill
from dingda.testing import listen
from dingda.worker.answering.response import Response

skill = Skill("work", summary="干活")


@skill.command("天气", "weather", pattern="天气")
def weather(place: Annotated[str, "城市"]) -> str:
    return f"{place}晴"


@skill.command("优惠券")
def coupons(what: Annotated[str, "商品"] = "") -> str:
    return what or "好"


@skill.command("识图")
def look(picture: Picture) -> str:
    return f"看到 {picture.code}"


@skill.command("翻译")
def translate(quoted: Quoted) -> str:
    return f"翻译 {quoted.text}"


@skill.command("存档")
def store(file: File, note: Annotated[str, "备注"] = "") -> str:
    return f"存了 {file.name} {note}".strip()


plain = Skill("plain", summary="只会说话")
plain.command("天气", "weather", pattern="天气")(weather)
plain.command("优惠券")(coupons)

secret = Skill("secret", summary="私密", private=True)


@secret.command("我的绩效")
def mine(ctx: Context) -> str:
    return ctx.staff_id


async def said_to(text: str, of: Skill = plain, **message: Any) -> Response | None:
    return await listen(of, text, unmatched="hint", **message)


def words_of(reply: Reply) -> str:
    payload = reply.to_payload()
    return str(payload[payload["msgtype"]].get("content") or payload[payload["msgtype"]]["text"])


async def told(text: str, of: Skill = plain, **message: Any) -> str:
    said = await said_to(text, of, **message)
    return words_of(said.reply).removeprefix("@0001 ") if said else ""


@pytest.mark.parametrize("text", ["", " ", "\u2005", "\n"])
async def test_the_bots_name_alone_gets_a_line_that_names_the_help(text: str) -> None:
    assert await told(text) == AT_YOUR_SERVICE


@pytest.mark.parametrize(
    "text",
    [
        *("你好", "您好！", "你好哇", "hi", "Hello～", "嗨", "在吗", "在吗？", "有人吗", "早上好"),
        *(
            "大家好呀",
            "你好，机器人",
            "你能做什么",
            "你会什么呀？",
            "怎么用",
            "这个怎么用",
            "使用说明",
        ),
        *("有什么功能", "你是谁", "救命", "帮帮我", "what can you do?", "help me", "功能", "指令"),
    ],
)
async def test_a_greeting_or_a_plea_for_help_gets_the_same_line(text: str) -> None:
    assert await told(text) == AT_YOUR_SERVICE


@pytest.mark.parametrize(
    "text",
    [
        "谢谢",
        "多谢啦",
        "好的",
        "收到",
        "辛苦了",
        "👍",
        "😀😀",
        "[微笑]",
        "。",
        "？？",
        "哈哈哈",
        "嗯",
        "ok",
        "666",
    ],
)
async def test_thanks_and_emoji_get_nothing(text: str) -> None:
    assert await said_to(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "今天下班去哪吃饭",
        "这个需求什么时候上线",
        "明天的会改到三点了",
        "你们谁有空帮忙看下代码",
        "他会不会什么都不知道",
        "再来一次",
        "一" * 600,
    ],
)
async def test_other_sentences_get_nothing(text: str) -> None:
    assert await said_to(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("天汽 上海", "天气 上海"),
        ("添气", "天气"),
        ("天氣", ""),
        ("优惠卷 键盘", "优惠券"),
        ("优惠劵", "优惠券"),
        ("有会券键盘", "优惠券 键盘"),
        ("wether beijing", "天气 beijing"),
        ("@钉答 优惠卷", "优惠券"),
    ],
)
async def test_a_near_miss_is_asked_back(text: str, meant: str) -> None:
    said = await said_to(text)
    assert said is not None
    if meant:
        assert isinstance(said.reply, ActionCard)
        assert meant in said.reply.text
        assert said.completion.outcome is Outcome.UNMATCHED


async def test_a_line_does_not_count_as_an_answer() -> None:
    said = await said_to("你好")
    assert said is not None
    assert said.completion.outcome is Outcome.UNMATCHED


async def test_a_sender_who_writes_traditional_characters_is_answered_in_them() -> None:
    assert await told("你會什麼") == "我在。發「幫助」看看我能做什麼"


# Without words ----------------------------------------------------------------------------------

KINDS = (Kind.PICTURE, Kind.FILE, Kind.VIDEO, Kind.FORWARDED, Kind.CARD, Kind.OTHER)


@pytest.mark.parametrize("group", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_the_bot_cannot_read_gets_a_line_that_says_so(
    kind: Kind, *, group: bool
) -> None:
    assert await told("", kind=kind, group=group) == ONLY_WORDS


async def test_a_text_too_long_to_be_read_is_told_so_where_it_begins_with_a_command() -> None:
    assert await told("天气 " + "很长的问题" * 120) == TOO_LONG
    assert await said_to("很长的闲聊" * 120) is None


@pytest.mark.parametrize("kind", [Kind.FORWARDED, Kind.CARD])
@pytest.mark.parametrize("words", ["李四：天气 北京", "天气 北京", "李四：你好", "帮助"])
async def test_words_that_are_others_ask_nothing(kind: Kind, words: str) -> None:
    assert await told(words, kind=kind, group=False) == ONLY_WORDS


async def test_a_picture_within_rich_text_is_told_so_too() -> None:
    assert await told("", kind=Kind.RICH_TEXT, pictures=(Picture("c"),)) == ONLY_WORDS


@pytest.mark.parametrize("kind", KINDS)
async def test_what_may_be_meant_for_others_in_the_group_gets_nothing(kind: Kind) -> None:
    assert await said_to("", kind=kind, mentions=(Mention("0002"),)) is None


async def test_speech_that_was_not_understood_is_asked_for_again() -> None:
    assert await told("", kind=Kind.VOICE, voice=Voice("c", "")) == NOT_HEARD


@pytest.mark.parametrize("unmatched", ["empty", "help"])
async def test_another_setting_gives_no_line(unmatched: Any) -> None:
    assert await listen(plain, "谢谢", unmatched="empty") is None
    said = await listen(plain, "你好", unmatched=unmatched)
    assert said is None or words_of(said.reply) != AT_YOUR_SERVICE


# What skills ask for ----------------------------------------------------------------------------


async def test_a_picture_alone_reaches_the_skill_that_needs_one() -> None:
    assert await told("", skill, kind=Kind.PICTURE, pictures=(Picture("c"),)) == "看到 c"


async def test_a_file_alone_reaches_the_skill_that_needs_one_and_nothing_else() -> None:
    assert await told("", skill, kind=Kind.FILE, files=(File("c", "a.pdf"),)) == "存了 a.pdf"


async def test_a_file_with_words_reaches_their_command() -> None:
    told_ = await told("存档 合同", skill, files=(File("c", "a.pdf"),))
    assert told_ == "存了 a.pdf 合同"


async def test_a_quoted_picture_is_one_too() -> None:
    quoted = Quoted(Kind.PICTURE, "", "x", is_bots=False, pictures=(Picture("q"),))
    assert await told("识图", skill, quoted=quoted) == "看到 q"


async def test_whoever_forgets_the_picture_is_asked_for_it() -> None:
    assert await told("识图", skill) == "请附上图片，再发一次：识图"


async def test_a_skill_may_read_what_is_quoted() -> None:
    quoted = Quoted(Kind.TEXT, "hello", "x", is_bots=False)
    assert await told("翻译", skill, quoted=quoted) == "翻译 hello"


# Quotations -------------------------------------------------------------------------------------


async def test_a_bare_mention_with_a_quoted_question_asks_it() -> None:
    quoted = Quoted(Kind.TEXT, "天气 北京", "x", is_bots=False)
    assert await told(" ", quoted=quoted) == "北京晴"


async def test_own_words_decide_over_quoted_ones() -> None:
    quoted = Quoted(Kind.TEXT, "天气 上海", "x", is_bots=False)
    assert await told("天气 北京", quoted=quoted) == "北京晴"
    assert await told("这个怎么用", quoted=quoted) == AT_YOUR_SERVICE


@pytest.mark.parametrize("text", ["我的绩效", "@钉答 我的绩效"])
async def test_a_quotation_never_asks_what_is_for_the_sender_alone(text: str) -> None:
    quoted = Quoted(Kind.TEXT, text, "x", is_bots=False)
    assert await told("", secret, group=False, quoted=quoted) == AT_YOUR_SERVICE


async def test_the_bots_own_words_are_not_asked_again() -> None:
    quoted = Quoted(Kind.TEXT, "天气 北京", "bot", is_bots=True)
    assert await told("", quoted=quoted) == AT_YOUR_SERVICE
