"""What the OpenAPI description is made of."""

from typing import Any

Json = dict[str, Any]

_ERROR: Json = {
    "type": "object",
    "required": ["error", "detail"],
    "properties": {
        "error": {"type": "string", "description": "A short name, for programs."},
        "detail": {"type": "string", "description": "A sentence, for people."},
    },
}


def parameter(name: str, place: str, description: str) -> Json:
    """A parameter that must be there."""
    schema = {"type": "string"}
    return {
        "name": name,
        "in": place,
        "required": True,
        "description": description,
        "schema": schema,
    }


TEXT: Json = {"text/plain": {"schema": {"type": "string"}}}


def operation(
    summary: str,
    content: Json,
    *,
    body: str | Json | None = None,
    parameters: list[Json] | None = None,
) -> Json:
    """One operation of a path."""
    schema = ref(body) if isinstance(body, str) else body
    return {
        "summary": summary,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": _body(schema)} if schema is not None else {}),
        "responses": {
            "200": {"description": "As asked for", "content": content},
            "default": {"description": "What went wrong", "content": json_content(_ERROR)},
        },
    }


def _body(schema: Json) -> Json:
    return {"required": True, "content": json_content(schema)}


def json_content(schema: Json) -> Json:
    """Content that is JSON."""
    return {"application/json": {"schema": schema}}


def ref(name: str) -> Json:
    """A schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(name: str) -> Json:
    """An array of what has a name."""
    return {"type": "array", "items": ref(name)}
