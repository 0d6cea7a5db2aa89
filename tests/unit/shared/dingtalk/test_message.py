import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.content import Kind, Picture
from dingda.shared.dingtalk.message import (
    Envelope,
    Ignored,
    Mention,
    Message,
    parse_message,
    read_envelope,
)
from dingda.shared.errors import InvalidMessageError
from tests.support.builders import SESSION_WEBHOOK, a_callback, a_message, callback_fields

KINDS = set(Kind)


def texts_of(message: Message) -> list[str]:
    values = [getattr(message, name) for name in Message.__slots__]
    lists = [value for value in values if isinstance(value, tuple)]
    return [value for value in (*values, *sum(lists, ())) if isinstance(value, str)]


def with_field(name: str, value: object) -> bytes:
    return json.dumps(callback_fields() | {name: value}).encode()


def a_rich_text(*parts: object) -> bytes:
    return a_callback(None, msgtype="richText", content={"richText": list(parts)})


def text_in(body: bytes) -> str:
    message = parse_message(body)
    assert isinstance(message, Message)
    return message.text


def why_invalid(body: bytes) -> str:
    with pytest.raises(InvalidMessageError) as refusal:
        parse_message(body)
    return str(refusal.value)


def test_a_message_in_a_group_is_read_whole() -> None:
    body = a_callback(" 你好", sessionWebhookExpiredTime=1_700_005_400_250)
    message = parse_message(body)
    assert isinstance(message, Message)
    assert message == Message(
        id=message.id,
        conversation_id="cidAAAA==",
        conversation_title="测试群",
        is_group=True,
        sender_staff_id="0001",
        sender_nick="张三",
        text=" 你好",
        session_webhook=SESSION_WEBHOOK,
        session_expires_ms=1_700_005_400_250,
        sender_corp_id="dingcorp",
        bot_corp_id="dingcorp",
        sender_id="$:LWCP_v1:$u0",
        ordering_key=message.ordering_key,
        robot_code="dingrobot",
        msg_id="msgAAAA==",
        sender_platform="Mac",
        mentions=(Mention("0002"),),
    )


def test_a_message_in_a_single_chat_has_no_title_and_nobody_mentioned() -> None:
    message = parse_message(
        a_callback(
            "你好",
            conversationType="1",
            without=["conversationTitle", "atUsers", "isInAtList"],
        )
    )
    assert isinstance(message, Message)
    assert (message.is_group, message.conversation_title) == (False, "")
    assert (message.text, message.mentioned_staff_ids) == ("你好", ())


def test_the_oldest_captured_message_is_enough() -> None:
    without = [
        "senderPlatform",
        "chatbotCorpId",
        "senderCorpId",
        "senderStaffId",
        "robotCode",
        "isInAtList",
        "isAdmin",
    ]
    message = parse_message(a_callback("  nihao", without=without))
    assert isinstance(message, Message)
    assert (message.text, message.sender_staff_id) == ("  nihao", "")
    assert (message.sender_corp_id, message.bot_corp_id) == ("", "")


def test_a_conversation_type_may_be_a_number() -> None:
    assert a_message(conversationType=2).is_group
    assert not a_message(conversationType=1).is_group


def test_unknown_fields_change_nothing() -> None:
    expires_ms = 1_700_005_400_250
    plain = a_message(sessionWebhookExpiredTime=expires_ms)
    quoting = a_message(
        sessionWebhookExpiredTime=expires_ms,
        openThreadId="cidAAAA==",
        hostingContext={"userId": "1", "nick": "李四"},
        originalMsgId="msgBBBB==",
    )
    assert plain == quoting


def test_a_quote_is_not_taken_for_the_message_itself() -> None:
    quoted = {"msgType": "text", "content": {"text": "旧的"}}
    said = {"content": "新的", "isReplyMsg": True, "repliedMsg": quoted}
    assert text_in(with_field("text", said)) == "新的"


def test_the_words_of_rich_text_are_joined_in_order() -> None:
    picture = {"type": "picture", "downloadCode": "mIof", "pictureDownloadCode": "pWjA"}
    message = parse_message(a_rich_text({"text": "看图"}, picture, {"text": "完"}))
    assert isinstance(message, Message)
    assert (message.text, message.pictures) == ("看图完", (Picture("mIof"),))


@pytest.mark.parametrize("odd", [None, "words", 7, ["text"], {"text": None}, {"text": 7}, {}])
def test_odd_parts_of_rich_text_are_left_out(odd: object) -> None:
    assert text_in(a_rich_text({"text": "天"}, odd, {"text": "气"})) == "天气"


@pytest.mark.parametrize(
    "content",
    [
        {"richText": []},
        {"richText": [{"text": ""}]},
        {"richText": "天气"},
        {"richText": {"text": "天气"}},
        {"richText": "[{"},
        {},
        None,
        7,
        "",
        "{",
    ],
)
def test_rich_text_without_words_says_nothing(content: object) -> None:
    assert text_in(a_callback(None, msgtype="richText", content=content)) == ""


@pytest.mark.parametrize("text", [None, 7, [], {}, {"content": None}, {"content": 7}])
def test_a_text_without_content_says_nothing(text: object) -> None:
    assert text_in(with_field("text", text)) == ""


def test_a_text_that_is_missing_says_nothing() -> None:
    assert text_in(a_callback(None)) == ""


@pytest.mark.parametrize(
    "msgtype", ["", None, 7, ["text"], {"text": "text"}, "sticker", "unknownMsgType"]
)
def test_a_type_that_robots_are_not_told_of_is_a_message_still(msgtype: object) -> None:
    message = a_message("天气", msgtype=msgtype)
    assert (message.kind, message.text) == (Kind.OTHER, "")


def test_a_message_without_a_type_is_a_message_still() -> None:
    message = parse_message(a_callback(without=["msgtype"]))
    assert isinstance(message, Message)
    assert message.kind is Kind.OTHER


def test_a_text_may_be_empty() -> None:
    assert text_in(a_callback("")) == ""


def test_an_empty_object_is_somebody_who_probes_the_address() -> None:
    assert parse_message(b"{}") == Ignored("probe")


def test_an_event_subscriptions_callback_is_refused_with_what_is_set_up_wrongly() -> None:
    why = why_invalid(b'{"encrypt": "MDEy"}')
    assert "event subscription" in why
    assert "message-receiving address" in why


@pytest.mark.parametrize("code", [20001, "20001"])
def test_a_message_over_the_quota_is_ignored_by_that_name(code: object) -> None:
    body = a_callback(None, errorCode=code, errorMessage="受调用量超量影响")
    assert parse_message(body) == Ignored("over_quota")


@pytest.mark.parametrize("code", [0, "0", 20002, "", None, "2000１", 20001.0, [20001]])
def test_other_error_codes_do_not_stand_in_the_way(code: object) -> None:
    assert text_in(a_callback("天气", errorCode=code)) == "天气"


def test_the_bots_own_message_is_ignored() -> None:
    body = a_callback(senderId="$:LWCP_v1:$bot")
    assert parse_message(body) == Ignored("own_message")


def test_two_unknown_ids_are_not_the_bots_own() -> None:
    assert text_in(a_callback("天气", without=["senderId", "chatbotUserId"])) == "天气"


@pytest.mark.parametrize("name", ["msgId", "conversationId", "sessionWebhook"])
def test_a_field_that_an_answer_needs_must_be_there(name: str) -> None:
    assert why_invalid(a_callback(without=[name])) == f"{name} is missing or not a string"


@pytest.mark.parametrize("name", ["msgId", "conversationId", "sessionWebhook"])
@pytest.mark.parametrize("value", [None, "", 7, True, ["a"], {"a": "b"}])
def test_a_field_that_an_answer_needs_must_be_a_filled_string(name: str, value: object) -> None:
    assert why_invalid(with_field(name, value)) == f"{name} is missing or not a string"


@pytest.mark.parametrize(
    ("name", "limit"), [("msgId", 512), ("conversationId", 512), ("sessionWebhook", 2048)]
)
def test_a_field_that_an_answer_needs_has_a_greatest_length(name: str, limit: int) -> None:
    assert isinstance(parse_message(a_callback(**{name: "a" * limit})), Message)
    longer = a_callback(**{name: "a" * (limit + 1)})
    assert why_invalid(longer) == f"{name} is longer than {limit} characters"


@pytest.mark.parametrize("value", [None, 7, 1.5, True, ["a"], {"a": "b"}])
@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("conversationTitle", "conversation_title"),
        ("senderNick", "sender_nick"),
        ("senderStaffId", "sender_staff_id"),
        ("senderId", "sender_id"),
        ("senderCorpId", "sender_corp_id"),
        ("chatbotCorpId", "bot_corp_id"),
    ],
)
def test_an_optional_string_of_another_type_counts_as_absent(
    name: str, attribute: str, value: Any
) -> None:
    assert getattr(a_message(**{name: value}), attribute) == ""


@pytest.mark.parametrize("value", [None, 7, 1.5, True, ["a"], {"a": "b"}])
@pytest.mark.parametrize("name", ["robotCode", "chatbotUserId"])
def test_a_robot_named_by_another_type_counts_as_unnamed(name: str, value: Any) -> None:
    unnamed = parse_message(a_callback(without=[name]))
    assert isinstance(unnamed, Message)
    assert a_message(**{name: value}).id == unnamed.id


@pytest.mark.parametrize("users", [None, "0002", 7, {"staffId": "0002"}, [None, "0002", {}, []]])
def test_mentions_of_another_shape_count_as_absent(users: object) -> None:
    assert a_message(atUsers=users).mentioned_staff_ids == ()


def test_a_mention_without_a_staff_id_is_left_out() -> None:
    users = [{"dingtalkId": "$:1"}, {"staffId": "0002"}, {"staffId": ""}, {"staffId": 3}]
    assert a_message(atUsers=users).mentioned_staff_ids == ("0002",)


@pytest.mark.parametrize("value", [1_700_005_400_250, "1700005400250"])
def test_the_sessions_end_may_be_a_number_or_a_string(value: object) -> None:
    assert a_message(sessionWebhookExpiredTime=value).session_expires_ms == 1_700_005_400_250


@pytest.mark.parametrize(
    "value",
    [None, True, 1.7e12, "", "soon", " 1700005400250", "-1", "1e12", "１７", "1_7", [17], {}],
)
def test_a_sessions_end_of_another_shape_counts_as_unstated(value: object) -> None:
    assert a_message(sessionWebhookExpiredTime=value).session_expires_ms is None


def test_a_session_of_unstated_end_is_a_message_still() -> None:
    message = parse_message(a_callback(without=["sessionWebhookExpiredTime"]))
    assert isinstance(message, Message)
    assert message.session_expires_ms is None


def test_a_sessions_end_of_very_many_digits_does_no_harm() -> None:
    assert a_message(sessionWebhookExpiredTime="9" * 5000).session_expires_ms is not None


def test_a_message_that_comes_again_has_the_same_id() -> None:
    first = a_message("天气", createAt=1)
    again = a_message("天气", createAt=2, senderPlatform="Win")
    assert first.id == again.id


@pytest.mark.parametrize("name", ["robotCode", "chatbotUserId", "msgId"])
def test_another_robot_or_message_has_another_id(name: str) -> None:
    assert a_message().id != a_message(**{name: "other"}).id


def test_robots_that_are_unnamed_are_told_apart_by_their_user_id() -> None:
    assert (
        a_message(robotCode="normal", chatbotUserId="$:a").id
        != a_message(robotCode="normal", chatbotUserId="$:b").id
    )


@pytest.mark.parametrize("msg_id", ["msg+/AA==", "消息", "a b:c", "\n", "😀"])
def test_an_id_is_what_rq_takes(msg_id: str) -> None:
    message_id = a_message(msgId=msg_id).id
    assert message_id.isascii()
    assert set(message_id) <= set("0123456789abcdef")
    assert len(message_id) == 64


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_a_body_in_another_encoding_is_refused(encoding: str) -> None:
    body = json.dumps(callback_fields("hi"), ensure_ascii=True).encode(encoding)
    assert json.loads(body)["msgtype"] == "text"
    assert why_invalid(body).startswith("the body is not ")


@pytest.mark.parametrize("broken", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xe5\xa4"])
def test_a_body_that_is_not_utf_8_is_refused(broken: bytes) -> None:
    body = a_callback("MARK").replace(b"MARK", broken)
    assert why_invalid(body) == "the body is not UTF-8"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_is_no_json_is_refused(constant: str) -> None:
    body = a_callback(createAt="MARK").replace(b'"MARK"', constant.encode())
    assert why_invalid(body) == f"the body is not strict JSON: {constant} is no JSON number"


@pytest.mark.parametrize("number", ["1e999", "-1e999"])
def test_a_number_that_overflows_counts_as_unstated(number: str) -> None:
    body = a_callback(sessionWebhookExpiredTime="MARK").replace(b'"MARK"', number.encode())
    message = parse_message(body)
    assert isinstance(message, Message)
    assert message.session_expires_ms is None


@pytest.mark.parametrize("elsewhere", ["", r"\ud800"], ids=["", "with half a surrogate pair"])
def test_of_a_key_that_occurs_twice_the_last_counts_for_gateway_and_worker(elsewhere: str) -> None:
    """No two parsers read a body: nothing is gained by hiding one value behind another."""
    body = a_callback(msgId="first", extra="MARK").replace(b"MARK", elsewhere.encode())
    body = body[:-1] + b', "msgId": "last", "senderStaffId": "boss"}'
    message, envelope = parse_message(body), read_envelope(body)
    assert isinstance(message, Message)
    assert isinstance(envelope, Envelope)
    assert message.id == envelope.id == a_message(msgId="last").id
    assert message.sender_staff_id == "boss"


@pytest.mark.parametrize("elsewhere", ["", r"\ud800"], ids=["", "with half a surrogate pair"])
def test_of_a_key_that_occurs_twice_further_in_the_last_counts(elsewhere: str) -> None:
    body = with_field("text", "MARK").replace(b'"MARK"', b'{"content": "a", "content": "b"}')
    body = body[:-1] + f', "extra": "{elsewhere}"}}'.encode()
    assert text_in(body) == "b"


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_body_of_great_depth_is_refused(opening: str, closing: str) -> None:
    deep = opening * 100_000 + "1" + closing * 100_000
    assert why_invalid(deep.encode()) == "the body is nested too deeply"


@pytest.mark.parametrize("name", ["conversationType", "errorCode", "msgtype", "extra"])
def test_no_depth_of_a_field_ends_otherwise_than_in_words(name: str) -> None:
    endings = set[str]()
    for depth in range(100, 1_100, 7):
        deep = b"[" * depth + b"]" * depth
        body = a_callback(**{name: "MARK"}).replace(b'"MARK"', deep)
        try:
            endings.add(type(parse_message(body)).__name__)
        except InvalidMessageError as error:
            endings.add(str(error))
    assert "the body is nested too deeply" in endings
    assert len(endings) == 2


@pytest.mark.parametrize("name", ["createAt", "sessionWebhookExpiredTime", "errorCode"])
def test_an_integer_of_5000_digits_is_refused(name: str) -> None:
    body = a_callback(**{name: "MARK"}).replace(b'"MARK"', b"9" * 5000)
    assert why_invalid(body).startswith("the body is not strict JSON: ")


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"1", b"null", b'"text"', b"[{}]"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert why_invalid(body).startswith("the body is not ")


@pytest.mark.parametrize("rest", [b"x", b"{}", b",", b"\0"])
def test_a_body_with_something_behind_it_is_refused(rest: bytes) -> None:
    assert why_invalid(a_callback() + rest).startswith("the body is not strict JSON: ")


def test_a_body_cut_short_is_refused_wherever_it_was_cut() -> None:
    body = a_callback("hi", senderNick="nick", conversationTitle="title")
    for length in range(len(body)):
        why_invalid(body[:length])


@pytest.mark.parametrize(
    ("escaped", "read"),
    [
        (rb"\ud800", "\ufffd"),
        (rb"\udfff", "\ufffd"),
        (rb"a\ud83db", "a\ufffdb"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
        (rb"\ud83d\ude00", "😀"),
        (rb"\ufeff\u0000", "\ufeff\0"),
    ],
)
def test_half_a_surrogate_pair_becomes_a_replacement_character(escaped: bytes, read: str) -> None:
    assert text_in(a_callback("MARK").replace(b"MARK", escaped)) == read


def test_half_a_surrogate_pair_is_replaced_in_every_field() -> None:
    names = [
        "conversationId",
        "conversationTitle",
        "senderStaffId",
        "senderNick",
        "sessionWebhook",
        "senderCorpId",
        "chatbotCorpId",
        "msgId",
        "robotCode",
        "chatbotUserId",
        "senderPlatform",
    ]
    body = a_callback("MARK", atUsers=[{"staffId": "MARK"}], **dict.fromkeys(names, "MARK"))
    message = parse_message(body.replace(b"MARK", rb"a\ud800"))
    assert isinstance(message, Message)
    assert message.mentioned_staff_ids == ("a\ufffd",)
    others = KINDS | {message.id, message.ordering_key}
    assert [text for text in texts_of(message) if "a" in text and text not in others] == [
        "a\ufffd"
    ] * 11


@pytest.mark.parametrize("broken", [b'"half', b'"\\x"', b"\x01", b"'quoted'", b"nul"])
def test_a_refusal_says_nothing_of_what_was_written(broken: bytes) -> None:
    body = a_callback("私密 private", createAt="MARK").replace(b'"MARK"', broken)
    why = why_invalid(body)
    assert "private" not in why
    assert "session=" not in why


def test_a_representation_shows_no_words_names_or_credentials() -> None:
    picture = {"downloadCode": "a picture's code"}
    said = {"richText": [{"text": "private words"}, picture]}
    message = parse_message(
        a_callback(None, msgtype="richText", content=said, senderNick="private name")
    )
    assert isinstance(message, Message)
    assert message.pictures == (Picture("a picture's code"),)
    for shown in (repr(message), str(message), f"{message}"):
        assert message.id in shown
        assert "private" not in shown
        assert "session=" not in shown
        assert "a picture's code" not in shown


ANY_TEXT = st.text(st.characters(exclude_categories=()))
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "content", "richText", "staffId"]), inner)
    ),
    max_leaves=8,
)


@st.composite
def altered_callbacks(draw: st.DrawFn) -> bytes:
    """A captured callback with some fields replaced by anything at all."""
    names = st.sampled_from([*callback_fields(), "errorCode", "content"])
    altered: dict[str, Any] = draw(st.dictionaries(names, ANY_JSON | ANY_TEXT, max_size=4))
    msgtype = draw(st.sampled_from(["text", "richText", "audio", "picture"]))
    return json.dumps(callback_fields(msgtype=msgtype) | altered).encode()


@st.composite
def damaged_callbacks(draw: st.DrawFn) -> bytes:
    """A captured callback with some bytes cut out or put in."""
    body = a_callback()
    at = draw(st.integers(0, len(body)))
    return body[:at] + draw(st.binary(max_size=8)) + body[at + draw(st.integers(0, 8)) :]


@settings(max_examples=500)
@given(st.binary() | altered_callbacks() | damaged_callbacks())
def test_whatever_comes_is_a_message_or_ignored_or_invalid(body: bytes) -> None:
    try:
        parsed = parse_message(body)
    except InvalidMessageError as error:
        with pytest.raises(InvalidMessageError, match=f"^{re.escape(str(error))}$"):
            read_envelope(body)
        return
    envelope = read_envelope(body)
    if isinstance(parsed, Ignored):
        assert envelope == parsed
        assert parsed.reason in {"over_quota", "own_message", "probe"}
        return
    assert envelope == Envelope(
        parsed.id, parsed.ordering_key, parsed.session_expires_ms, parsed.robot_code
    )
    assert parsed.conversation_id
    assert parsed.session_webhook
    assert all(text.encode().decode() == text for text in texts_of(parsed))
