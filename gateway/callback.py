"""The message-receiving address: what DingTalk POSTs, and what it hears back.

The order of work keeps strangers cheap: headers, then the signature, and only then is a body read
and parsed. `{"msgtype":"empty"}` means *stored*. It is never sent earlier.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from email.message import Message as MIMEHeaders
from functools import lru_cache
from http import HTTPStatus

from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from gateway.intake import Intake
from shared.errors import BusyError, InvalidMessageError, InvalidSignatureError
from shared.ledger import Acceptance, Ledger
from shared.message import Ignored, parse_message
from shared.reply import EMPTY, Text
from shared.signature import verify
from shared.texts import BUSY

logger = logging.getLogger(__name__)

_STORED = JSONResponse(EMPTY)
_BUSY = JSONResponse(Text(BUSY).to_payload())

MAX_BODY_BYTES = 64 * 1024
BODY_TIMEOUT_S = 3.0
_DRAIN_BYTES = 1024 * 1024
_DRAIN_S = 0.5
_LOG_INTERVAL_S = 10.0


Headers = dict[bytes, bytes]
"""As ASGI has them: names in lower case."""


class RejectedError(Exception):
    """A request that gets a 4xx; `reason` is a short name, `detail` a sentence for its sender."""

    def __init__(self, status: HTTPStatus, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


class Callback:
    """An ASGI endpoint; plain, because it is called once a message.

    Args:
        secrets: every active AppSecret.
        intake: stores the messages.
        ledger: counts what needs no answer.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(
        self,
        *,
        secrets: tuple[str, ...],
        intake: Intake,
        ledger: Ledger,
        now_ms: Callable[[], int],
    ) -> None:
        self._secrets = secrets
        self._intake = intake
        self._ledger = ledger
        self._now_ms = now_ms
        self._rejections = _RejectionLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            response = await self._hear(scope, receive)
        except RejectedError as rejected:
            self._rejections.note(rejected)
            response = await _refuse(rejected, receive)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _hear(self, scope: Scope, receive: Receive) -> JSONResponse:
        headers: Headers = dict(scope["headers"])
        _check_method(scope["method"])
        _check_encoding(headers)
        _check_length(headers)
        self._check_signature(headers)
        body = await _read(receive)
        try:
            message = parse_message(body)
        except InvalidMessageError as error:
            raise RejectedError(HTTPStatus.BAD_REQUEST, "body", str(error)) from None
        if isinstance(message, Ignored):
            await self._ignore(message)
            return _STORED
        try:
            acceptance = await self._intake.accept(message, body)
        except BusyError as busy:
            logger.warning("told an asker that we are busy: %s", busy)
            return _BUSY
        if acceptance is Acceptance.DUPLICATE:
            logger.debug("message %.8s came again", message.id)
        return _STORED

    def _check_signature(self, headers: Headers) -> None:
        try:
            verify(
                headers.get(b"timestamp", b""),
                headers.get(b"sign", b""),
                secrets=self._secrets,
                now_ms=self._now_ms(),
            )
        except InvalidSignatureError as error:
            raise RejectedError(HTTPStatus.UNAUTHORIZED, error.reason, str(error)) from None

    async def _ignore(self, ignored: Ignored) -> None:
        if ignored.reason == "over_quota":
            logger.error(
                "DingTalk sends messages without their text: this organisation's monthly quota is "
                "used up (errorCode 20001). Raise it in the console, under resource management."
            )
        try:
            await self._ledger.ignore(ignored.reason)
        except (RedisError, OSError):
            logger.warning("could not count an ignored callback (%s)", ignored.reason)


def _check_method(method: str) -> None:
    if method != "POST":
        raise RejectedError(HTTPStatus.METHOD_NOT_ALLOWED, "method", "DingTalk sends POST")


def _check_encoding(headers: Headers) -> None:
    fault = _encoding_fault(
        headers.get(b"content-type", b""), headers.get(b"content-encoding", b"")
    )
    if fault:
        raise RejectedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "encoding", fault)


@lru_cache(maxsize=64)
def _encoding_fault(content_type: bytes, content_encoding: bytes) -> str | None:
    if content_encoding.lower() not in (b"", b"identity"):
        return "the body must not be compressed"
    if not content_type:
        return None
    parsed = MIMEHeaders()
    parsed["content-type"] = content_type.decode("latin-1")
    if parsed.get_content_type() != "application/json":
        return "the body must be application/json"
    if parsed.get_content_charset("utf-8") not in ("utf-8", "utf8"):
        return "the body must be UTF-8"
    return None


def _check_length(headers: Headers) -> None:
    declared = headers.get(b"content-length", b"0")
    if not declared.isdigit() or int(declared[:20]) > MAX_BODY_BYTES:
        raise _too_large()


def _too_large() -> RejectedError:
    detail = f"the body is larger than {MAX_BODY_BYTES} bytes"
    return RejectedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "size", detail)


async def _read(receive: Receive) -> bytes:
    """Read a body of at most `MAX_BODY_BYTES` within `BODY_TIMEOUT_S`: uvicorn bounds neither."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            more = True
            while more:
                chunk, more = await _receive_chunk(receive)
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large()
    except TimeoutError:
        detail = f"the body did not arrive within {BODY_TIMEOUT_S:g} s"
        raise RejectedError(HTTPStatus.REQUEST_TIMEOUT, "slow", detail) from None
    return bytes(body)


async def _receive_chunk(receive: Receive) -> tuple[bytes, bool]:
    event = await receive()
    if event["type"] == "http.disconnect":
        raise ClientDisconnect
    return event.get("body", b""), event.get("more_body", False)


async def _refuse(rejected: RejectedError, receive: Receive) -> JSONResponse:
    headers = {}
    if rejected.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
        headers["connection"] = "close"
    if rejected.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        await _drain(receive)
    if rejected.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = "POST"
    content = {"error": rejected.reason, "detail": rejected.detail}
    return JSONResponse(content, rejected.status, headers)


async def _drain(receive: Receive) -> None:
    """Take a little of what still comes, or the sender would meet a reset and never read why."""
    drained, more = 0, True
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_S):
            while more and drained < _DRAIN_BYTES:
                chunk, more = await _receive_chunk(receive)
                drained += len(chunk)


class _RejectionLog:
    """One line for each reason every ten seconds: an operator must see it, a flood must not."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def note(self, rejected: RejectedError) -> None:
        self._counts[rejected.reason] += 1
        now = time.monotonic()
        if now - self._logged_at.get(rejected.reason, -_LOG_INTERVAL_S) >= _LOG_INTERVAL_S:
            self._logged_at[rejected.reason] = now
            count = self._counts[rejected.reason]
            logger.warning("rejected (%d so far): %s", count, rejected.detail)
