"""The OpenAPI description of the simulator's API for cards, files and the OpenAPI's calls."""

from dingda.simulator.http.schema_parts import (
    Json,
    json_content,
    list_of,
    operation,
    parameter,
    ref,
)

_ID: Json = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string"}},
}
_OUT_TRACK_ID = parameter("out_track_id", "path", "The bot's own id of it, percent-encoded")


def card_paths() -> Json:
    """Describe the cards, and the calls of the OpenAPI."""
    card = "/api/cards/{out_track_id}"
    return {
        "/api/cards": {
            "get": operation(
                "Every card remembered, the oldest first", json_content(list_of("Card"))
            )
        },
        card: {
            "get": operation(
                "A card",
                json_content(ref("Card")),
                parameters=[_OUT_TRACK_ID],
            )
        },
        f"{card}/press": {
            "post": operation(
                "Press a button; returns once the bot has answered, or two seconds are over",
                json_content(ref("Press")),
                body="PressRequest",
                parameters=[_OUT_TRACK_ID],
            )
        },
        "/api/openapi": {
            "get": operation(
                "The calls of the OpenAPI, and what is left of the quotas",
                json_content(ref("OpenAPIState")),
            )
        },
        "/api/organisation": {
            "get": operation("The members of the organisation", json_content(ref("Organisation"))),
            "put": operation(
                "Choose the members; whoever has written to the bot is known besides",
                json_content(ref("Organisation")),
                body="Organisation",
            ),
        },
        "/api/openapi/faults": {
            "get": operation(
                "What goes wrong with the OpenAPI at present", json_content(ref("OpenAPIFaults"))
            ),
            "put": operation(
                "Choose what goes wrong with the OpenAPI",
                json_content(ref("OpenAPIFaults")),
                body="OpenAPIFaults",
            ),
        },
    }


def file_paths() -> Json:
    """Describe the files."""
    content: Json = {"application/octet-stream": {"schema": {"type": "string"}}}
    return {
        "/api/files": {
            "post": operation(
                "Give a file for a message to hold: the bytes, as application/octet-stream",
                json_content(_ID),
                parameters=[parameter("name", "query", "Such as plot.png")],
            )
        },
        "/api/files/{file_id}": {
            "get": operation(
                "A file that was given",
                content,
                parameters=[parameter("file_id", "path", "Its id")],
            )
        },
        "/api/media/{media_id}": {
            "get": operation(
                "A file that the bot uploaded",
                content,
                parameters=[parameter("media_id", "path", "Its mediaId, percent-encoded")],
            )
        },
    }
