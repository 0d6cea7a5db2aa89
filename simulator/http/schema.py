"""The OpenAPI description of the simulator's own API, with schemas from its types."""

from pydantic import TypeAdapter

from dingda.shared.runtime.inspection import OfferedSkills
from dingda.simulator.dingtalk.card import Card, Press, PressRequest
from dingda.simulator.dingtalk.exchange import Exchange, Workers
from dingda.simulator.dingtalk.faults import FaultSettings
from dingda.simulator.dingtalk.members import Organisation
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
from dingda.simulator.dingtalk.transcript import Transcript
from dingda.simulator.dingtalk.user_message import Burst, UserMessage
from dingda.simulator.http.schema_cards import card_paths, file_paths
from dingda.simulator.http.schema_parts import TEXT, Json, json_content, list_of, operation, ref
from dingda.simulator.http.schema_stream import stream_paths

_VERDICT: Json = {
    "type": "object",
    "required": ["errcode", "errmsg"],
    "properties": {"errcode": {"type": "integer"}, "errmsg": {"type": "string"}},
}

_MSG_ID: Json = {
    "name": "msg_id",
    "in": "path",
    "required": True,
    "description": "DingTalk's msgId, percent-encoded: it holds `/`, `+` and `=`.",
    "schema": {"type": "string"},
}
_WAIT: Json = {
    "name": "wait_s",
    "in": "query",
    "description": "How long to wait until a reply shows or there will be none, in seconds. "
    "The other parts of one that shows are waited for as well, for a second at the most.",
    "schema": {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
}
_AFTER: Json = {
    "name": "after",
    "in": "query",
    "description": "The revision that the caller has: wait for a later one.",
    "schema": {"type": "integer", "default": -1},
}
_WAIT_CHANGE: Json = {
    "name": "wait_s",
    "in": "query",
    "description": "How long to wait for it, in seconds.",
    "schema": {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
}
_VERBATIM: Json = {
    "name": "verbatim",
    "in": "query",
    "description": "1: send the body byte for byte.",
    "schema": {"type": "string", "enum": ["0", "1"], "default": "0"},
}
_SEND: Json = {
    "name": "send",
    "in": "query",
    "description": "1: send the messages to the bot instead of showing what was shown.",
    "schema": {"type": "string", "enum": ["0", "1"], "default": "0"},
}
_KEPT: Json = {
    "type": "object",
    "required": ["kept"],
    "properties": {"kept": {"type": "integer"}},
}
_SESSION: Json = {
    "name": "session",
    "in": "query",
    "required": True,
    "description": "The token of a message's sessionWebhook.",
    "schema": {"type": "string"},
}


def describe() -> Json:
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


def _paths() -> Json:
    record = json_content(ref("Record"))
    message = "/api/messages/{msg_id}"
    return {
        "/api/messages": {
            "get": operation(
                "Every message remembered, the oldest first", json_content(list_of("Record"))
            ),
            "post": operation(
                "Say something; returns once the gateway has acknowledged it",
                record,
                body="UserMessage",
            ),
            "delete": operation(
                "Forget all messages but those that the bot still works on; tells how many are "
                "kept",
                json_content(_KEPT),
            ),
        },
        "/api/transcript": {
            "get": operation(
                "What was said and shown, of cards what everybody sees, without tokens",
                json_content(ref("Transcript")),
            ),
            "post": operation(
                "Show a transcript in the chat, or send its messages again, each once the one "
                "before it is answered",
                json_content(list_of("Record")),
                body="Transcript",
                parameters=[_SEND],
            ),
        },
        "/api/bursts": {
            "post": operation(
                "Say the same many times at once; returns once each was acknowledged, or was not "
                "in time",
                json_content(list_of("Record")),
                body="Burst",
            )
        },
        "/api/callbacks": {
            "post": operation(
                "Send any body, signed: of a JSON object msgId, createAt, sessionWebhook and "
                "sessionWebhookExpiredTime are made fresh, so that the reply comes back to here",
                record,
                body={},
                parameters=[_VERBATIM],
            )
        },
        "/api/callbacks/preview": {
            "post": operation(
                "The body that a message would be sent as, without what is made fresh; nothing is "
                "sent",
                json_content({"type": "object"}),
                body="UserMessage",
            )
        },
        message: {
            "get": operation("What became of a message", record, parameters=[_MSG_ID, _WAIT])
        },
        f"{message}/exchange": {
            "get": operation(
                "What became of a message, and what the bot has sent of its own accord since",
                json_content(ref("Exchange")),
                parameters=[_MSG_ID, _AFTER, _WAIT_CHANGE],
            )
        },
        f"{message}/redeliver": {
            "post": operation("Send the same callback again", record, parameters=[_MSG_ID])
        },
        f"{message}/expire": {
            "post": operation("Close the message's session now", record, parameters=[_MSG_ID])
        },
        f"{message}/curl": {
            "get": operation("The callback, for the shell", TEXT, parameters=[_MSG_ID])
        },
        f"{message}/test": {
            "get": operation("The message as a pytest test", TEXT, parameters=[_MSG_ID])
        },
        "/api/skills": {
            "get": operation(
                "The skills of the worker that started last, and what one types for them; none "
                "where workers tell nothing",
                json_content(ref("OfferedSkills")),
            )
        },
        "/api/bad-day": {
            "get": operation("What goes wrong at present", json_content(ref("FaultSettings"))),
            "put": operation(
                "Choose what goes wrong", json_content(ref("FaultSettings")), body="FaultSettings"
            ),
        },
        **card_paths(),
        **file_paths(),
        **stream_paths(),
        "/api/events": {
            "get": operation(
                "Everything remembered, then every change: server-sent events named `beginning`, "
                "`record` (a Record), `card` (a Card), `bad_day` (a FaultSettings), `openapi` (an "
                "OpenAPIState), `people` (the members' names and userids), `robots` (their "
                "labels), `skills` (an OfferedSkills), `stream` (a StreamState), `stream_faults` "
                "(a StreamFaults) and `revision`",
                {"text/event-stream": {"schema": {"type": "string"}}},
            )
        },
        "/api/workers": {
            "get": operation("The bot's workers that are alive", json_content(ref("Workers")))
        },
        "/api/health": {"get": operation("Whether it is alive", json_content({"type": "object"}))},
        "/openapi.json": {"get": operation("This description", json_content({"type": "object"}))},
        "/robot/sendBySession": {
            "post": operation(
                "A reply, as a bot POSTs it; errors come with status 200 and an errcode",
                json_content(_VERDICT),
                body={"type": "object"},
                parameters=[_SESSION],
            )
        },
    }


_KINDS = (
    UserMessage,
    Burst,
    Exchange,
    Workers,
    FaultSettings,
    OfferedSkills,
    Record,
    Transcript,
    Card,
    Press,
    PressRequest,
    OpenAPIState,
    OpenAPIFaults,
    Organisation,
    StreamState,
    StreamFaults,
    PushRecord,
    Disconnection,
    EventPush,
    CardPress,
    FramePush,
)


def _schemas() -> Json:
    inputs = [(kind, "validation", TypeAdapter(kind)) for kind in _KINDS]
    _, document = TypeAdapter.json_schemas(
        inputs,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    schemas: Json = document["$defs"]
    return schemas
