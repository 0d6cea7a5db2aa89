"""Reading JSON from outside: a field of the wrong type counts as absent."""

import json
from typing import Any


def mapping(value: Any) -> dict[str, Any]:
    """The object that a value is, or that it holds as a JSON string; else an empty one.

    DingTalk sends some contents either way.
    """
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list, or in a list that is a JSON string."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def string(fields: dict[str, Any], name: str, *others: str) -> str:
    """The first of these fields that is a string with something in it, or ""."""
    value = fields.get(name)
    if isinstance(value, str) and value:
        return encodable(value)
    return string(fields, *others) if others else ""


def integer(value: Any) -> int | None:
    """DingTalk documents times as strings and sends numbers, or the other way round: take both."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def encodable(text: str) -> str:
    """The text with half surrogate pairs made whole, or replaced by U+FFFD."""
    # JSON can escape half a surrogate pair, which later fails to encode wherever it goes.
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
