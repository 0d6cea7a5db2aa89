"""Reading JSON from outside: strictly, and a field of the wrong type counts as absent."""

import json
from contextlib import suppress
from typing import Any, NoReturn

from pydantic_core import from_json

from dingda.shared.errors import InvalidMessageError


def read_object(body: bytes) -> dict[str, Any]:
    """Read a body that must be a JSON object. Of a key that occurs twice, the last value counts.

    Whoever reads a callback reads it with this function, so all agree on what is in it.

    Args:
        body: UTF-8, without a byte order mark.

    Raises:
        InvalidMessageError: if it isn't strict UTF-8 and JSON, or no object; the error quotes
            nothing of it.
    """
    fields = _read(body)
    if not isinstance(fields, dict):
        raise InvalidMessageError("the body is not a JSON object")
    return fields


def read_array(body: bytes) -> list[Any]:
    """Read a body that must be a JSON array; args and raises as `read_object`."""
    items = _read(body)
    if not isinstance(items, list):
        raise InvalidMessageError("the body is not a JSON array")
    return items


def _read(body: bytes | str) -> Any:
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        return _read_slowly(body)


def _read_slowly(body: bytes | str) -> Any:
    """Read what `from_json` refuses: half surrogates, and deep nesting; or say what is wrong."""
    try:
        # Decoded first: json.loads would also take UTF-16 and UTF-32 bytes.
        found = _STRICT.decode(body if isinstance(body, str) else body.decode("utf-8"))
        # Written out again, since the halves are in strings of any depth.
        return json.loads(encodable(json.dumps(found, ensure_ascii=False)))
    except UnicodeDecodeError:
        raise InvalidMessageError("the body is not UTF-8") from None
    except RecursionError:
        raise InvalidMessageError("the body is nested too deeply") from None
    except ValueError as error:
        # json's messages give a position and no content; ours names a rule.
        raise InvalidMessageError(f"the body is not strict JSON: {error}") from None


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


_STRICT = json.JSONDecoder(parse_constant=_reject_constant)


def mapping(value: Any) -> dict[str, Any]:
    """The object that a value is, or that it holds as a JSON string; else an empty one.

    DingTalk sends some contents either way.
    """
    value = _unpacked(value, "{")
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects in a list, or in a list that is a JSON string."""
    value = _unpacked(value, "[")
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _unpacked(value: Any, opening: str) -> Any:
    if isinstance(value, str) and value.startswith(opening):
        with suppress(InvalidMessageError):
            return _read(value)
    return value


def string(fields: dict[str, Any], name: str) -> str:
    """The field if it is a string, else ""."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def required(fields: dict[str, Any], name: str, max_chars: int) -> str:
    """The field, which must be a string with something in it.

    Raises:
        InvalidMessageError: if it is not, or is longer than *max_chars* characters.
    """
    value = string(fields, name)
    if not value:
        raise InvalidMessageError(f"{name} is missing or not a string")
    if len(value) > max_chars:
        raise InvalidMessageError(f"{name} is longer than {max_chars} characters")
    return value


def first_string(fields: dict[str, Any], *names: str) -> str:
    """The first of these fields that is a string with something in it, or ""."""
    return next(filter(None, (string(fields, name) for name in names)), "")


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
