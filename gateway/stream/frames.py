"""The frames of DingTalk's Stream mode: what comes, and how each is acknowledged.

A frame is a WebSocket message of text: a JSON object with a type, headers, and `data`, which is
JSON once more, in a string. An acknowledgement names the frame by its `messageId`, and holds `data`
of its own. Sources: the protocol's page, called *protocol* here (open-dingtalk/developerpedia,
docs/learn/stream/protocol.md), and the official SDKs (open-dingtalk/dingtalk-stream-sdk-*).

What comes is hostile until proven otherwise: it is read strictly, and a field of the wrong type
counts as absent.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from dingda.shared.dingtalk.card_action import response_to
from dingda.shared.dingtalk.fields import read_object, string
from dingda.shared.errors import InvalidMessageError

SYSTEM, EVENT, CALLBACK = "SYSTEM", "EVENT", "CALLBACK"
"""The types of frames (protocol)."""

PING, DISCONNECT = "ping", "disconnect"
"""The topics of SYSTEM (protocol). Others are seen but undocumented: CONNECTED, REGISTERED,
KEEPALIVE (the SDK for Node.js)."""

ROBOT_MESSAGE = "/v1.0/im/bot/messages/get"
CARD_ACTION = "/v1.0/card/instances/callback"
"""The topics of CALLBACK that we subscribe to (protocol)."""

_MAX_ID_CHARS = 512
_NO_RESPONSE = '{"response":null}'
_SUCCESS, _LATER = '{"status":"SUCCESS"}', '{"status":"LATER"}'


@dataclass(frozen=True, slots=True)
class Frame:
    """One delivery."""

    type: str
    topic: str
    message_id: str
    """Names this delivery, and no more: a message that is delivered again comes under another. What
    it was is said by its `data`."""
    headers: Mapping[str, Any] = field(repr=False)
    """As they came; an event says here what it is."""
    data: str = field(repr=False)
    """What the body of an HTTP callback would be."""


def read_frame(text: bytes) -> Frame:
    """Read a WebSocket message.

    Raises:
        InvalidMessageError: if it isn't strict JSON in UTF-8, no object, or without a `messageId`,
            by which it is acknowledged. The error quotes nothing of it.
    """
    fields = read_object(text)
    headers = fields.get("headers")
    if not isinstance(headers, dict):
        raise InvalidMessageError("headers are missing or not an object")
    message_id = string(headers, "messageId")
    if not 0 < len(message_id) <= _MAX_ID_CHARS:
        raise InvalidMessageError(f"messageId is missing or longer than {_MAX_ID_CHARS} characters")
    return Frame(
        type=string(fields, "type"),
        topic=string(headers, "topic"),
        message_id=message_id,
        headers=headers,
        data=string(fields, "data"),
    )


def pong(frame: Frame) -> bytes:
    """Answer a ping with its own `data`, {"opaque": …}; without it the server closes (protocol)."""
    return _acknowledge(frame, frame.data)


def system_done(frame: Frame) -> bytes:
    """Acknowledge any other SYSTEM frame.

    The protocol wants no answer to `disconnect`; the SDKs for Go and Python send one all the same,
    because the server repeats itself otherwise (the SDK for Go), and nothing is known to go wrong.
    """
    return _acknowledge(frame, "{}")


def message_done(frame: Frame) -> bytes:
    """Acknowledge a robot's message; the answer to its sender never goes this way (protocol)."""
    return _acknowledge(frame, _NO_RESPONSE)


def card_done(frame: Frame) -> bytes:
    """Acknowledge a click on a card.

    DingTalk reads the value of `response` as it reads the body of a response over HTTP.
    """
    return _acknowledge(frame, json.dumps({"response": response_to(frame.data.encode())}))


def event_done(frame: Frame) -> bytes:
    """Acknowledge an event: it does not come again (protocol)."""
    return _acknowledge(frame, _SUCCESS)


def event_later(frame: Frame) -> bytes:
    """Ask for an event to be sent again later (protocol).

    There is nothing like it for messages and cards. What is not acknowledged comes again: after
    60 s says the SDK for Node.js; after 16 s and 60 s it has been seen.
    """
    return _acknowledge(frame, _LATER)


def refused(frame: Frame, reason: str = HTTPStatus.BAD_REQUEST.phrase) -> bytes:
    """Say that a frame can't be read, and would not be if it came again (the SDK for Python).

    Args:
        frame: the one that came.
        reason: why, for whoever reads the acknowledgement.
    """
    return _acknowledge(frame, _NO_RESPONSE, HTTPStatus.BAD_REQUEST, reason)


def unknown(frame: Frame) -> bytes:
    """Say that nothing here takes frames of this type and topic (the SDK for Python)."""
    return _acknowledge(frame, _NO_RESPONSE, HTTPStatus.NOT_FOUND)


def _acknowledge(
    frame: Frame, data: str, status: HTTPStatus = HTTPStatus.OK, message: str = ""
) -> bytes:
    acknowledgement = {
        "code": status.value,
        "message": message or status.phrase,
        "headers": {"messageId": frame.message_id, "contentType": "application/json"},
        "data": data,
    }
    return json.dumps(acknowledgement, ensure_ascii=False).encode()
