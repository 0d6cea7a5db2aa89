"""A sentence always comes out: whatever a skill raises, and whoever asks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.reply import (
    MAX_BODY_BYTES,
    MAX_BUTTON_CHARS,
    MAX_TITLE_CHARS,
    ActionCard,
    At,
    Markdown,
    Reply,
    Text,
    to_body,
)
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import Outcome
from dingda.shared.texts import DID_YOU_MEAN, LAST_RESORT
from dingda.skill import (
    Allow,
    BackendConfigError,
    BackendUnavailableError,
    ClarificationNeeded,
    RefusalError,
    Skill,
)
from dingda.testing import listen
from dingda.worker.answering.response import Response
from dingda.worker.skills.coupons import skill as coupons
from dingda.worker.skills.demo import skill as demo
from dingda.worker.skills.weather import skill as weather

HALF_A_PAIR = "\ud800"
FAMILY = "👨‍👩‍👧"
ODD_WORDS = [
    "",
    "  \n\t",
    "\u3000",
    HALF_A_PAIR,
    f"坏{HALF_A_PAIR}了",
    "\ud83d\ude00",
    "\0",
    "空\0字\x1b[2J\x7f",
    "\u202e反着\u2066写",
    "\u200b",
    "长" * 30_000,
    '"\\\n' * 20_000,
    "😀" * 20_000,
    "{skill} {} {0!r:>9} %s %(a)s",
    "@0001 [点](http://evil.example) **粗**",
]
ODD_IDS = [
    "",
    " ",
    "zhang san",
    "u\u200bx",
    "a\nb",
    "a\tb",
    "\0",
    HALF_A_PAIR,
    "\u202e1",
    "x" * 5000,
    "@all",
    "a@b.com",
    "张三",
    "a_b_c",
]


def a_skill(function: Any, summary: str = "测试", **traits: Any) -> Skill:
    skill = Skill("test", summary=summary, **traits)
    skill.command("问")(function)
    return skill


async def heard(error: BaseException, *, summary: str = "测试", **circumstances: Any) -> Response:
    """What the sender hears when a skill raises."""

    async def function() -> str:
        raise error

    said = await listen(a_skill(function, summary), "问", **circumstances)
    assert said is not None
    check_that_dingtalk_takes(said.reply)
    assert_can_be_written_down(said)
    return said


def check_that_dingtalk_takes(reply: Reply) -> None:
    body = to_body(reply)
    assert len(body) <= MAX_BODY_BYTES
    payload = json.loads(body)
    content = payload[payload["msgtype"]]
    assert content.get("content", content.get("text")).strip()
    assert "\0" not in body.decode()


def assert_can_be_written_down(said: Response) -> None:
    assert said.completion.full_reason.encode().count(b"\n") == 0
    assert len(said.completion.full_reason) < 600


def words_of(reply: Reply) -> str:
    assert isinstance(reply, Text)
    return reply.content


# What is said ---------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ODD_WORDS)
async def test_a_refusal_is_heard_whatever_its_words_are(words: str) -> None:
    assert (await heard(RefusalError(words))).completion.outcome is Outcome.DECLINED


@pytest.mark.parametrize("words", ODD_WORDS)
@pytest.mark.parametrize("kind", [BackendUnavailableError, BackendConfigError])
async def test_a_backend_that_fails_is_told_of_whatever_its_name_and_reason_are(
    kind: Any, words: str
) -> None:
    said = await heard(kind(words, words))
    assert said.completion.outcome is Outcome.DEAD
    assert said.completion.full_reason.startswith("failed: ")


@pytest.mark.parametrize("words", ODD_WORDS)
async def test_a_question_back_is_heard_whatever_its_words_are(words: str) -> None:
    assert (await heard(ClarificationNeeded(words))).completion.outcome is Outcome.DECLINED
    assert (
        await heard(ClarificationNeeded(words, suggestions=(words, "天气")))
    ).completion.outcome is Outcome.DECLINED


@pytest.mark.parametrize("words", ODD_WORDS)
@pytest.mark.parametrize("error", [ValueError("a bug"), TimeoutError(), SystemExit(1)])
async def test_an_apology_is_heard_whatever_the_skill_is_called(
    error: BaseException, words: str
) -> None:
    said = await heard(error, summary=words)
    assert said.completion.outcome is Outcome.DEAD
    assert words_of(said.reply).startswith("抱歉")


@pytest.mark.parametrize("words", ODD_WORDS)
async def test_who_may_not_ask_hears_that_whatever_the_skill_is_called(words: str) -> None:
    skill = a_skill(lambda: "好", words, allow=Allow(chats="single"))
    said = await listen(skill, "问")
    assert said is not None
    check_that_dingtalk_takes(said.reply)
    assert said.completion.outcome is Outcome.DECLINED


@pytest.mark.parametrize("words", ODD_WORDS)
async def test_a_reply_that_is_none_becomes_an_apology_whatever_was_wrong_with_it(
    words: str,
) -> None:
    error = InvalidReplyError("text.content", words)
    assert (await heard(error)).completion.full_reason.startswith(
        "failed: invalid reply: text.content:"
    )


@pytest.mark.parametrize("words", ["", " \n", HALF_A_PAIR])
async def test_a_sentence_without_words_becomes_one_that_has_some(words: str) -> None:
    assert words_of((await heard(RefusalError("\0" + words.replace(HALF_A_PAIR, "")))).reply) == (
        LAST_RESORT
    )


async def test_what_is_too_long_to_say_is_cut() -> None:
    said = words_of((await heard(RefusalError("一二三" * 10_000))).reply)
    assert said.startswith("一二三")
    assert said.endswith("…")


# Who is mentioned -----------------------------------------------------------------------------


@pytest.mark.parametrize("staff_id", ODD_IDS)
@pytest.mark.parametrize(
    "error",
    [RefusalError("不行"), ValueError("a bug"), ClarificationNeeded("哪个？"), TimeoutError()],
    ids=lambda error: type(error).__name__,
)
async def test_who_cannot_be_mentioned_hears_an_apology_all_the_same(
    error: Exception, staff_id: str
) -> None:
    await heard(error, staff_id=staff_id)


@pytest.mark.parametrize("staff_id", ODD_IDS)
@pytest.mark.parametrize("text", ["text", "markdown", "整体跳转", "独立跳转", "feed"])
async def test_a_skill_that_mentions_the_sender_answers_who_cannot_be_mentioned(
    text: str, staff_id: str
) -> None:
    said = await listen(demo, text, staff_id=staff_id)
    assert said is not None
    assert said.completion.outcome is Outcome.ANSWERED
    to_body(said.reply)


@pytest.mark.parametrize("staff_id", ["a@b.com", "张三", "a_b_c", "x" * 64])
async def test_who_can_be_mentioned_is(staff_id: str) -> None:
    said = await heard(RefusalError("不行"), staff_id=staff_id)
    assert said.reply.to_payload()["at"]["atUserIds"] == [staff_id]


@pytest.mark.parametrize("staff_id", ["", "zhang san", "u\u200bx", "x" * 65, "@all"])
async def test_a_mention_that_cannot_be_written_is_left_out(staff_id: str) -> None:
    said = await heard(RefusalError("不行"), staff_id=staff_id)
    assert said.reply == Text("不行")


async def test_an_authors_own_mention_that_cannot_be_written_ends_in_an_apology() -> None:
    def function() -> Text:
        return Text("好", at=At(("zhang san",)))

    said = await listen(a_skill(function), "问")
    assert said is not None
    assert words_of(said.reply).startswith("抱歉，处理「测试」时出错了")
    assert said.completion.full_reason.startswith(
        "failed: invalid reply: at.atUserIds: an id must be"
    )


class Strange(Text):
    """A reply that can't be made into a body."""

    def to_payload(self) -> dict[str, Any]:
        raise ValueError("a bug")


@pytest.mark.parametrize(
    "function",
    [
        lambda: Text("好", at=None),  # type: ignore[arg-type]
        lambda: Text("好" * 30_000, at=None),  # type: ignore[arg-type]
        lambda: Markdown("题", "好", at="0001"),  # type: ignore[arg-type]
        lambda: Strange("好"),
        lambda: Text(42),  # type: ignore[arg-type]
        lambda: Text(None),  # type: ignore[arg-type]
        lambda: "",
        lambda: HALF_A_PAIR,
    ],
)
async def test_what_can_be_made_into_no_body_ends_in_an_apology(function: Any) -> None:
    said = await listen(a_skill(function), "问")
    assert said is not None
    assert words_of(said.reply).startswith("抱歉，处理「测试」时出错了")


# What is suggested ----------------------------------------------------------------------------


async def test_up_to_ten_suggestions_are_buttons() -> None:
    said = await heard(ClarificationNeeded("哪个？", suggestions=tuple(map(str, range(10)))))
    assert isinstance(said.reply, ActionCard)
    assert len(said.reply.buttons) == 10


@pytest.mark.parametrize("count", [11, 40, 5_000])
async def test_more_than_ten_suggestions_are_text(count: int) -> None:
    said = await heard(
        ClarificationNeeded("哪个？", suggestions=tuple(f"第{n}个" for n in range(count)))
    )
    assert isinstance(said.reply, Markdown)
    assert said.reply.title == "哪个？"
    assert "[第0个](dtmd://" in said.reply.text
    assert "[第10个](dtmd://" in said.reply.text


@pytest.mark.parametrize("chars", [65, 128, 200])
async def test_a_long_suggestion_has_a_button_whose_title_is_cut(chars: int) -> None:
    said = await heard(ClarificationNeeded("哪个？", suggestions=("一" * chars, "二" * chars)))
    assert isinstance(said.reply, ActionCard)
    assert [button.title for button in said.reply.buttons] == ["一" * 63 + "…", "二" * 63 + "…"]
    assert "一" * chars in said.reply.text


async def test_a_suggestion_too_long_for_a_link_is_there_to_be_read() -> None:
    said = await heard(ClarificationNeeded("哪个？", suggestions=("一" * 300, "二")))
    assert isinstance(said.reply, ActionCard)
    assert said.reply.link is not None
    assert said.reply.link.title == "二"
    assert f"\n\n{'一' * 300}\n\n" in said.reply.text


@pytest.mark.parametrize(
    "suggestions",
    [
        ("",),
        (" ", "\0"),
        (),
        None,
        ("长" * 5_000,),
        tuple("长" * 5_000 for _ in range(20)),
    ],
)
async def test_without_a_suggestion_that_can_be_read_the_question_is_asked_alone(
    suggestions: Any,
) -> None:
    said = await heard(ClarificationNeeded("哪个？", suggestions=suggestions))
    assert said.reply.to_payload()["text"]["content"] == "@0001 哪个？"


async def test_suggestions_that_are_the_same_are_made_once() -> None:
    said = await heard(
        ClarificationNeeded("哪个？", suggestions=("北京", " 北京\n", "北京", "上海"))
    )
    assert isinstance(said.reply, ActionCard)
    assert [button.title for button in said.reply.buttons] == ["北京", "上海"]


async def test_a_lone_string_is_one_suggestion_and_not_its_letters() -> None:
    said = await heard(ClarificationNeeded("哪个？", suggestions="北京"))  # type: ignore[arg-type]
    assert isinstance(said.reply, ActionCard)
    assert said.reply.link is not None
    assert said.reply.link.title == "北京"


async def test_suggestions_fill_no_body_beyond_its_bounds() -> None:
    suggestions = tuple(f"{n}{'😀' * 150}" for n in range(10))
    said = await heard(ClarificationNeeded("问" * 2_000, suggestions=suggestions))
    assert suggestions[0] in json.dumps(said.reply.to_payload(), ensure_ascii=False)


async def test_a_question_without_words_is_asked_in_words() -> None:
    said = await heard(ClarificationNeeded(" ", suggestions=("北京",)))
    assert isinstance(said.reply, ActionCard)
    assert said.reply.title == DID_YOU_MEAN


async def test_a_title_parts_no_emoji_from_what_is_joined_to_it() -> None:
    said = await heard(
        ClarificationNeeded("x" * 124 + FAMILY * 2, suggestions=("x" * 60 + FAMILY, "二"))
    )
    assert isinstance(said.reply, ActionCard)
    assert said.reply.title == "x" * 124 + "…"
    assert said.reply.buttons[0].title == "x" * 60 + "…"
    assert len(said.reply.title) <= MAX_TITLE_CHARS
    assert len(said.reply.buttons[0].title) <= MAX_BUTTON_CHARS


@pytest.mark.parametrize("place", ["朝阳", "鼓楼", "通州"])
@pytest.mark.parametrize("chars", [65, 150, 400])
async def test_a_long_question_about_the_weather_of_a_place_of_many_is_asked_back(
    place: str, chars: int
) -> None:
    text = f"天气 {place}" + "麻烦帮我好好看一看吧" * (chars // 10)
    said = await listen(weather, text)
    assert said is not None
    assert said.completion.outcome is Outcome.DECLINED
    check_that_dingtalk_takes(said.reply)
    assert f"「{place}」有好几个" in str(said.reply)


# What errors are made of ----------------------------------------------------------------------


class MuteError(RefusalError):
    """Its words raise."""

    def __str__(self) -> str:
        raise ValueError("no words")


class NumbError(RefusalError):
    """Its words are none."""

    def __str__(self) -> Any:
        return 42  # noqa: PLE0307 - that is the fault


class ForgetfulError(ClarificationNeeded):
    """It never said what it is made of."""

    def __init__(self) -> None:
        pass


class ForgetfulBackendError(BackendUnavailableError):
    def __init__(self) -> None:
        pass


class Unformattable:
    def __format__(self, spec: str) -> str:
        raise ValueError(spec)


def raises_on_the_way() -> Iterator[str]:
    yield "北京"
    raise ValueError("a bug")


@pytest.mark.parametrize(
    "error",
    [
        MuteError(),
        NumbError(),
        ForgetfulError(),
        ForgetfulBackendError(),
        ClarificationNeeded("哪个？", suggestions=raises_on_the_way()),  # type: ignore[arg-type]
        ClarificationNeeded("哪个？", suggestions=42),  # type: ignore[arg-type]
        ClarificationNeeded("哪个？", suggestions=(None, 1, MuteError())),  # type: ignore[arg-type]
        RefusalError(),
        RefusalError("一", "二"),
        RefusalError(b"\xff"),
        BackendUnavailableError(None, None),  # type: ignore[arg-type]
    ],
    ids=repr,
)
async def test_an_error_made_of_anything_is_still_heard(error: Exception) -> None:
    await heard(error)


async def test_a_skill_whose_name_cannot_be_written_apologises() -> None:
    said = await heard(ValueError("a bug"), summary=Unformattable())  # type: ignore[arg-type]
    assert said.reply == Text(LAST_RESORT)
    assert said.completion.full_reason == "failed: ValueError in the skill"


ANYTHING = st.text(st.characters(exclude_categories=()))
LONG = st.builds(lambda text, times: text * times, ANYTHING, st.integers(1, 12_000))
WORDS = ANYTHING | LONG | st.sampled_from(ODD_WORDS)
ERRORS = st.one_of(
    st.builds(RefusalError, WORDS),
    st.builds(
        lambda words, suggestions: ClarificationNeeded(words, suggestions=tuple(suggestions)),
        WORDS,
        st.lists(WORDS, max_size=14),
    ),
    st.builds(BackendUnavailableError, WORDS, WORDS),
    st.builds(InvalidReplyError, WORDS, WORDS),
    st.builds(ValueError, WORDS),
)


@settings(max_examples=150)
@given(ERRORS, WORDS, ANYTHING | st.sampled_from(ODD_IDS))
@example(RefusalError("不行"), "{}", "zhang san")
async def test_for_any_words_and_ids_a_reply_comes_out_that_dingtalk_takes(
    error: Exception, summary: str, staff_id: str
) -> None:
    await heard(error, summary=summary, staff_id=staff_id)


@pytest.mark.parametrize("skill", [weather, coupons, demo], ids=lambda skill: skill.name)
@settings(max_examples=100)
@given(text=st.text(st.characters(codec="utf-8"), max_size=300), staff_id=ANYTHING)
async def test_our_own_skills_always_say_something_that_dingtalk_takes(
    skill: Skill, text: str, staff_id: str
) -> None:
    for command in skill.commands:
        said = await listen(skill, f"{command.names[0]} {text}", staff_id=staff_id)
        if said is not None:
            check_that_dingtalk_takes_any(said.reply)


def check_that_dingtalk_takes_any(reply: Reply) -> None:
    assert len(to_body(reply)) <= MAX_BODY_BYTES
