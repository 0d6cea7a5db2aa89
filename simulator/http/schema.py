"""The OpenAPI description of the simulator's own API, with schemas from its types."""

from typing import Any

from pydantic import TypeAdapter

from dingda.simulator.dingtalk.card import Card, Press, PressRequest
from dingda.simulator.dingtalk.faults import FaultSettings
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFaults
from dingda.simulator.dingtalk.openapi_usage import OpenAPIState
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.stream_commands import (
    CardPress,
    Disconnection,
    EventPush,
    FramePush,
)
from dingda.simulator.dingtalk.stream_faults import StreamFaults
from dingda.simulator.dingtalk.stream_pushes import PushRecord
from dingda.simulator.dingtalk.stream_state import StreamState
from dingda.simulator.dingtalk.user_message import Burst, UserMessage
from dingda.simulator.http.stream import OPEN_PATH

_Json = dict[str, Any]

_MSG_ID: _Json = {
    "name": "msg_id",
    "in": "path",
    "required": True,
    "description": "DingTalk's msgId, percent-encoded: it holds `/`, `+` and `=`.",
    "schema": {"type": "string"},
}
_OUT_TRACK_ID: _Json = {
    "name": "out_track_id",
    "in": "path",
    "required": True,
    "description": "The id that the bot gave the card, percent-encoded.",
    "schema": {"type": "string"},
}
_WAIT: _Json = {
    "name": "wait_s",
    "in": "query",
    "description": "How long to wait until a reply shows or there will be none, in seconds. "
    "The other parts of one that shows are waited for as well, for a second at the most.",
    "schema": {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
}
_VERBATIM: _Json = {
    "name": "verbatim",
    "in": "query",
    "description": "1: send the body byte for byte.",
    "schema": {"type": "string", "enum": ["0", "1"], "default": "0"},
}
_SESSION: _Json = {
    "name": "session",
    "in": "query",
    "required": True,
    "description": "The token of a message's sessionWebhook.",
    "schema": {"type": "string"},
}
_ERROR: _Json = {
    "type": "object",
    "required": ["error", "detail"],
    "properties": {
        "error": {"type": "string", "description": "A short name, for programs."},
        "detail": {"type": "string", "description": "A sentence, for people."},
    },
}
_OPENING: _Json = {
    "type": "object",
    "required": ["clientId", "clientSecret", "subscriptions"],
    "properties": {
        "clientId": {"type": "string"},
        "clientSecret": {"type": "string"},
        "subscriptions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "topic"],
                "properties": {"type": {"type": "string"}, "topic": {"type": "string"}},
            },
        },
    },
}
_OPENED: _Json = {
    "type": "object",
    "required": ["endpoint", "ticket"],
    "properties": {
        "endpoint": {"type": "string", "description": "Where to connect, with `?ticket=`."},
        "ticket": {"type": "string", "description": "Good for 90 s and for one connection."},
    },
}
_NO_BODY: _Json = {"type": "object"}
_CONNECTIONS: _Json = {
    "type": "object",
    "required": ["connections"],
    "properties": {"connections": {"type": "integer", "description": "How many there were."}},
}
_VERDICT: _Json = {
    "type": "object",
    "required": ["errcode", "errmsg"],
    "properties": {"errcode": {"type": "integer"}, "errmsg": {"type": "string"}},
}


def describe() -> _Json:
    """Build the document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "A simulated DingTalk",
            "version": "1",
            "description": "Speaks to a bot as DingTalk does, and tells what became of it.",
        },
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _paths() -> _Json:
    record = _json(_ref("Record"))
    message = "/api/messages/{msg_id}"
    return {
        "/api/messages": {
            "get": _operation("Every message remembered, the oldest first", _json(_list("Record"))),
            "post": _operation(
                "Say something; returns once the gateway has acknowledged it",
                record,
                body="UserMessage",
            ),
        },
        "/api/bursts": {
            "post": _operation(
                "Say the same many times at once; returns once each was acknowledged, or was not "
                "in time",
                _json(_list("Record")),
                body="Burst",
            )
        },
        "/api/callbacks": {
            "post": _operation(
                "Send any body, signed: of a JSON object msgId, createAt, sessionWebhook and "
                "sessionWebhookExpiredTime are made fresh, so that the reply comes back to here",
                record,
                body={},
                parameters=[_VERBATIM],
            )
        },
        message: {
            "get": _operation("What became of a message", record, parameters=[_MSG_ID, _WAIT])
        },
        f"{message}/redeliver": {
            "post": _operation("Send the same callback again", record, parameters=[_MSG_ID])
        },
        f"{message}/expire": {
            "post": _operation("Close the message's session now", record, parameters=[_MSG_ID])
        },
        f"{message}/curl": {
            "get": _operation("The callback, for the shell", _TEXT, parameters=[_MSG_ID])
        },
        f"{message}/test": {
            "get": _operation("The message as a pytest test", _TEXT, parameters=[_MSG_ID])
        },
        "/api/bad-day": {
            "get": _operation("What goes wrong at present", _json(_ref("FaultSettings"))),
            "put": _operation(
                "Choose what goes wrong", _json(_ref("FaultSettings")), body="FaultSettings"
            ),
        },
        **_card_paths(),
        **_stream_paths(),
        "/api/events": {
            "get": _operation(
                "Everything remembered, then every change: server-sent events named `beginning`, "
                "`record` (a Record), `card` (a Card), `bad_day` (a FaultSettings), `openapi` (an "
                "OpenAPIState), `stream` (a StreamState), `stream_faults` (a StreamFaults) and "
                "`revision`",
                {"text/event-stream": {"schema": {"type": "string"}}},
            )
        },
        "/api/health": {"get": _operation("Whether it is alive", _json({"type": "object"}))},
        "/openapi.json": {"get": _operation("This description", _json({"type": "object"}))},
        "/robot/sendBySession": {
            "post": _operation(
                "A reply, as a bot POSTs it; errors come with status 200 and an errcode",
                _json(_VERDICT),
                body={"type": "object"},
                parameters=[_SESSION],
            )
        },
    }


def _card_paths() -> _Json:
    card = "/api/cards/{out_track_id}"
    return {
        "/api/cards": {
            "get": _operation("Every card remembered, the oldest first", _json(_list("Card")))
        },
        card: {"get": _operation("A card", _json(_ref("Card")), parameters=[_OUT_TRACK_ID])},
        f"{card}/press": {
            "post": _operation(
                "Press a button; returns once the bot has answered, or two seconds are over",
                _json(_ref("Press")),
                body="PressRequest",
                parameters=[_OUT_TRACK_ID],
            )
        },
        "/api/openapi": {
            "get": _operation(
                "The calls of the OpenAPI, and what is left of the quotas",
                _json(_ref("OpenAPIState")),
            )
        },
        "/api/openapi/faults": {
            "get": _operation(
                "What goes wrong with the OpenAPI at present", _json(_ref("OpenAPIFaults"))
            ),
            "put": _operation(
                "Choose what goes wrong with the OpenAPI",
                _json(_ref("OpenAPIFaults")),
                body="OpenAPIFaults",
            ),
        },
    }


def _stream_paths() -> _Json:
    record = _json(_ref("PushRecord"))
    return {
        OPEN_PATH: {
            "post": _operation(
                "Open a Stream connection, as a bot does; errors have DingTalk's own form",
                _json(_OPENED),
                body=_OPENING,
            )
        },
        "/api/stream": {
            "get": _operation(
                "The Stream connections, and what became of the pushes", _json(_ref("StreamState"))
            )
        },
        "/api/stream/disconnect": {
            "post": _operation(
                "Tell every Stream connection to disconnect; it gets nothing more, and is cut "
                "ten seconds later",
                _json(_CONNECTIONS),
                body="Disconnection",
            )
        },
        "/api/stream/cut": {
            "post": _operation(
                "Cut the TCP connection of every Stream connection",
                _json(_CONNECTIONS),
                body=_NO_BODY,
            )
        },
        "/api/stream/faults": {
            "get": _operation(
                "What goes wrong with Stream at present", _json(_ref("StreamFaults"))
            ),
            "put": _operation(
                "Choose what goes wrong with Stream",
                _json(_ref("StreamFaults")),
                body="StreamFaults",
            ),
        },
        "/api/stream/pushes": {
            "get": _operation(
                "What became of the latest events, card callbacks and other frames, the oldest "
                "first",
                _json(_list("PushRecord")),
            )
        },
        "/api/stream/events": {
            "post": _operation(
                "Push an event; returns once its first delivery has ended",
                record,
                body="EventPush",
            )
        },
        "/api/stream/card-callbacks": {
            "post": _operation(
                "Press a card's button, or submit its form; returns as above",
                record,
                body="CardPress",
            )
        },
        "/api/stream/frames": {
            "post": _operation("Push any frame; returns as above", record, body="FramePush")
        },
    }


_TEXT: _Json = {"text/plain": {"schema": {"type": "string"}}}


def _operation(
    summary: str,
    content: _Json,
    *,
    body: str | _Json | None = None,
    parameters: list[_Json] | None = None,
) -> _Json:
    schema = _ref(body) if isinstance(body, str) else body
    return {
        "summary": summary,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _body(schema)} if schema is not None else {}),
        "responses": {
            "200": {"description": "As asked for", "content": content},
            "default": {"description": "What went wrong", "content": _json(_ERROR)},
        },
    }


def _body(schema: _Json) -> _Json:
    return {"required": True, "content": _json(schema)}


def _json(schema: _Json) -> _Json:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> _Json:
    return {"type": "array", "items": _ref(name)}


_KINDS = (
    UserMessage,
    Burst,
    FaultSettings,
    Record,
    Card,
    Press,
    PressRequest,
    OpenAPIState,
    OpenAPIFaults,
    StreamState,
    StreamFaults,
    PushRecord,
    Disconnection,
    EventPush,
    CardPress,
    FramePush,
)


def _schemas() -> _Json:
    inputs = [(kind, "validation", TypeAdapter(kind)) for kind in _KINDS]
    _, document = TypeAdapter.json_schemas(
        inputs,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    schemas: _Json = document["$defs"]
    return schemas
