"""What people's clients really send, told apart by kind."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.content import MAX_QUOTED_CHARS, File, Kind, Picture, Quoted, Voice
from dingda.shared.dingtalk.message import Mention, Message, parse_message
from tests.support.builders import a_callback, a_message, callback_fields

BOT, LI = {"dingtalkId": "$:LWCP_v1:$bot"}, {"dingtalkId": "$:LWCP_v1:$li", "staffId": "li01"}
HIDDEN = {"dingtalkId": "$:LWCP_v1:$somebody"}


def said(msgtype: str, content: object, **fields: Any) -> Message:
    message = parse_message(a_callback(None, msgtype=msgtype, content=content, **fields))
    assert isinstance(message, Message)
    return message


def runs(*texts: str, at: list[dict[str, str]] | None = None) -> Message:
    """Rich text in a group, as a client cut it; `at` is who was mentioned, by default the bot."""
    return said("richText", {"richText": [{"text": t} for t in texts]}, atUsers=at or [BOT])


def callback(fields: dict[str, Any]) -> Message:
    message = parse_message(json.dumps(callback_fields() | fields).encode())
    assert isinstance(message, Message)
    return message


def quoting(quoted: object) -> Quoted:
    found = callback({"text": {"content": " ", "isReplyMsg": True, "repliedMsg": quoted}}).quoted
    assert found is not None
    return found


# Mentions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["@钉答", "@钉答 ", "＠钉答", "@Ding Da ", "@Ding Da", "@小钉（测试）"]
)
@pytest.mark.parametrize("words", ["天气 北京", "帮助", "/天气 北京", "text"])
def test_a_first_run_that_is_a_name_is_the_mention_whatever_follows(name: str, words: str) -> None:
    assert runs(name, words).text == words


def test_a_mention_told_as_such_is_none_of_the_words() -> None:
    items = [{"type": "at", "atName": "钉答", "atUserId": "x"}, {"text": "天气 北京"}]
    assert said("richText", {"richText": items}, atUsers=[BOT]).text == "天气 北京"


def test_words_in_the_run_of_the_mention_are_not_lost() -> None:
    assert runs("@钉答 天气 北京").text == "@钉答 天气 北京"


def test_runs_are_joined_as_they_were_cut() -> None:
    assert runs("@钉答", "优惠", "券 机械", "键盘").text == "优惠券 机械键盘"


@pytest.mark.parametrize("at", [[LI, BOT], [BOT, LI]])
@pytest.mark.parametrize(
    "cut",
    [
        ("@钉答", "查", "@李四", "的绩", "效"),
        ("@李四", "@钉答", "查的绩效"),
        ("@钉答", "查的绩效", " @李四 "),
    ],
)
def test_a_mentioned_person_is_known_by_userid_wherever_the_name_is(
    cut: tuple[str, ...], at: list[dict[str, str]]
) -> None:
    message = runs(*cut, at=at)
    assert message.text.strip() == "查的绩效"
    assert message.mentioned_staff_ids == ("li01",)


def test_the_font_of_a_sentence_does_not_change_who_is_mentioned() -> None:
    plain = a_message(" 查 的绩效", atUsers=[LI, BOT])
    formatted = runs("@钉答", "查", "@李四", "的绩", "效", at=[LI, BOT])
    assert plain.mentioned_staff_ids == formatted.mentioned_staff_ids == ("li01",)


@pytest.mark.parametrize("typed", ["@types/node", "a@b.com", "@李四", "@a@b"])
def test_a_mention_typed_by_hand_stays_in_the_text(typed: str) -> None:
    assert runs("@钉答", "装 ", typed).text == f"装 {typed}"


def test_in_a_single_chat_a_name_is_always_one_of_the_words() -> None:
    items = {"richText": [{"text": "@李四"}, {"text": "的绩效"}]}
    message = said("richText", items, conversationType="1", atUsers=None)
    assert message.text == "@李四的绩效"


def test_somebody_whose_userid_is_hidden_is_mentioned_all_the_same() -> None:
    message = a_message("  绩效", atUsers=[HIDDEN, BOT])
    assert message.mentions == (Mention(""),)
    assert message.mentioned_staff_ids == ()


def test_the_name_of_the_only_other_one_mentioned_is_known() -> None:
    message = runs("@钉答", "绩效", "@李四", at=[HIDDEN, BOT])
    assert [mention.name for mention in message.mentions] == ["李四"]


def test_the_bot_is_nobody_else_even_with_a_userid() -> None:
    message = a_message(" 我的绩效", atUsers=[BOT | {"staffId": "robot-staff-1"}])
    assert message.mentions == ()


@pytest.mark.parametrize("users", [None, 7, "x", ["x", None, 7], {"dingtalkId": "x"}])
def test_mentions_of_no_known_shape_are_none(users: object) -> None:
    assert a_message(atUsers=users).mentions == ()


# Kinds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        {"richText": [{"msgType": "text", "content": "天气 北京"}]},
        {"richText": [{"type": "text", "content": "天气 北京"}]},
        {"richText": [{"type": "text", "text": "天气 北京"}]},
        {"rich_text": [{"text": "天气 北京"}]},
        [{"text": "天气 北京"}],
        '{"richText": [{"text": "天气 北京"}]}',
        {"richText": '[{"text": "天气 北京"}]'},
    ],
)
def test_rich_text_is_read_by_whatever_names_its_parts_have(content: object) -> None:
    assert said("richText", content).text == "天气 北京"


@pytest.mark.parametrize("line_break", ["\\n", "/n", "\n"])
def test_a_run_that_spells_a_line_break_is_one(line_break: str) -> None:
    assert runs("天气", line_break, "北京").text == "天气\n北京"


def test_an_emoji_between_the_words_is_none_of_them() -> None:
    items = [{"text": "天气"}, {"type": "emoji", "content": "[微笑]"}, {"text": "北京"}]
    assert said("richText", {"richText": items}).text == "天气北京"


@pytest.mark.parametrize(
    "fields",
    [
        {"markdown": {"title": "帮助", "text": " 帮助"}},
        {"content": {"title": "帮助", "text": " 帮助"}},
        {"markdown": {"title": "帮助", "text": " 帮助"}, "content": {"text": "other"}},
    ],
)
def test_markdown_that_a_person_sends_is_read(fields: dict[str, Any]) -> None:
    message = parse_message(a_callback(None, msgtype="markdown", **fields))
    assert isinstance(message, Message)
    assert (message.kind, message.text) == (Kind.MARKDOWN, " 帮助")


@pytest.mark.parametrize("msgtype", ["audio", "voice"])
def test_speech_is_read_as_dingtalk_understood_it(msgtype: str) -> None:
    message = said(msgtype, {"downloadCode": "code", "recognition": "天气北京"})
    assert (message.kind, message.text) == (Kind.VOICE, "天气北京")
    assert message.voice == Voice("code", "天气北京")


def test_speech_within_rich_text_is_read_too() -> None:
    items = [{"type": "voice", "downloadCode": "code", "recognition": "天气北京"}]
    message = said("richText", {"richText": items})
    assert (message.text, message.voice) == ("天气北京", Voice("code", "天气北京"))


@pytest.mark.parametrize(
    "content", [{"duration": 4000}, {"recognition": None}, {}, None, "天气", 7]
)
def test_speech_that_was_not_understood_is_a_voice_without_words(content: object) -> None:
    message = said("audio", content)
    assert (message.text, message.voice) == ("", Voice("", ""))


@pytest.mark.parametrize(
    ("msgtype", "content", "kind", "pictures", "files"),
    [
        ("picture", {"downloadCode": "c"}, Kind.PICTURE, (Picture("c"),), ()),
        ("picture", {"pictureDownloadCode": "c"}, Kind.PICTURE, (Picture("c"),), ()),
        ("picture", {}, Kind.PICTURE, (), ()),
        (
            "file",
            {"fileName": "标书.docx", "downloadCode": "c"},
            Kind.FILE,
            (),
            (File("c", "标书.docx"),),
        ),
        (
            "video",
            {"duration": "5", "downloadCode": "c", "videoType": "mp4"},
            Kind.VIDEO,
            (),
            (File("c", "", Kind.VIDEO),),
        ),
        ("interactiveCard", {"biz_custom_action_url": "dingtalk://x"}, Kind.CARD, (), ()),
    ],
)
def test_messages_without_text_are_told_apart_by_kind(
    msgtype: str,
    content: object,
    kind: Kind,
    pictures: tuple[Picture, ...],
    files: tuple[File, ...],
) -> None:
    message = said(msgtype, content)
    assert (message.kind, message.text) == (kind, "")
    assert (message.pictures, message.files) == (pictures, files)


def test_pictures_between_the_words_are_all_there() -> None:
    items = [
        {"type": "picture", "downloadCode": "a"},
        {"text": "\n帮助"},
        {"msgType": "picture", "downloadCode": "b"},
    ]
    message = said("richText", {"richText": items})
    assert (message.text, message.pictures) == ("\n帮助", (Picture("a"), Picture("b")))


def test_a_forwarded_conversation_is_told_line_by_line() -> None:
    summary = json.dumps([{"senderNick": "李四", "msgType": "text", "content": "天气 北京"}, "odd"])
    message = said("chatRecord", {"summary": summary, "title": "群聊的聊天记录"})
    assert (message.kind, message.text) == (Kind.FORWARDED, "李四：天气 北京")


def test_a_reply_told_as_a_type_of_its_own_is_read() -> None:
    quoted = {"msgType": "text", "content": {"text": "旧"}}
    message = said("reply", "帮助", repliedMsg=quoted)
    assert message.text == "帮助"
    assert message.quoted is not None
    assert message.quoted.text == "旧"


# Quotations -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [{"text": "旧的"}, {"content": "旧的"}, "旧的", '{"text": "旧的"}']
)
def test_a_quoted_text_is_read_whatever_its_shape(content: object) -> None:
    quoted = quoting({"msgType": "text", "senderId": "$:LWCP_v1:$li", "content": content})
    assert quoted == Quoted(Kind.TEXT, "旧的", "$:LWCP_v1:$li", is_bots=False)


def test_the_bots_own_words_are_known_as_such() -> None:
    quoted = quoting({"msgType": "interactiveCard", "senderId": "$:LWCP_v1:$bot"})
    assert quoted == Quoted(Kind.CARD, "", "$:LWCP_v1:$bot", is_bots=True)


def test_a_bot_and_a_sender_that_are_both_unnamed_are_not_the_same() -> None:
    quoted = {"msgType": "text", "content": {"text": "旧的"}}
    message = callback({"text": {"repliedMsg": quoted}, "chatbotUserId": None})
    assert message.quoted is not None
    assert not message.quoted.is_bots


@pytest.mark.parametrize(
    "fields",
    [
        {"msgtype": "text", "text": {"content": "新", "repliedMsg": {"content": {"text": "旧"}}}},
        {
            "msgtype": "richText",
            "content": {"richText": [{"text": "新"}], "repliedMsg": {"content": {"text": "旧"}}},
        },
        {
            "msgtype": "text",
            "text": {"content": "新"},
            "repliedMsg": {"content": {"text": "旧"}, "repliedMsg": {"content": {"text": "更旧"}}},
        },
    ],
)
def test_a_quotation_is_found_wherever_it_is_and_is_none_of_the_words(
    fields: dict[str, Any],
) -> None:
    message = callback(fields)
    assert message.quoted is not None
    assert (message.text, message.quoted.text) == ("新", "旧")


def test_a_quoted_picture_or_file_is_known_by_its_code() -> None:
    assert quoting({"msgType": "picture", "content": {"downloadCode": "c"}}).pictures == (
        Picture("c"),
    )
    file = {"msgType": "file", "content": {"fileName": "a.docx", "downloadCode": "c"}}
    assert quoting(file).files == (File("c", "a.docx"),)


def test_a_quoted_card_is_told_as_the_words_of_its_tree() -> None:
    tree = [
        {
            "elementType": "RICHTEXT",
            "children": [
                {"elementType": "TEXT", "value": "北京 "},
                {"elementType": "IMAGE", "value": "@code"},
                {"elementType": "LINK", "value": "12℃"},
            ],
        }
    ]
    card = {"msgType": "interactiveCard", "content": {"cardContent": tree}}
    assert quoting(card).text == "北京 12℃"


def test_of_a_large_quotation_the_beginning_is_kept() -> None:
    tree = [{"elementType": "TEXT", "value": "字"}] * 20_000
    card = {"msgType": "interactiveCard", "content": {"cardContent": tree}}
    assert len(quoting(card).text) == MAX_QUOTED_CHARS


@pytest.mark.parametrize("odd", [42, None, "x", [], {}, True])
def test_a_quotation_of_no_known_shape_is_none(odd: object) -> None:
    assert callback({"text": {"content": "帮助", "repliedMsg": odd}}).quoted is None


def test_a_quotation_shows_nothing_of_itself_in_a_log() -> None:
    quoted = quoting({"msgType": "text", "senderId": "private", "content": {"text": "private"}})
    assert "private" not in repr(quoted)


# Who asks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "bot", "is_own"),
    [
        ("dingcorp", "dingcorp", True),
        ("dingother", "dingcorp", False),
        (None, None, False),
        ("", "", False),
        ("dingcorp", None, False),
    ],
)
def test_only_a_named_organisation_is_ones_own(
    sender: str | None, bot: str | None, *, is_own: bool
) -> None:
    message = a_message(senderCorpId=sender, chatbotCorpId=bot)
    assert message.is_own_organisation is is_own


def test_the_robot_and_the_senders_client_are_known() -> None:
    message = a_message(robotCode="dingrobot", senderPlatform="HarmonyOS")
    assert (message.robot_code, message.sender_platform) == ("dingrobot", "HarmonyOS")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["text", "content", "richText", "type", "children", "cardContent", "summary"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    msgtype=st.sampled_from([*Kind, "audio", "reply", "at"]),
    content=ODD | ODD.map(json.dumps),
    quoted=ODD,
    users=ODD,
)
def test_contents_of_any_shape_are_a_message(
    msgtype: str, content: object, quoted: object, users: object
) -> None:
    message = said(
        msgtype, content, repliedMsg={"msgType": msgtype, "content": quoted}, atUsers=users
    )
    assert message.text.encode().decode() == message.text
