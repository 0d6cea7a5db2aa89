"""A robot's sends to a group, and its emotions on messages, are shown as DingTalk shows them."""

import json
from typing import Any

import pytest

from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.callback import GROUP_ID
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from tests.support.open_platform_caller import GROUP_SEND, PlatformCaller

REACT, TAKE_BACK = "/v1.0/robot/emotion/reply", "/v1.0/robot/emotion/recall"


def a_send(key: str = "sampleText", **values: str) -> dict[str, Any]:
    filled = values or {"content": "早上好"}
    return {
        "robotCode": APP_KEY,
        "openConversationId": GROUP_ID,
        "msgKey": key,
        "msgParam": json.dumps(filled, ensure_ascii=False),
    }


@pytest.mark.parametrize(
    ("send", "payload"),
    [
        (a_send(), {"msgtype": "text", "text": {"content": "早上好"}}),
        (
            a_send("sampleMarkdown", title="题", text="文"),
            {"msgtype": "markdown", "markdown": {"title": "题", "text": "文"}},
        ),
        (
            a_send("sampleImageMsg", photoURL="@lALx"),
            {"msgtype": "image", "image": {"photoURL": "@lALx"}},
        ),
        (
            a_send("sampleFile", mediaId="@lALx", fileName="a.pdf", fileType="pdf"),
            {
                "msgtype": "file",
                "file": {"mediaId": "@lALx", "fileName": "a.pdf", "fileType": "pdf"},
            },
        ),
    ],
)
async def test_what_is_sent_to_the_group_is_shown_there(
    caller: PlatformCaller, dingtalk: Simulation, send: dict[str, Any], payload: dict[str, Any]
) -> None:
    assert (await caller.post(GROUP_SEND, send))["processQueryKey"]
    (record,) = dingtalk.records.since(0)
    assert (record.said.single, record.prompted) == (False, False)
    assert [reply.payload for reply in record.shown] == [payload]


async def test_nobody_is_mentioned_by_a_send(caller: PlatformCaller, dingtalk: Simulation) -> None:
    await caller.post(GROUP_SEND, {**a_send(content="@0001 早"), "atUserIds": ["0001"]})
    assert dingtalk.records.since(0)[0].shown[0].notified == ()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"robotCode": "another"}, "invalidParameter.robotCode.auth"),
        ({"openConversationId": "cidOfAnother"}, "conversation.org.notMatch"),
        ({"msgKey": "sampleNothing"}, "invalidParameter.msgParam"),
        ({"msgParam": "{"}, "invalidParameter.msgParam"),
        ({"msgParam": {"content": "早"}}, "invalidParameter.msgParam"),
        ({"msgParam": json.dumps({"content": "长" * 5001})}, "invalidParameter.msgParam"),
    ],
)
async def test_what_is_wrong_with_a_send_is_named(
    caller: PlatformCaller, dingtalk: Simulation, fields: dict[str, Any], code: str
) -> None:
    answer = await caller.call("POST", GROUP_SEND, {**a_send(), **fields})
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert dingtalk.records.since(0) == []


def an_emotion(dingtalk: Simulation, **fields: str) -> dict[str, Any]:
    callback = json.loads(dingtalk.send(UserMessage("天气")).body)
    return {
        "robotCode": APP_KEY,
        "openMsgId": callback["msgId"],
        "openConversationId": callback["conversationId"],
        "emotionName": "🤔思考中",
        "textEmotion": {"text": "🤔思考中"},
        **fields,
    }


async def test_an_emotion_is_put_on_a_message_and_taken_back(
    caller: PlatformCaller, dingtalk: Simulation
) -> None:
    emotion = an_emotion(dingtalk)
    assert await caller.post(REACT, emotion) == {"success": True}
    assert dingtalk.records.since(0)[0].reactions == ("🤔思考中",)
    await caller.post(TAKE_BACK, emotion)
    assert dingtalk.records.since(0)[0].reactions == ()


@pytest.mark.parametrize(
    "fields", [{"openMsgId": "msgOfNobody"}, {"openConversationId": "cidOfAnother"}]
)
async def test_only_a_users_message_takes_an_emotion(
    caller: PlatformCaller, dingtalk: Simulation, fields: dict[str, str]
) -> None:
    answer = await caller.call("POST", REACT, an_emotion(dingtalk, **fields))
    assert answer.status_code == 500
