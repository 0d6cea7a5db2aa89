"""The message-receiving address: what DingTalk POSTs, and what it hears back.

The order of work keeps strangers cheap: headers, then the signature, and only then is a body read
and parsed. `{"msgtype":"empty"}` means *stored*. It is never sent earlier.
"""

import asyncio
import logging
from collections.abc import Callable
from email.message import Message as MIMEHeaders
from functools import lru_cache
from http import HTTPStatus

from redis.exceptions import RedisError
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from dingda.gateway.http.body import MAX_BODY_BYTES, BodyReader, drain, too_large
from dingda.gateway.http.rejection import RejectedError, RejectionLog
from dingda.gateway.http.replay import ReplayGuard
from dingda.gateway.intake import TRIP_S, Intake
from dingda.shared.errors import BusyError, InvalidMessageError, InvalidSignatureError
from dingda.shared.ledger import Ledger
from dingda.shared.message import EVENT_SUBSCRIPTION, Ignored, parse_message
from dingda.shared.reply import EMPTY, Text
from dingda.shared.signature import verify
from dingda.shared.states import Acceptance
from dingda.shared.texts import BUSY

logger = logging.getLogger(__name__)

_STORED = JSONResponse(EMPTY)
_BUSY = JSONResponse(Text(BUSY).to_payload())
_ADDRESS = PlainTextResponse("This is a robot's message-receiving address. DingTalk POSTs to it.\n")
_LOOKS = ("GET", "HEAD")
"""How DingTalk's console is said to try an address when it is saved; it wants any 200."""

Headers = dict[bytes, bytes]
"""As ASGI has them: names in lower case."""


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
        self._bodies = BodyReader()
        self._replays = ReplayGuard()
        self._rejections = RejectionLog()

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

    async def _hear(self, scope: Scope, receive: Receive) -> Response:
        headers: Headers = dict(scope["headers"])
        if scope["method"] in _LOOKS:
            return _ADDRESS
        _check_method(scope["method"])
        _check_upgrade(headers)
        _check_encoding(headers)
        _check_length(headers)
        if _is_probe(headers):
            self._rejections.note_probe()
            return _ADDRESS
        self._check_signature(headers, scope.get("query_string", b""))
        body = await self._bodies.read(receive)
        self._replays.admit(headers[b"sign"], len(body))
        try:
            message = parse_message(body)
        except InvalidMessageError as error:
            raise RejectedError(HTTPStatus.BAD_REQUEST, "body", str(error)) from None
        if isinstance(message, Ignored):
            await self._ignore(message)
            return _STORED
        self._replays.check(headers[b"sign"], message.id)
        try:
            acceptance = await self._intake.accept(message, body)
        except BusyError as busy:
            logger.warning("told an asker that we are busy: %s", busy)
            return _BUSY
        if acceptance is Acceptance.DUPLICATE:
            logger.debug("message %.8s came again", message.id)
        return _STORED

    def _check_signature(self, headers: Headers, query: bytes) -> None:
        if b"sign" not in headers and b"signature=" in query and b"nonce=" in query:
            reason = "event_subscription"
            raise RejectedError(HTTPStatus.UNAUTHORIZED, reason, EVENT_SUBSCRIPTION)
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
            async with asyncio.timeout(TRIP_S):
                await self._ledger.ignore(ignored.reason)
        except (RedisError, OSError, TimeoutError):
            logger.warning("could not count an ignored callback (%s)", ignored.reason)


def _check_method(method: str) -> None:
    if method != "POST":
        raise RejectedError(HTTPStatus.METHOD_NOT_ALLOWED, "method", "DingTalk sends POST")


def _is_probe(headers: Headers) -> bool:
    """Whether nobody signed anything: consoles and people try an address with an empty POST."""
    is_signed = b"sign" in headers or b"timestamp" in headers
    return headers.get(b"content-length") == b"0" and not is_signed


def _check_upgrade(headers: Headers) -> None:
    # `gateway.http.connections` passes over such an offer as a rule; its body can't be had here.
    if b"upgrade" in headers:
        detail = "leave out the Upgrade header: callbacks are taken as plain HTTP/1.1"
        raise RejectedError(HTTPStatus.BAD_REQUEST, "upgrade", detail)


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
        raise too_large()


async def _refuse(rejected: RejectedError, receive: Receive) -> JSONResponse:
    headers = {}
    if rejected.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
        headers["connection"] = "close"
    if rejected.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        await drain(receive)
    if rejected.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = "GET, HEAD, POST"
    content = {"error": rejected.reason, "detail": rejected.detail}
    return JSONResponse(content, rejected.status, headers)
