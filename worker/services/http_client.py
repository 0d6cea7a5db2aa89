"""Calling backends with care: within their bounds, once for equal calls, never while they are down.

A call goes: an equal one under way? > the line (`worker.services.line`) > the breaker
(`worker.services.breaker`) > the wire, within the backend's own time > what the answer means for
the calls after it.
"""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import aiohttp
import httpx
import stamina
from httpx_aiohttp import AiohttpTransport

from dingda.worker.errors import (
    BackendError,
    BackendProtocolError,
    BackendQuotaError,
    BackendUnavailableError,
)
from dingda.worker.services.backend import Backend
from dingda.worker.services.breaker import Breaker
from dingda.worker.services.line import Line
from dingda.worker.services.retry_after import seconds_asked
from dingda.worker.services.single_flight import SharedCallCancelledError, SingleFlight
from dingda.worker.services.way_out import STRAIGHT, USER_AGENT, Pace, WayOut

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
_KEEP_ALIVE_S = 4.0
"""Less than the five seconds of many servers: a connection that is closed as we use it costs a call
that may not be repeated."""
MAX_REST_S = 600.0
"""How long a backend that asks to be left alone (Retry-After) is, at the most, in seconds."""
_MAX_RETRY_PAUSE_S = 2.0
_MAX_DIGITS = 300
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class JSONResponse:
    """What a backend answered: the HTTP status, and the JSON in it.

    >>> JSONResponse(200, {"hours": 38}).data["hours"]
    38
    """

    status: int
    data: Any


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes = field(repr=False)
    retry_after: str


@dataclass(slots=True)
class _Endpoint:
    """What one process knows of a backend at one host."""

    line: Line
    breaker: Breaker
    resting: "_Rest | None" = None


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when no calls are made, and why."""

    until: datetime
    is_quota: bool

    def error(self, service: str, now: datetime) -> BackendError:
        if self.is_quota:
            reason = f"our quota is used up until {self.until.isoformat(timespec='minutes')}"
            return BackendQuotaError(service, reason, until=self.until, now=now)
        return BackendUnavailableError(service, "it asked to be left alone")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Http:
    """One process's way to all backends.

    Each backend has at each host a line of calls that wait for it, and a circuit breaker.
    Nothing comes from the environment, redirects are not followed, no cookies are kept, and no URL
    is logged: keys stand in them.

    Args:
        client: the httpx client to use; see `create_client`.
        now: the wall clock, for quotas that come back at midnight.

    >>> @skill.command("工时")
    ... async def hours(ctx: Context) -> str:
    ...     answer = await ctx.services.http.json("工时系统", "GET", "https://hours.example/")
    ...     return f"{answer.data['hours']} 小时"
    >>> played = httpx.MockTransport(lambda request: httpx.Response(200, json={"hours": 38}))
    >>> asyncio.run(ask(skill, "工时", transport=played)).content
    '38 小时'
    """

    def __init__(
        self, client: httpx.AsyncClient, *, now: Callable[[], datetime] = _utc_now
    ) -> None:
        self._client = client
        self._now = now
        self._endpoints: dict[tuple[Backend, bytes], _Endpoint] = {}
        self._flights = SingleFlight()

    async def json(  # noqa: PLR0913 - what an HTTP request has
        self,
        backend: Backend | str,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int | float] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 0,
        shared: bool | None = None,
    ) -> JSONResponse:
        """Call a backend and read its JSON.

        Time that is spent in line, while others call the same backend, is not the skill's.

        Args:
            backend: the service with its bounds; or only its name as people know it.
            method: the HTTP method.
            url: where, without a query.
            params: the query.
            json: a body to send as JSON; or
            form: one to send as a form.
            headers: besides the usual ones.
            retries: how often to try again when the backend is unavailable. Only for calls that may
                be repeated, and only where the service says that it helps.
            shared: whether calls that are equal in everything, headers too, are made once if they
                come while one is under way; None: if the method is a safe one, such as GET. True
                only for calls that may be repeated, False for what is looked up for a person.

        Returns:
            The answer, whatever its status below 500 except 429: what it means is the service's.

        Raises:
            BackendUnavailableError: if it can't be reached in time, is overloaded, or has failed so
                often that it is left alone for a while.
            BackendBusyError: if too many others were asking.
            BackendQuotaError: if the backend's `quota` says so.
            BackendProtocolError: if the answer is too large or no JSON.
        """
        if isinstance(backend, str):
            backend = Backend(backend)
        request = self._client.build_request(
            method, url, params=params, json=json, data=form, headers=headers
        )
        call = partial(self._call_patiently, backend, request, retries)
        if request.method in _SAFE if shared is None else shared:
            try:
                answer = await self._flights.run(_identity(backend, request), call)
            except SharedCallCancelledError as error:
                raise BackendUnavailableError(backend.name, str(error)) from None
        else:
            answer = await call()
        # Parsed for each caller, since a skill may change what it gets.
        return JSONResponse(answer.status, _parse(backend.name, answer.body))

    async def _call_patiently(
        self, backend: Backend, request: httpx.Request, retries: int
    ) -> _Answer:
        async for attempt in stamina.retry_context(
            on=_retry_pause,
            attempts=1 + retries,
            # One that has kept us waiting for as long as it may won't be better the second time.
            timeout=backend.timeout_s,
            wait_initial=0.2,
            wait_max=2.0,
        ):
            with attempt:
                return await self._call(backend, request)
        raise AssertionError("stamina ends with an answer or an exception")

    async def _call(self, backend: Backend, request: httpx.Request) -> _Answer:
        endpoint = self._endpoint(backend, request)
        began = called = time.monotonic()
        outcome, size = "failed", 0
        try:
            # Before waiting, and again with a place: others have tried meanwhile.
            self._check(backend, endpoint)
            async with endpoint.line.place():
                self._check(backend, endpoint)
                called = time.monotonic()
                with endpoint.breaker.call():
                    answer = await self._exchange(backend, request)
                    outcome, size = str(answer.status), len(answer.body)
                    self._judge(backend, endpoint, answer)
        except BackendError as error:
            outcome = error.reason
            raise
        finally:
            logger.info(
                "%s (%s) %s in %d ms, %d bytes, after %d ms in line",
                backend.name,
                request.url.host,
                outcome,
                (time.monotonic() - called) * 1000,
                size,
                (called - began) * 1000,
            )
        return answer

    def _check(self, backend: Backend, endpoint: _Endpoint) -> None:
        """Fail at once where a call has no chance."""
        now = self._now()
        if endpoint.resting and now < endpoint.resting.until:
            raise endpoint.resting.error(backend.name, now)
        endpoint.breaker.check()

    async def _exchange(self, backend: Backend, request: httpx.Request) -> _Answer:
        try:
            async with asyncio.timeout(backend.timeout_s):
                response = await self._client.send(request, stream=True)
                body = await _read(backend, response)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            # The cause, for httpx-aiohttp calls a name that can't be looked up a time-out.
            cause = error.__cause__ if isinstance(error, httpx.TransportError) else None
            raise BackendUnavailableError(backend.name, type(cause or error).__name__) from None
        return _Answer(response.status_code, body, response.headers.get("retry-after", ""))

    def _judge(self, backend: Backend, endpoint: _Endpoint, answer: _Answer) -> None:
        """Raise what an answer means, and remember until when it leaves no call any chance."""
        now = self._now()
        if backend.quota and (until := backend.quota(answer.status, _json(answer.body), now)):
            endpoint.resting = _Rest(until, is_quota=True)
            raise endpoint.resting.error(backend.name, now)
        is_too_many = answer.status == HTTPStatus.TOO_MANY_REQUESTS
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and not is_too_many:
            return
        pause_s = None
        if is_too_many or answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
            pause_s = seconds_asked(answer.retry_after, now_s=now.timestamp())
        if pause_s and pause_s > _MAX_RETRY_PAUSE_S:
            rest = timedelta(seconds=min(pause_s, MAX_REST_S))
            endpoint.resting = _Rest(now + rest, is_quota=False)
        reason = f"HTTP {answer.status}"
        raise BackendUnavailableError(backend.name, reason, retry_after_s=pause_s)

    def _endpoint(self, backend: Backend, request: httpx.Request) -> _Endpoint:
        key = (backend, request.url.netloc)
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            breaker = Breaker(backend.name, now_s=time.monotonic)
            endpoint = self._endpoints[key] = _Endpoint(Line(backend), breaker)
        return endpoint


def create_client(way_out: WayOut = STRAIGHT) -> httpx.AsyncClient:
    """An HTTP client for backends: pooled, nothing from the environment, no redirects or cookies.

    It bounds only connecting: how many calls there are and how long they take is each backend's.
    """
    ssl_context = httpx.create_ssl_context(trust_env=False)
    trace = aiohttp.TraceConfig()
    # aiohttp awaits this before each connection that it opens.
    trace.on_connection_create_start.append(Pace().wait)

    def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_KEEP_ALIVE_S, ssl=ssl_context
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )

    def create(proxy: httpx.Proxy | None) -> AiohttpTransport:
        return AiohttpTransport(trust_env=False, client=open_session, proxy=proxy)

    return httpx.AsyncClient(
        **way_out.transports(create),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        headers={"user-agent": USER_AGENT},
    )


def _identity(backend: Backend, request: httpx.Request) -> Hashable:
    """What equal calls have in common: everything that is sent."""
    headers = tuple(sorted(request.headers.raw))
    return backend, request.method, str(request.url), headers, request.content


def _retry_pause(error: Exception) -> bool | float:
    """Whether another attempt may help, or after how many seconds (stamina's backoff hook)."""
    if not isinstance(error, BackendUnavailableError):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s <= _MAX_RETRY_PAUSE_S else False


async def _read(backend: Backend, response: httpx.Response) -> bytes:
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > backend.max_bytes:
                raise BackendProtocolError(backend.name, f"more than {backend.max_bytes} bytes")
    finally:
        await response.aclose()
    return bytes(body)


def _parse(service: str, body: bytes) -> Any:
    """Read JSON that can be worked with: its numbers fit into a float, its strings are text."""
    try:
        data = json.loads(body, parse_constant=_finite, parse_float=_finite, parse_int=_whole)
        if b"\\u" in body:
            # An escape may be half of a surrogate pair, which can't be encoded anywhere later.
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BackendProtocolError(service, "the answer is no JSON") from None
    return data


def _finite(number: str) -> float:
    if math.isfinite(value := float(number)):
        return value
    raise ValueError("no finite number")


def _whole(number: str) -> int:
    if len(number) > _MAX_DIGITS:
        raise ValueError("no float holds this number")
    return int(number)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
