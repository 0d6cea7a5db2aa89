"""The message-receiving address: what DingTalk POSTs, and how it is acknowledged.

The order of work keeps strangers cheap: headers, then the signature, and only then is a body read
and parsed. `{"msgtype":"empty"}` means *stored*. It is never sent earlier.
"""

import logging
from collections.abc import Callable
from email.message import Message as MIMEHeaders
from functools import lru_cache
from http import HTTPStatus
from time import perf_counter

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from dingda.gateway.http.body import BodyReader, check_length, drain
from dingda.gateway.http.rejection import RejectedError
from dingda.gateway.http.replay import ReplayGuard
from dingda.gateway.metrics import CallbackOutcome, GatewayMetrics
from dingda.gateway.receiver import (
    Ack,
    Busy,
    Delayed,
    Duplicate,
    Invalid,
    Misdirected,
    Receiver,
    Stored,
)
from dingda.gateway.throttled_log import ThrottledLog
from dingda.shared.dingtalk.message import EVENT_SUBSCRIPTION, Ignored
from dingda.shared.dingtalk.reply import EMPTY, Text
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.dingtalk.signature import verify
from dingda.shared.errors import InvalidSignatureError
from dingda.shared.texts import BUSY, LATE

logger = logging.getLogger(__name__)

_EMPTY = JSONResponse(EMPTY)
_BUSY = JSONResponse(Text(BUSY).to_payload())
_LATE = JSONResponse(Text(LATE).to_payload())
_ADDRESS = PlainTextResponse("This is a robot's message-receiving address. DingTalk POSTs to it.\n")
_READS = ("GET", "HEAD")
"""How DingTalk's console is said to try an address when it is saved; it wants any 200."""

_PROBE = "an empty request without a signature tries the address; no message is in it"

Headers = dict[bytes, bytes]
"""As ASGI has them: names in lower case."""


class Callback:
    """An ASGI endpoint; plain, because it is called once a message.

    Args:
        robots: those whose callbacks are taken.
        receiver: stores the messages.
        now_ms: the clock, in ms since 1970.
        metrics: counts the requests.
    """

    def __init__(
        self,
        *,
        robots: Robots,
        receiver: Receiver,
        now_ms: Callable[[], int],
        metrics: GatewayMetrics | None = None,
    ) -> None:
        signers = [(secret, robot) for robot in robots for secret in robot.secrets]
        self._secrets = [secret for secret, _ in signers]
        self._signers = [robot for _, robot in signers]
        self._receiver = receiver
        self._now_ms = now_ms
        self._bodies = BodyReader()
        self._replays = ReplayGuard()
        self._log = ThrottledLog(logger)
        self._metrics = metrics or GatewayMetrics()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        response: Response | None = None
        outcome = CallbackOutcome.FAILED
        began_s = perf_counter()
        try:
            outcome, response = await self._respond(scope, receive)
        except RejectedError as rejected:
            self._log.note(rejected.reason, "rejected (%d so far): %s", rejected.detail)
            response = await _reject(rejected, receive)
            outcome = rejected.outcome
        except ClientDisconnect:
            outcome = CallbackOutcome.DISCONNECTED
        finally:
            self._metrics.callback_ended(outcome, perf_counter() - began_s)
        if response is not None:
            await response(scope, receive, send)

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[CallbackOutcome, Response]:
        headers: Headers = dict(scope["headers"])
        if scope["method"] in _READS:
            return CallbackOutcome.PROBE, _ADDRESS
        _check_method(scope["method"])
        _check_upgrade(headers)
        _check_encoding(headers)
        check_length(headers.get(b"content-length", b"0"))
        if _is_probe(headers):
            self._log.note("probe", "probed (%d so far): %s", _PROBE)
            return CallbackOutcome.PROBE, _ADDRESS
        robot = self._find_signer(headers, scope.get("query_string", b""))
        body = await self._bodies.read(receive)
        signature = self._replays.find(headers[b"sign"])
        signature.admit(len(body))
        return _acknowledge(await self._receiver.receive(body, robot, check=signature.check))

    def _find_signer(self, headers: Headers, query: bytes) -> Robot:
        """The robot whose secret signed the request."""
        if b"sign" not in headers and b"signature=" in query and b"nonce=" in query:
            reason = "event_subscription"
            raise RejectedError(HTTPStatus.UNAUTHORIZED, reason, EVENT_SUBSCRIPTION)
        try:
            index = verify(
                headers.get(b"timestamp", b""),
                headers.get(b"sign", b""),
                secrets=self._secrets,
                now_ms=self._now_ms(),
            )
        except InvalidSignatureError as error:
            raise RejectedError(HTTPStatus.UNAUTHORIZED, error.reason, str(error)) from None
        return self._signers[index]


def _acknowledge(ack: Ack) -> tuple[CallbackOutcome, Response]:
    match ack:
        case Stored():
            return CallbackOutcome.STORED, _EMPTY
        case Delayed():
            return CallbackOutcome.STORED, _LATE
        case Duplicate():
            return CallbackOutcome.DUPLICATE, _EMPTY
        case Ignored():
            return CallbackOutcome.IGNORED, _EMPTY
        case Busy(reason):
            logger.warning("told a sender that we are busy: %s", reason)
            return CallbackOutcome.BUSY, _BUSY
        case Invalid(reason):
            raise RejectedError(HTTPStatus.BAD_REQUEST, "body", reason)
        case Misdirected(reason):
            outcome = CallbackOutcome.MISDIRECTED
            raise RejectedError(HTTPStatus.FORBIDDEN, "robot", reason, outcome)


def _check_method(method: str) -> None:
    if method != "POST":
        raise RejectedError(HTTPStatus.METHOD_NOT_ALLOWED, "method", "DingTalk sends POST")


def _is_probe(headers: Headers) -> bool:
    """Whether it is an empty POST without a signature: consoles and people try an address so."""
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


async def _reject(rejected: RejectedError, receive: Receive) -> JSONResponse:
    headers = {}
    if rejected.status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT):
        headers["connection"] = "close"
    if rejected.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        await drain(receive)
    if rejected.status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = "GET, HEAD, POST"
    content = {"error": rejected.reason, "detail": rejected.detail}
    return JSONResponse(content, rejected.status, headers)
