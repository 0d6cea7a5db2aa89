"""Delivery: POST a reply once, and say truly what became of it.

A POST to a sessionWebhook can't be repeated safely: DingTalk offers no idempotency key there. So
the connection is opened first and the right to send is claimed last. What goes wrong before the
claim is a plain failure; what goes wrong after it is *unknown*.
"""

import asyncio
import json
import random
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import Any

import aiohttp
import httpx

from shared.errors import InvalidOriginError, LeaseLostError
from shared.origin import origin_of
from worker.transport import BEFORE_SEND, BeforeSend, ClaimingTransport

CONNECT_TIMEOUT_S = 5.0
POST_TIMEOUT_S = 15.0
"""Connect, write and read together, in seconds; the ledger waits a little longer."""
MAX_ANSWER_BYTES = 16 * 1024
_PAUSES_MS = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
_FEW_ATTEMPTS = 3
_TWO_ATTEMPTS = 2

# DingTalk's error codes ("custom-robots-send-group-messages", and what its users report).
_BUSY = frozenset({-1, 34015})
_THROTTLED = frozenset({130101, 410100, 660026})
_CALL_TIMED_OUT = 15
_CODE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_CONTENT = frozenset({34016, 40035, 101002, 310000, 400105, 460101, *range(430101, 430105)})
# 20 messages a minute; who goes on is shut out for ten.
_THROTTLE_MS, _LONG_THROTTLE_MS = 60_000, 600_000

_HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "accept": "application/json",
    "accept-encoding": "identity",
    "user-agent": "dingda/0.1",
}


@dataclass(frozen=True, slots=True)
class Delivered:
    """DingTalk took it (errcode 0)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It was definitely not shown, and may be next time."""

    pause_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It was definitely not shown, and never will be; `for_content` if a plainer text might be."""

    reason: str
    for_content: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been shown."""

    reason: str


Outcome = Delivered | Retry | Refused | Unknown


@dataclass(frozen=True, slots=True)
class HTTPAnswer:
    """What came back; the body is cut off just beyond `MAX_ANSWER_BYTES`."""

    status: int
    retry_after: str | None
    body: bytes


class Delivery:
    """POSTs replies to sessionWebhooks, and nowhere else.

    Args:
        client: an httpx client over a `ClaimingTransport`, which does not follow redirects.
        origins: the only origins to POST to, as `shared.origin` spells them.
    """

    def __init__(self, client: httpx.AsyncClient, *, origins: Collection[str]) -> None:
        self._client = client
        self._origins = origins

    async def post(
        self, url: str, body: bytes, *, before_send: BeforeSend, attempt: int, left_s: float
    ) -> Outcome:
        """POST a reply, once.

        Args:
            url: the message's sessionWebhook.
            body: the reply as UTF-8 JSON.
            before_send: claims the right to send, when the connection stands.
            attempt: which one this is, counted from 1.
            left_s: seconds until the session closes.

        Returns:
            What became of it; network trouble is an outcome too, never an exception.

        Raises:
            LeaseLostError: what `before_send` raises to stop it.
        """
        if not self._allows(url):
            return Refused("origin: not one of DINGDA_SESSION_WEBHOOK_ORIGINS")
        answer = await send_once(
            self._client, url, body, before_send=before_send, attempt=attempt, left_s=left_s
        )
        if not isinstance(answer, HTTPAnswer):
            return answer
        return classify(answer.status, answer.retry_after, answer.body, attempt)

    def _allows(self, url: str) -> bool:
        try:
            return origin_of(url) in self._origins
        except InvalidOriginError:
            return False


async def send_once(
    client: httpx.AsyncClient,
    url: str,
    body: bytes,
    *,
    before_send: BeforeSend,
    attempt: int,
    left_s: float,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> HTTPAnswer | Retry | Refused | Unknown:
    """POST once, over a `ClaimingTransport`; what goes wrong before the claim was not sent.

    Args:
        client: see `create_client`.
        url: where.
        body: UTF-8 JSON.
        before_send: claims the right to send, when the connection stands.
        attempt: which one this is, counted from 1.
        left_s: seconds until it is too late.
        headers: besides the usual ones.

    Raises:
        LeaseLostError: what `before_send` raises to stop it.
    """
    claimed = False

    async def claim() -> None:
        nonlocal claimed
        await before_send()
        claimed = True

    try:
        async with asyncio.timeout(min(POST_TIMEOUT_S, left_s)):
            return await _exchange(client, url, body, {**_HEADERS, **headers}, claim)
    except LeaseLostError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a transport raises is an outcome
        name = _name_of(error)
        return Unknown(name) if claimed else _not_sent(error, name, attempt)


async def _exchange(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str], claim: BeforeSend
) -> HTTPAnswer:
    async with client.stream(
        "POST", url, content=body, headers=headers, extensions={BEFORE_SEND: claim}
    ) as response:
        answer = bytearray()
        async for chunk in response.aiter_raw():
            answer += chunk
            if len(answer) > MAX_ANSWER_BYTES:
                break
        return HTTPAnswer(response.status_code, response.headers.get("retry-after"), bytes(answer))


def create_client() -> httpx.AsyncClient:
    """An HTTP client for replies: nothing from the environment, no redirects, no cookies."""
    return httpx.AsyncClient(
        transport=ClaimingTransport(),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(POST_TIMEOUT_S, connect=CONNECT_TIMEOUT_S, pool=None),
    )


def classify(status: int, retry_after: str | None, answer: bytes, attempt: int) -> Outcome:
    """Decide what an HTTP answer means.

    Args:
        status: the HTTP status.
        retry_after: the header, if any.
        answer: the body, cut off just beyond `MAX_ANSWER_BYTES`.
        attempt: which attempt this was, counted from 1.
    """
    reason = f"HTTP {status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _classify_answer(answer, attempt)
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return again(reason, attempt, at_least_ms=_milliseconds(retry_after))
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return again(reason, attempt, max_attempts=_TWO_ATTEMPTS)
    if status > HTTPStatus.INTERNAL_SERVER_ERROR:
        # A gateway in front of DingTalk gave up; what stands behind it may have posted.
        return Unknown(reason)
    return Refused(reason)


def _classify_answer(answer: bytes, attempt: int) -> Outcome:
    fields = parse_object(answer)
    if fields is None:
        return Unknown("the answer is not a JSON object of at most 16 KiB")
    code = _code_in(fields)
    if code is None:
        if fields.get("punish"):  # what its flood protection says instead (limits page)
            return throttled("flood protection", attempt)
        return Unknown("the answer has no errcode")
    reason = f"errcode {code}"
    if code == 0:
        return Delivered()
    if code in _BUSY:
        return again(reason, attempt, max_attempts=_FEW_ATTEMPTS)
    if code in _THROTTLED:
        return throttled(reason, attempt)
    if code == _CALL_TIMED_OUT:
        return Unknown(reason)
    return Refused(reason, for_content=code in _CONTENT)


def _code_in(fields: Mapping[str, Any]) -> int | None:
    """The errcode, which DingTalk documents as a number and shows as a string."""
    code = fields.get("errcode")
    if isinstance(code, str) and _CODE.fullmatch(code):
        return int(code)
    # Not int(code): of false and 0.5 that makes the 0 that means success.
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def parse_object(answer: bytes) -> dict[str, Any] | None:
    """Read a JSON object; None if it is none, or was cut off."""
    if len(answer) > MAX_ANSWER_BYTES:
        return None
    try:
        fields = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _not_sent(error: Exception, name: str, attempt: int) -> Retry | Refused:
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Refused(name)
    if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
        return again("tls: invalid certificate", attempt, max_attempts=_FEW_ATTEMPTS)
    return again(f"not connected: {name}", attempt)


def again(
    reason: str, attempt: int, *, max_attempts: int | None = None, at_least_ms: int = 0
) -> Retry | Refused:
    """Another attempt after a pause that grows up to a minute, unless there have been enough.

    Args:
        reason: why this one failed.
        attempt: which one it was, counted from 1.
        max_attempts: how many are enough; None: the session's end decides.
        at_least_ms: how long the server asked to be left alone, in ms.
    """
    if max_attempts is not None and attempt >= max_attempts:
        return Refused(reason)
    pause_ms = _PAUSES_MS[min(attempt, len(_PAUSES_MS)) - 1]
    # A server may ask for more patience, but not for more than twice ours.
    pause_ms = min(max(pause_ms, at_least_ms), 2 * pause_ms)
    return Retry(round(pause_ms * random.uniform(0.8, 1.2)), reason)  # noqa: S311 - spreads load


def throttled(reason: str, attempt: int) -> Retry:
    """Another attempt when DingTalk's throttle is over."""
    return Retry(_THROTTLE_MS if attempt == 1 else _LONG_THROTTLE_MS, reason)


def _milliseconds(retry_after: str | None) -> int:
    seconds = retry_after or ""
    return int(seconds[:6]) * 1000 if seconds.isascii() and seconds.isdigit() else 0


def _name_of(error: Exception) -> str:
    """Only the class: the words of an HTTP library's errors hold URLs.

    aiohttp's own, for httpx-aiohttp calls even a refused connection a timeout.
    """
    cause = error.__cause__ if isinstance(error, httpx.TransportError) else None
    return type(cause or error).__name__
