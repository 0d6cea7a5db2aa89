"""Every kind of message that people send can be sent, and is read as such by `parse_message`."""

import json
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.content import Kind
from dingda.shared.dingtalk.message import Mention, Message, parse_message
from dingda.simulator.dingtalk.callback import build_callback, staff_id_of
from dingda.simulator.dingtalk.user_message import Mentioned, Quotation, UserMessage

LISI = Mentioned("李四")


def callback_for(said: UserMessage) -> dict[str, Any]:
    webhook = "https://oapi.dingtalk.com/robot/sendBySession?session=0"
    return build_callback(said, session_webhook=webhook, created_ms=1, expires_ms=2)


def read(said: UserMessage) -> Message:
    message = parse_message(json.dumps(callback_for(said)).encode())
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (UserMessage("天气 北京"), Kind.TEXT, "天气 北京"),
        (UserMessage("天气 北京", kind="richText"), Kind.RICH_TEXT, "天气 北京"),
        (
            UserMessage("", kind="richText", runs=("@钉答", "天", "气北京")),
            Kind.RICH_TEXT,
            "天气北京",
        ),
        (UserMessage("天气 北京", kind="markdown"), Kind.MARKDOWN, "天气 北京"),
        (UserMessage("天气北京", kind="audio", single=True), Kind.VOICE, "天气北京"),
        (UserMessage("", kind="audio", single=True), Kind.VOICE, ""),
        (UserMessage("", kind="picture", single=True), Kind.PICTURE, ""),
        (UserMessage("招标.docx", kind="file", single=True), Kind.FILE, ""),
        (UserMessage("", kind="video", single=True), Kind.VIDEO, ""),
        (
            UserMessage("李四：在：吗\n好", kind="chatRecord", single=True),
            Kind.FORWARDED,
            "李四：在：吗\n好",
        ),
        (UserMessage("晴", kind="interactiveCard", single=True), Kind.CARD, "晴"),
        (UserMessage("", kind="interactiveCard", single=True), Kind.CARD, ""),
        (UserMessage("天气 北京", at_all=True), Kind.TEXT, "@所有人天气 北京"),
    ],
)
def test_each_kind_is_read_as_what_was_sent(said: UserMessage, kind: Kind, text: str) -> None:
    message = read(said)
    assert (message.kind, message.text.strip()) == (kind, text)


def test_what_is_sent_beside_words_has_its_code_and_name() -> None:
    assert read(UserMessage("", kind="picture", single=True)).pictures[0].code
    assert read(UserMessage("帮助", kind="richText", pictures=2)).pictures[1].code
    assert read(UserMessage("招标.docx", kind="file", single=True)).files[0].name == "招标.docx"
    voice = read(UserMessage("", kind="audio", single=True)).voice
    assert voice is not None
    assert (bool(voice.code), voice.text) == (True, "")


def test_others_are_mentioned_with_their_userids_or_without() -> None:
    mentioned = (LISI, Mentioned("李伟", staff_id="liwei-2"), Mentioned("陈外", staff_id=""))
    said = UserMessage("绩效", mentioned=mentioned)
    ids = tuple(mention.staff_id for mention in read(said).mentions)
    assert ids == (staff_id_of("李四"), "liwei-2", "")
    at_users = callback_for(said)["atUsers"]
    assert len({user["dingtalkId"] for user in at_users}) == 4


def test_rich_text_keeps_the_name_of_a_mentioned_person() -> None:
    runs = ("@钉答", "查", "@李四", "的绩", "效")
    message = read(UserMessage("", kind="richText", runs=runs, mentioned=(LISI,)))
    assert message.text == "查的绩效"
    assert message.mentions == (Mention(staff_id_of("李四"), "李四"),)


@pytest.mark.parametrize("kind", ["text", "richText", "picture", "file", "interactiveCard"])
def test_a_message_is_quoted_whatever_it_is(kind: Any) -> None:
    text = "" if kind == "picture" else "旧的"
    by_somebody = read(UserMessage("看看", quoted=Quotation(text, kind=kind, sender="李四"))).quoted
    by_bot = read(UserMessage("看看", kind="richText", quoted=Quotation(text, kind=kind))).quoted
    assert by_somebody is not None
    assert by_bot is not None
    assert (by_somebody.kind.value, by_somebody.is_bots) == (kind, False)
    assert (by_bot.kind.value, by_bot.is_bots) == (kind, True)
    assert by_somebody.text == ("" if kind in ("picture", "file") else text)


def test_of_the_bots_own_card_only_the_id_may_come() -> None:
    replied = callback_for(UserMessage("再来", quoted=Quotation("", kind="interactiveCard")))[
        "text"
    ]
    assert "content" not in replied["repliedMsg"]


def test_the_senders_client_and_organisation_can_be_chosen() -> None:
    message = read(UserMessage("你好", client="HarmonyOS", external=True))
    assert message.sender_platform == "HarmonyOS"
    assert (message.sender_staff_id, message.is_own_organisation) == ("", False)
    assert read(UserMessage("你好")).is_own_organisation


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ({"kind": "sticker"}, "kind: Input should be 'text', 'richText',"),
        ({"runs": ["天气"]}, "body: runs and pictures belong to the kind richText."),
        ({"text": "a", "kind": "richText", "runs": ["b"]}, "body: rich text has its words in"),
        ({"kind": "richText", "pictures": -1}, "body: pictures must be from 0 to 100."),
        ({"kind": "richText", "pictures": 10**9}, "body: pictures must be from 0 to 100."),
        ({"text": "看", "kind": "picture"}, 'body: a picture has no words: text must be "".'),
        ({"single": True, "at_all": True}, "body: nobody is mentioned in a single chat"),
        ({"mentioned": [{"name": ""}]}, "mentioned.0.name: String should have at least 1"),
        ({"mentioned": [{"name": "李四", "id": 1}]}, "mentioned.0.id: Unexpected keyword"),
        ({"quoted": {"kind": "text"}}, "quoted.text: Field required."),
        ({"client": 5}, "client: Input should be a valid string."),
    ],
)
async def test_an_impossible_message_is_rejected_with_the_place(
    http: httpx.AsyncClient, said: dict[str, Any], detail: str
) -> None:
    response = await http.post("/api/messages", json={"text": ""} | said)
    assert response.status_code == 400
    assert response.json()["detail"].startswith(detail)


def test_a_message_survives_its_json() -> None:
    said = UserMessage(
        "看看", mentioned=(LISI,), quoted=Quotation("旧", sender="李四"), client="iOS"
    )
    assert UserMessage.from_json(said.to_json()) == said
