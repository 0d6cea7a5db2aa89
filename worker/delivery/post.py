"""One POST to DingTalk, made at most once.

Such a POST can't be repeated safely: DingTalk offers no idempotency key. So the connection is
opened first and the right to send is claimed last. A failure before the claim can be retried; after
it the outcome is *unknown*, unless not a byte was written.
"""

import asyncio
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dingda.shared.errors import InvalidOriginError, LeaseLostError, NotReplicatedError
from dingda.shared.runtime.egress import DIRECT, USER_AGENT, Egress, create_tls_context
from dingda.worker.delivery.classify import MAX_RESPONSE_BYTES
from dingda.worker.delivery.connector import ProxyRefusedError
from dingda.worker.delivery.outcome import FailureKind, Rejected, Retry, Unknown
from dingda.worker.delivery.transport import (
    BeforeSend,
    NotSentError,
    ReplyTransport,
    Request,
    Transport,
)
from dingda.worker.services.retry_after import parse_retry_after

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


def create_reply_transport(egress: Egress = DIRECT) -> ReplyTransport:
    """The transport of replies."""
    return ReplyTransport(egress, create_tls_context())


async def post(
    transport: Transport,
    url: str,
    body: bytes,
    *,
    before_send: BeforeSend,
    timeout_s: float,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> PostResponse | Retry | Rejected | Unknown:
    """POST once.

    Args:
        transport: see `create_reply_transport`.
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

    request = Request(url, {**_HEADERS, **headers}, body)
    try:
        async with asyncio.timeout(min(POST_TIMEOUT_S, timeout_s)):
            response = await transport.exchange(request, claim)
    except LeaseLostError:
        raise
    except NotReplicatedError:
        return Retry(FailureKind.CONNECTION, "not sent: no replica of Redis had the claim")
    except NotSentError:
        return Retry(FailureKind.CONNECTION, "not sent: the connection was closed first")
    except Exception as error:  # noqa: BLE001 - whatever a transport raises is an outcome
        # The class alone: a message may hold the URL.
        return Unknown(type(error).__name__) if claimed else _not_sent(error)
    return PostResponse(
        response.status,
        parse_retry_after(response.headers.get("retry-after", ""), now_s=time.time()) or 0.0,
        unpacked(response.body, response.headers.get("content-encoding", "")),
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


def _not_sent(error: Exception) -> Retry | Rejected:
    if isinstance(error, InvalidOriginError):
        return Rejected("the URL is none that a reply can be sent to")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Retry(FailureKind.CERTIFICATE, "tls: invalid certificate")
    what = str(error) if isinstance(error, ProxyRefusedError) else type(error).__name__
    return Retry(FailureKind.CONNECTION, f"not connected: {what}")
