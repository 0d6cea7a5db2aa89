"""A sample message as a callback's fields, as bytes and parsed; any field can be replaced."""

import json
from typing import Any

from dingda.shared.dingtalk.message import SESSION_LIFE_MS, Message, parse_message
from dingda.shared.dingtalk.signature import sign
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.simulator.dingtalk.callback import build_callback
from dingda.simulator.dingtalk.user_message import UserMessage

SESSION_WEBHOOK = (
    "https://oapi.dingtalk.com/robot/sendBySession?session=0123456789abcdef0123456789abcdef"
)


def callback_fields(text: str = "天气 北京", **fields: Any) -> dict[str, Any]:
    """The fields of a callback from a group; those given replace the sample's, or add to them."""
    now_ms = wall_clock_ms()
    sample = build_callback(
        UserMessage(text),
        session_webhook=SESSION_WEBHOOK,
        created_ms=now_ms,
        expires_ms=now_ms + SESSION_LIFE_MS,
    )
    return sample | fields


def a_callback(text: str = "天气 北京", **fields: Any) -> bytes:
    """The body of such a callback."""
    return json.dumps(callback_fields(text, **fields), ensure_ascii=False).encode()


def a_message(text: str = "天气 北京", **fields: Any) -> Message:
    """The message that the gateway makes of such a callback."""
    message = parse_message(a_callback(text, **fields))
    if not isinstance(message, Message):
        raise TypeError(f"no message for the bot: {message}")
    return message


def signed_headers(secret: str, *, timestamp_ms: int | None = None) -> dict[str, str]:
    """The headers of a callback that is signed with a secret, at present or at a time."""
    timestamp = str(wall_clock_ms() if timestamp_ms is None else timestamp_ms)
    return {
        "content-type": "application/json; charset=utf-8",
        "timestamp": timestamp,
        "sign": sign(timestamp, secret),
    }
