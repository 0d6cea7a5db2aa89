"""Data for tests, as DingTalk would send it: each builder takes what its test is about."""

import json
import time
from collections.abc import Collection
from typing import Any

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.ledger.keys import LedgerKeys

KEYS = LedgerKeys("dingda")
"""The ledger's keys under the queue's usual name."""
SESSION_WEBHOOK = (
    "https://oapi.dingtalk.com/robot/sendBySession?session=0123456789abcdef0123456789abcdef"
)
SESSION_MS = 5_400_250
"""DingTalk: a session lasts 90 minutes and a little."""


def now_ms() -> int:
    """The present, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def callback_fields(text: str | None = "天气 北京", **fields: Any) -> dict[str, Any]:
    """The fields of a message in a group, as captured.

    Args:
        text: what was written; None leaves the `text` field out, as other types of message do.
        fields: replace those of the capture, or add to them.
    """
    said = {} if text is None else {"text": {"content": text}}
    return {
        "senderPlatform": "Mac",
        "conversationId": "cidAAAA==",
        "atUsers": [
            {"dingtalkId": "$:LWCP_v1:$bot"},
            {"dingtalkId": "$:LWCP_v1:$u1", "staffId": "0002"},
        ],
        "chatbotCorpId": "dingcorp",
        "chatbotUserId": "$:LWCP_v1:$bot",
        "msgId": "msgAAAA==",
        "senderNick": "张三",
        "isAdmin": False,
        "senderStaffId": "0001",
        "sessionWebhookExpiredTime": now_ms() + SESSION_MS,
        "createAt": now_ms(),
        "senderCorpId": "dingcorp",
        "conversationType": "2",
        "senderId": "$:LWCP_v1:$u0",
        "conversationTitle": "测试群",
        "isInAtList": True,
        "sessionWebhook": SESSION_WEBHOOK,
        "robotCode": "dingrobot",
        "msgtype": "text",
        **said,
        **fields,
    }


def a_callback(
    text: str | None = "天气 北京", *, without: Collection[str] = (), **fields: Any
) -> bytes:
    """The body of a callback: `callback_fields`, less those named in `without`."""
    kept = {k: v for k, v in callback_fields(text, **fields).items() if k not in without}
    return json.dumps(kept, ensure_ascii=False).encode()


def a_message(text: str = "天气 北京", **fields: Any) -> Message:
    """The message that such a callback makes; other `msgId`s make other messages."""
    message = parse_message(a_callback(text, **fields))
    assert isinstance(message, Message)
    return message


def event_headers(event_type: str = "chat_add_member", **headers: str) -> dict[str, str]:
    """The headers of an event's frame; `headers` replace or add some."""
    return {
        "eventType": event_type,
        "eventId": "e1",
        "eventCorpId": "dingcorp",
        "eventBornTime": "1700000000000",
        "eventUnifiedAppId": "app1",
        "messageId": "frame1",
        "topic": "*",
        **headers,
    }


def an_event(**data: Any) -> bytes:
    """The data of an event's frame."""
    return json.dumps({"chatId": "chat1", "userId": ["0002"], **data}).encode()


def a_card_callback(
    action_id: str = "approve", *, params: dict[str, Any] | None = None, **fields: Any
) -> bytes:
    """The callback of a press of a card's button; `fields` replace or add some."""
    private = {"actionIds": [action_id], "params": {"jobId": "42"} if params is None else params}
    return json.dumps(
        {
            "type": "actionCallback",
            "outTrackId": "card1",
            "corpId": "dingcorp",
            "userId": "0001",
            "userIdType": 1,
            "spaceType": "IM_GROUP",
            "spaceId": "cidAAAA==",
            "content": json.dumps({"cardPrivateData": private}),
            **fields,
        }
    ).encode()
