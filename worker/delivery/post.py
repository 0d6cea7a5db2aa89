"""One POST to DingTalk, made at most once.

Such a POST can't be repeated safely: DingTalk offers no idempotency key. So the connection is
opened first and the right to send is claimed last. A failure before the claim can be retried; after
it the outcome is *unknown*.
"""

import asyncio
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType

import aiohttp
import httpx

from dingda.shared.errors import LeaseLostError
from dingda.worker.delivery.classify import MAX_RESPONSE_BYTES
from dingda.worker.delivery.outcome import FailureKind, Rejected, Retry, Unknown
from dingda.worker.delivery.transport import BEFORE_SEND, BeforeSend, ClaimingTransport
from dingda.worker.services.egress import DIRECT, USER_AGENT, Egress
from dingda.worker.services.retry_after import parse_retry_after

CONNECT_TIMEOUT_S = 5.0
POST_TIMEOUT_S = 15.0
"""Connect, write and read together, in seconds; the ledger waits a little longer."""
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_OR_ZLIB = zlib.MAX_WBITS + 32

_HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": USER_AGENT,
}


@dataclass(frozen=True, slots=True)
class PostResponse:
    """DingTalk's response, read up to `MAX_RESPONSE_BYTES`."""

    status: int
    retry_after_s: float
    """Its Retry-After, in seconds; 0 where there is none."""
    body: bytes
    """Unpacked, and cut off just beyond `MAX_RESPONSE_BYTES`."""


def create_reply_client(egress: Egress = DIRECT) -> httpx.AsyncClient:
    """An HTTP client for replies: nothing from the environment, no redirects, no cookies."""
    return httpx.AsyncClient(
        **egress.transports(ClaimingTransport),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(POST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=None),
    )


async def post(
    client: httpx.AsyncClient,
    url: str,
    body: bytes,
    *,
    before_send: BeforeSend,
    timeout_s: float,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> PostResponse | Retry | Rejected | Unknown:
    """POST once, over a `ClaimingTransport`.

    Args:
        client: see `create_reply_client`.
        url: where to.
        body: UTF-8 JSON.
        before_send: claims the right to send, once the connection is open.
        timeout_s: seconds until the deadline.
        headers: additional headers.

    Returns:
        The response; where there is none, the outcome. A network error is never an exception.

    Raises:
        LeaseLostError: what `before_send` raises to stop it.
    """
    claimed = False

    async def claim() -> None:
        nonlocal claimed
        await before_send()
        claimed = True

    try:
        async with asyncio.timeout(min(POST_TIMEOUT_S, timeout_s)):
            return await _exchange(client, url, body, {**_HEADERS, **headers}, claim)
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a transport raises is an outcome
        name = _name_of(error)
        return Unknown(name) if claimed else _not_sent(error, name)


async def _exchange(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], claim: BeforeSend
) -> PostResponse:
    async with client.stream(
        "POST", url, content=body, headers=headers, extensions={BEFORE_SEND: claim}
    ) as response:
        received = bytearray()
        if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:  # else the status is enough
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > MAX_RESPONSE_BYTES:
                    break
        return PostResponse(
            response.status_code,
            parse_retry_after(response.headers.get("retry-after", ""), now_s=time.time()) or 0.0,
            unpacked(bytes(received), response.headers.get("content-encoding", "")),
        )


def unpacked(body: bytes, encoding: str) -> bytes:
    """Unpack a response that is gzip or deflate although we asked for neither.

    Args:
        body: the raw body, cut off just beyond `MAX_RESPONSE_BYTES`.
        encoding: the response's Content-Encoding. The body's first bytes count more: no JSON begins
            as gzip does.

    Returns:
        The unpacked body, cut off just beyond `MAX_RESPONSE_BYTES` as well; nothing if it is
        corrupt or incomplete.
    """
    if body.startswith(_GZIP_MAGIC):
        return _inflated(body, _GZIP_OR_ZLIB) or b""
    if encoding.strip().lower() == "deflate":
        # By RFC 9110 in zlib's format; many servers omit its header, and some don't pack at all.
        return _inflated(body, _GZIP_OR_ZLIB) or _inflated(body, -zlib.MAX_WBITS) or body
    return body


def _inflated(body: bytes, window_bits: int) -> bytes | None:
    unpacking = zlib.decompressobj(window_bits)
    try:
        text = unpacking.decompress(body, MAX_RESPONSE_BYTES + 1)
    except zlib.error:
        return None
    return text if unpacking.eof or len(text) > MAX_RESPONSE_BYTES else None


def _not_sent(error: Exception, name: str) -> Retry | Rejected:
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Rejected(name)
    if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
        return Retry(FailureKind.CERTIFICATE, "tls: invalid certificate")
    if isinstance(error.__cause__, aiohttp.ClientHttpProxyError):
        return Retry(
            FailureKind.CONNECTION, f"not connected: the proxy says {error.__cause__.status}"
        )
    return Retry(FailureKind.CONNECTION, f"not connected: {name}")


def _name_of(error: Exception) -> str:
    """The class alone, since the messages of an HTTP library's errors hold URLs.

    It is aiohttp's class: httpx-aiohttp calls even a refused connection a timeout.
    """
    cause = error.__cause__ if isinstance(error, httpx.TransportError) else None
    return type(cause or error).__name__
