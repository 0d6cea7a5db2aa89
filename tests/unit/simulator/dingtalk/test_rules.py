import json
from typing import Any

import pytest

from dingda.shared.dingtalk.reply import (
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
    to_body,
)
from dingda.simulator.dingtalk.rules import (
    check_content_type,
    check_payload,
    check_size,
    notified_by,
    parse_reply,
    warnings_of,
)


def errcode_of(payload: object) -> int:
    verdict = check_payload(parse_reply(json.dumps(payload).encode()))
    return verdict.errcode if verdict else 0


def a_card(**fields: Any) -> dict[str, Any]:
    return {"msgtype": "actionCard", "actionCard": {"title": "t", "text": "x", **fields}}


def a_feed(**link: Any) -> dict[str, Any]:
    return {"msgtype": "feedCard", "feedCard": {"links": [link]}}


@pytest.mark.parametrize(
    "reply",
    [
        Text("你好"),
        Markdown("天气", "#### 杭州"),
        ActionCard("t", "x", link=Button("看", "https://example.com/")),
        ActionCard("t", "x", buttons=(Button("a", "https://a.cn/"), Button("b", "https://b.cn/"))),
        FeedCard((FeedLink("t", "https://example.com/", "https://example.com/p.png"),)),
    ],
)
def test_every_kind_of_reply_that_the_contract_builds_is_taken(reply: Reply) -> None:
    assert check_payload(parse_reply(to_body(reply))) is None


def test_a_link_message_is_taken() -> None:
    link = {"title": "t", "text": "x", "messageUrl": "https://example.com/"}
    assert errcode_of({"msgtype": "link", "link": link}) == 0


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_is_the_content_type_whatever_its_parameters(content_type: str) -> None:
    assert check_content_type(content_type) is None


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]
)
def test_any_other_content_type_is_43004(content_type: str) -> None:
    verdict = check_content_type(content_type)
    assert verdict is not None
    assert verdict.errcode == 43004


def test_twenty_thousand_bytes_are_taken() -> None:
    assert check_size(b"x" * 20_000) is None


def test_one_byte_more_is_460101() -> None:
    verdict = check_size(b"x" * 20_001)
    assert verdict is not None
    assert verdict.errcode == 460101


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"msgtype=text",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"a": NaN}',
        rb'{"msgtype":"text","text":{"content":"\ud800"}}',
        b"[" * 10_000,
    ],
)
def test_a_body_that_is_no_json_object_is_40035(body: bytes) -> None:
    verdict = check_payload(parse_reply(body))
    assert verdict is not None
    assert verdict.errcode == 40035


@pytest.mark.parametrize("msgtype", ["image", "voice", "empty", "Text", 5])
def test_an_unknown_msgtype_is_400105(msgtype: object) -> None:
    assert errcode_of({"msgtype": msgtype, str(msgtype): {"content": "x"}}) == 400105


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"msgtype": ""},
        {"msgtype": "text"},
        {"msgtype": "text", "text": "你好"},
        {"msgtype": "text", "text": {}},
        {"msgtype": "text", "text": {"content": ""}},
        {"msgtype": "text", "text": {"content": 5}},
        {"msgtype": "link", "link": {"title": "t", "text": "x", "messageURL": "https://a.cn/"}},
        a_card(),
        a_card(singleTitle="看"),
        a_card(singleTitle="看", singleURL=""),
        a_card(btns=[]),
        a_card(btns={}),
        a_card(btns=["a"]),
        a_card(btns=[{"title": "a"}]),
        a_card(btns=[{"title": "a", "actionUrl": "https://a.cn/"}]),
        {"msgtype": "feedCard", "feedCard": {}},
        {"msgtype": "feedCard", "feedCard": {"links": []}},
        a_feed(title="t", messageURL="https://a.cn/"),
        a_feed(title="t", messageURL="https://a.cn/", picURL=""),
    ],
)
def test_what_lacks_a_required_field_is_40035(payload: dict[str, Any]) -> None:
    assert errcode_of(payload) == 40035


@pytest.mark.parametrize(
    ("markdown", "errcode", "name"),
    [
        ({"text": "x"}, 400402, "title"),
        ({"title": "", "text": "x"}, 400402, "title"),
        ({}, 400402, "title"),
        ({"title": "t"}, 400403, "text"),
        ({"title": "t", "text": ""}, 400403, "text"),
        ({"title": "t", "text": 5}, 400403, "text"),
    ],
)
def test_a_markdown_without_title_or_text_has_codes_of_its_own_as_at_robot_send(
    markdown: dict[str, Any], errcode: int, name: str
) -> None:
    verdict = check_payload({"msgtype": "markdown", "markdown": markdown})
    assert verdict is not None
    assert (verdict.errcode, verdict.errmsg) == (errcode, f"参数 markdown --》 {name} 缺失")


def test_the_verdict_names_the_missing_field() -> None:
    verdict = check_payload(a_card(btns=[{"title": "a", "actionURL": "x"}, {"title": "b"}]))
    assert verdict is not None
    assert verdict.errmsg == "缺少参数 actionCard.btns[1].actionURL"


def test_a_card_with_the_one_link_may_have_any_buttons_for_they_are_ignored() -> None:
    assert errcode_of(a_card(singleTitle="看", singleURL="https://a.cn/", btns=[])) == 0


@pytest.mark.parametrize("flag", ["btnOrientation", "hideAvatar"])
@pytest.mark.parametrize("value", [0, 1, True, "2", None])
def test_a_flag_that_is_not_the_string_0_or_1_is_40035(flag: str, value: object) -> None:
    card = a_card(singleTitle="看", singleURL="https://a.cn/", **{flag: value})
    assert errcode_of(card) == 40035


def test_a_mention_notifies_if_the_id_stands_under_at_and_in_the_text() -> None:
    assert notified_by(Text("你好", At(("user1",))).to_payload()) == ("user1",)


def test_an_id_under_at_alone_notifies_nobody() -> None:
    payload = {"msgtype": "text", "text": {"content": "你好"}, "at": {"atUserIds": ["user1"]}}
    assert notified_by(payload) == ()


def test_an_id_in_the_text_alone_notifies_nobody() -> None:
    assert notified_by({"msgtype": "text", "text": {"content": "@user1 你好"}}) == ()


def test_an_encrypted_sender_id_notifies_nobody() -> None:
    sender_id = "$:LWCP_v1:$Ff09GI"
    text = {"content": f"@{sender_id} 你好"}
    payload = {"msgtype": "text", "text": text, "at": {"atUserIds": [sender_id]}}
    assert notified_by(payload) == ()


def test_a_feed_card_notifies_nobody() -> None:
    feed = a_feed(title="@user1", messageURL="https://a.cn/", picURL="https://a.cn/p.png")
    assert notified_by({**feed, "at": {"atUserIds": ["user1"]}}) == ()


def test_mentions_of_an_odd_shape_notify_nobody() -> None:
    text = {"msgtype": "text", "text": {"content": "@user1"}}
    assert notified_by({**text, "at": ["user1"]}) == ()
    assert notified_by({**text, "at": {"atUserIds": "user1"}}) == ()
    assert notified_by({**text, "at": {"atUserIds": [1, None, ""]}}) == ()


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("### 标题\n\n[a](https://example.com) 3 < 5 > 2", ()),
        ("<https://example.com>", ()),
        ("<font color=#FF0000>红</font>", ()),
        ('<h2><a href="https://example.com">标题</a></h2>', ("html",)),
        ("a<br>b", ("html",)),
        ("a<br/>b", ("html",)),
        ("<font color='#FF0000'>红</font>", ("font",)),
        ("<font color=red>红</font>", ("font",)),
        ("<font size=3>大</font><b>粗</b>", ("html", "font")),
    ],
)
@pytest.mark.parametrize("msgtype", ["markdown", "actionCard"])
def test_what_phones_do_not_show_is_warned_of(
    msgtype: str, text: str, warnings: tuple[str, ...]
) -> None:
    assert warnings_of({"msgtype": msgtype, msgtype: {"title": "t", "text": text}}) == warnings


@pytest.mark.parametrize(
    "payload",
    [{}, {"msgtype": "text", "text": {"content": "<b>"}}, {"msgtype": "markdown", "markdown": 5}],
)
def test_what_is_no_markdown_is_not_warned_of(payload: dict[str, Any]) -> None:
    assert warnings_of(payload) == ()
