"""The frames of DingTalk's Stream mode, as they are on the wire.

Facts: "Stream 模式" protocol of open-dingtalk/developerpedia, and what the official SDKs read and
write. A frame is one JSON object in a WebSocket text; every header is a string, and so is `data`,
which holds JSON again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

FrameType = Literal["CALLBACK", "EVENT", "SYSTEM"]

ROBOT_TOPIC = "/v1.0/im/bot/messages/get"
CARD_TOPIC = "/v1.0/card/instances/callback"
ANY_EVENT = "*"
"""The one topic of events; which of them come is chosen in the console."""
KNOWN_TOPICS = frozenset({ROBOT_TOPIC, CARD_TOPIC, ANY_EVENT})

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Push:
    """What is delivered in one frame, or in several if the first is not acknowledged.

    Attributes:
        type: the frame's type.
        topic: what a connection must have subscribed to.
        data: JSON.
        headers: those of its own, besides the ones that every frame has.
    """

    type: FrameType
    topic: str
    data: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_frame(self, *, message_id: str, now_ms: int, connection_id: str = "") -> str:
        """Write the frame of one delivery.

        Args:
            message_id: new for every delivery, which a redelivery is as well.
            now_ms: in ms since 1970.
            connection_id: "" for a frame that does not name its connection.
        """
        headers = {
            **({"connectionId": connection_id} if connection_id else {}),
            "contentType": "application/json",
            "messageId": message_id,
            "time": str(now_ms),
            "topic": self.topic,
            **self.headers,
        }
        frame = {"specVersion": "1.0", "type": self.type, "headers": headers, "data": self.data}
        return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def ping(opaque: str) -> Push:
    """DingTalk's own ping, which is no WebSocket ping: its answer is an ack with the same data."""
    return Push("SYSTEM", "ping", json.dumps({"opaque": opaque}))


def disconnect(reason: str) -> Push:
    """What announces that the connection ends."""
    return Push("SYSTEM", "disconnect", json.dumps({"reason": reason}, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class StreamAck:
    """A client's response to one frame."""

    message_id: str
    code: int
    data: dict[str, Any] = field(repr=False)
    """What the JSON in `data` holds; {} if it is no object."""
    text: str = field(repr=False)
    """The frame as it came."""

    @property
    def taken(self) -> bool:
        """Whether the push is over: it comes again after a 500, or an event's `LATER`.

        No source says what follows a 400 or 404; to push again what a client does not know would
        be no use.
        """
        return self.code < _SERVER_ERROR and self.data.get("status") != "LATER"


class Undelivered(StrEnum):
    """Why a push was not acknowledged."""

    NO_CONNECTION = "no_connection"
    NO_ACK = "no_ack"


Outcome = StreamAck | Undelivered
"""What one delivery ended with."""


def is_taken(outcome: Outcome) -> bool:
    """Whether a delivery was the last of its push."""
    return isinstance(outcome, StreamAck) and outcome.taken


def parse_ack(text: str) -> StreamAck | None:
    """Read what a client sent; None if it is no ack."""
    frame = _object(text)
    headers = frame.get("headers")
    message_id = headers.get("messageId") if isinstance(headers, dict) else None
    code, data = frame.get("code"), frame.get("data", "")
    if not isinstance(message_id, str) or type(code) is not int or not isinstance(data, str):
        return None
    return StreamAck(message_id, code, _object(data), text)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
