"""The OpenAPI description of the simulator's API for Stream mode."""

from dingda.simulator.http.schema_parts import Json, json_content, list_of, operation, ref
from dingda.simulator.http.stream import OPEN_PATH

_NO_BODY: Json = {"type": "object"}
_CONNECTIONS: Json = {
    "type": "object",
    "required": ["connections"],
    "properties": {"connections": {"type": "integer", "description": "How many there were."}},
}
_OPENING: Json = {
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
_OPENED: Json = {
    "type": "object",
    "required": ["endpoint", "ticket"],
    "properties": {
        "endpoint": {"type": "string", "description": "Where to connect, with `?ticket=`."},
        "ticket": {"type": "string", "description": "Good for 90 s and for one connection."},
    },
}


def stream_paths() -> Json:
    """Describe the connections, what goes wrong with them, and what is pushed over them."""
    record = json_content(ref("PushRecord"))
    return {
        OPEN_PATH: {
            "post": operation(
                "Open a Stream connection, as a bot does; errors have DingTalk's own form",
                json_content(_OPENED),
                body=_OPENING,
            )
        },
        "/api/stream": {
            "get": operation(
                "The Stream connections, and what became of the pushes",
                json_content(ref("StreamState")),
            )
        },
        "/api/stream/disconnect": {
            "post": operation(
                "Tell every Stream connection to disconnect; it gets nothing more, and is cut "
                "ten seconds later",
                json_content(_CONNECTIONS),
                body="Disconnection",
            )
        },
        "/api/stream/cut": {
            "post": operation(
                "Cut the TCP connection of every Stream connection",
                json_content(_CONNECTIONS),
                body=_NO_BODY,
            )
        },
        "/api/stream/faults": {
            "get": operation(
                "What goes wrong with Stream at present", json_content(ref("StreamFaults"))
            ),
            "put": operation(
                "Choose what goes wrong with Stream",
                json_content(ref("StreamFaults")),
                body="StreamFaults",
            ),
        },
        "/api/stream/pushes": {
            "get": operation(
                "What became of the latest events, card callbacks and other frames, the oldest "
                "first",
                json_content(list_of("PushRecord")),
            )
        },
        "/api/stream/events": {
            "post": operation(
                "Push an event; returns once its first delivery has ended",
                record,
                body="EventPush",
            )
        },
        "/api/stream/card-callbacks": {
            "post": operation(
                "Press a card's button, or submit its form; returns as above",
                record,
                body="CardPress",
            )
        },
        "/api/stream/frames": {
            "post": operation("Push any frame; returns as above", record, body="FramePush")
        },
    }
