"""A request of a skill, and its response once it is read, whichever HTTP library carries them."""

import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
from yarl import URL

from dingda.worker.errors import BackendProtocolError
from dingda.worker.services.backend import Backend

Files = Mapping[str, tuple[str, bytes]]
"""What a form uploads: the name and the content of a file, by the field's name."""


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """All that is sent, apart from the client's own headers. Requests that are equal share a call.

    URLs and headers may hold keys, so they are not shown.
    """

    method: str
    url: URL = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """A response that has been read."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str


class ResponseTooLargeError(BackendProtocolError):
    """A response is longer than the backend's `max_bytes`."""


def parse_url(url: str) -> URL:
    """Parse the address of a service.

    Raises:
        ValueError: if it is no URL, or one that is neither http:// nor https://.
    """
    parsed = URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError("neither http:// nor https://")
    return parsed


def build_request(
    method: str,
    url: URL,
    *,
    params: Mapping[str, str | int | float] | None = None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    files: Files | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPRequest:
    """Build a request; see `Http.json` for the arguments.

    Raises:
        ValueError: if the JSON holds a number that is not finite.
    """
    body, content_type = _multipart(files) if files else _body(json, form)
    sent = dict(headers or {})
    if content_type and not any(name.lower() == "content-type" for name in sent):
        sent["Content-Type"] = content_type
    return HTTPRequest(method.upper(), _with_query(url, params), tuple(sent.items()), body)


async def read_body(backend: Backend, chunks: AsyncIterable[bytes]) -> bytes:
    """Read a body.

    Raises:
        ResponseTooLargeError: if it is larger than the backend's `max_bytes`.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > backend.max_bytes:
            raise ResponseTooLargeError(backend.name, f"more than {backend.max_bytes} bytes")
    return bytes(body)


def _with_query(url: URL, params: Mapping[str, str | int | float] | None) -> URL:
    if not params:
        return url
    return url.with_query({name: _query_value(value) for name, value in params.items()})


def _query_value(value: str | float) -> str | float:
    # A truth value is an int to Python's types, but none in a query.
    return str(value).lower() if isinstance(value, bool) else value


def _multipart(files: Files) -> tuple[bytes, str]:
    """A form that uploads files, as httpx writes it: names are escaped as browsers do."""
    request = httpx.Request("POST", "http://localhost", files=files)
    return request.read(), request.headers["content-type"]


def _body(data: Any, form: Mapping[str, str] | None) -> tuple[bytes | None, str]:
    """The body and its type."""
    if form:
        return urlencode(form).encode(), "application/x-www-form-urlencoded"
    if data is not None:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode(), "application/json"
    return None, ""
