"""The OpenAPI description of the simulator's own API, with schemas from its types."""

from typing import Any

from pydantic import TypeAdapter

from dingda.simulator.dingtalk.faults import FaultSettings
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.user_message import UserMessage

_Json = dict[str, Any]

_MSG_ID: _Json = {
    "name": "msg_id",
    "in": "path",
    "required": True,
    "description": "DingTalk's msgId, percent-encoded: it holds `/`, `+` and `=`.",
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
        "/api/events": {
            "get": _operation(
                "Everything remembered, then every change: server-sent events named `beginning`, "
                "`record` (a Record), `bad_day` (a FaultSettings) and `revision`",
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


def _schemas() -> _Json:
    inputs = [
        (kind, "validation", TypeAdapter(kind)) for kind in (UserMessage, FaultSettings, Record)
    ]
    _, document = TypeAdapter.json_schemas(
        inputs,  # type: ignore[arg-type]
        ref_template="#/components/schemas/{model}",
    )
    schemas: _Json = document["$defs"]
    return schemas
