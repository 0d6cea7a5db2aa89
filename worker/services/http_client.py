"""The HTTP client of skills: JSON calls, shared if equal, repeated where that helps.

What a call has to respect at its backend is in `worker.services.endpoint`.
"""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import httpx
import stamina
from yarl import URL

from dingda.worker.errors import (
    BackendConfigError,
    BackendProtocolError,
    BackendUnavailableError,
)
from dingda.worker.services.backend import Backend
from dingda.worker.services.backend_client import BackendClient, HttpxClient
from dingda.worker.services.call_log import logged_call
from dingda.worker.services.endpoint import MAX_RETRY_PAUSE_S, Endpoint
from dingda.worker.services.http_message import (
    Files,
    HTTPRequest,
    HTTPResponse,
    build_request,
    parse_url,
)
from dingda.worker.services.single_flight import SharedCallCancelledError, SingleFlight

_MAX_DIGITS = 300
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class JSONResponse:
    """A backend's response: the HTTP status, and the JSON in its body.

    `data` is None where a status other than 200 came without JSON, as many a web server's 404 does.

    >>> JSONResponse(200, {"hours": 38}).data["hours"]
    38
    """

    status: int
    data: Any


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Http:
    """One process's HTTP client for all backends.

    Each backend has its limits and a circuit breaker at each of its hosts. Nothing comes from the
    environment, redirects are not followed, no cookies are kept, and no URL is logged, because
    URLs may hold keys.

    Args:
        client: a `BackendClient`; or an httpx client whose transport plays the backends.
        now: the wall clock, for quotas that are restored at midnight.

    >>> @skill.command("工时")
    ... async def hours(ctx: Context) -> str:
    ...     response = await ctx.services.http.json("工时系统", "GET", "https://hours.example/")
    ...     return f"{response.data['hours']} 小时"
    >>> fake = httpx.MockTransport(lambda request: httpx.Response(200, json={"hours": 38}))
    >>> asyncio.run(ask(skill, "工时", transport=fake)).content
    '38 小时'
    """

    def __init__(
        self,
        client: BackendClient | httpx.AsyncClient,
        *,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._client = HttpxClient(client) if isinstance(client, httpx.AsyncClient) else client
        self._now = now
        self._endpoints: dict[tuple[Backend, str], Endpoint] = {}
        self._flights = SingleFlight()

    @property
    def open_circuits(self) -> tuple[str, ...]:
        """The names of backends that are not called just now, because they failed too often."""
        return tuple(sorted(name for name, is_open in self.circuits.items() if is_open))

    @property
    def circuits(self) -> dict[str, bool]:
        """Whether any circuit of each backend is open, by the names of those called so far.

        It may be read from any thread.
        """
        circuits: dict[str, bool] = {}
        for (backend, _), endpoint in list(self._endpoints.items()):
            circuits[backend.name] = circuits.get(backend.name, False) or endpoint.is_open
        return circuits

    async def json(  # noqa: PLR0913 - what an HTTP request has
        self,
        backend: Backend | str,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int | float] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        files: Files | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 0,
        shared: bool | None = None,
    ) -> JSONResponse:
        """Call a backend and read its JSON.

        Time spent waiting behind other calls of the same backend is not counted as the skill's.

        Args:
            backend: the service with its limits; or only its name as users know it.
            method: the HTTP method.
            url: without a query.
            params: the query.
            json: a body to send as JSON; or
            form: one to send as a form; or
            files: some to upload in a form, each by its field's name: its own name and its content.
            headers: besides the usual ones.
            retries: how often to repeat the call when the backend is unavailable. Only for calls
                that may be repeated, and only where the service says that it helps.
            shared: whether concurrent calls that are equal in everything, headers too, are made
                once; None: if the method is a safe one, such as GET. True only for calls that may
                be repeated, False for what is looked up for a person.

        Returns:
            The response, with any status below 500 except 429; its meaning is up to the service.

        Raises:
            BackendUnavailableError: if it can't be reached in time, is overloaded, or has failed so
                often that it is not called for a while.
            BackendBusyError: if too many other calls were waiting.
            BackendQuotaError: if the backend's `quota` says so.
            BackendProtocolError: if the response is too large, or has the status 200 and no JSON.
            BackendConfigError: if the URL is none of http:// or https://.
        """
        if isinstance(backend, str):
            backend = Backend(backend)
        address = _address(backend, url)
        request = build_request(
            method, address, params=params, json=json, form=form, files=files, headers=headers
        )
        endpoint = self._endpoint(backend, request.url)
        is_shared = request.method in _SAFE if shared is None else shared
        with logged_call(request.url.host or "") as result:
            call = partial(_call, endpoint, backend, request, retries)
            response = await (self._share(backend, request, call) if is_shared else call())
            # Parsed for each caller, since a skill may change what it gets.
            data = _parse(backend.name, response)
            result.text = str(response.status)
        return JSONResponse(response.status, data)

    async def content(self, backend: Backend, url: URL, *, retries: int = 0) -> HTTPResponse:
        """Download a backend's bytes with a GET, which is never shared.

        Args:
            backend: as in `json`.
            url: is asked for exactly as it is: of a presigned one the signature holds.
            retries: as in `json`.

        Returns:
            The response, with any status below 500 except 429.

        Raises:
            ResponseTooLargeError: if it has more bytes than the backend's `max_bytes`.
            BackendError: as in `json`.
        """
        request = HTTPRequest("GET", url, (("Accept-Encoding", "identity"),))
        with logged_call(url.host or "") as result:
            response = await _call(self._endpoint(backend, url), backend, request, retries)
            result.text = str(response.status)
        return response

    async def _share(
        self,
        backend: Backend,
        request: HTTPRequest,
        call: Callable[[], Awaitable[HTTPResponse]],
    ) -> HTTPResponse:
        """Make a call, or wait for an equal one that is under way."""
        try:
            return await self._flights.run((backend, request), call)
        except SharedCallCancelledError as error:
            raise BackendUnavailableError(backend.name, str(error)) from None

    def _endpoint(self, backend: Backend, url: URL) -> Endpoint:
        key = (backend, url.raw_authority)
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            endpoint = Endpoint(backend, url.host or "", self._client, now=self._now)
            self._endpoints[key] = endpoint
        return endpoint


def _address(backend: Backend, url: str) -> URL:
    try:
        return parse_url(url)
    except ValueError:
        # No outage, so nothing that is tried again; and a URL may hold a key, so it is not shown.
        raise BackendConfigError(backend.name, "its URL is none of http:// or https://") from None


async def _call(
    endpoint: Endpoint, backend: Backend, request: HTTPRequest, retries: int
) -> HTTPResponse:
    """Call a backend, and repeat that as often as it may be and helps."""
    if not retries:
        return await endpoint.call(request)
    async for attempt in stamina.retry_context(
        on=_retry_pause,
        attempts=1 + retries,
        # A backend that was too slow once is not called a second time.
        timeout=backend.timeout_s,
        wait_initial=0.2,
        wait_max=2.0,
    ):
        with attempt:
            return await endpoint.call(request)
    raise AssertionError("stamina ends with a response or an exception")


def _retry_pause(error: Exception) -> bool | float:
    """Whether to retry, or after how many seconds (stamina's backoff hook)."""
    if not isinstance(error, BackendUnavailableError):
        return False
    if error.retry_after_s is None:
        return True
    return error.retry_after_s if error.retry_after_s <= MAX_RETRY_PAUSE_S else False


def _finite(number: str) -> float:
    if math.isfinite(value := float(number)):
        return value
    raise ValueError("not a finite number")


def _whole(number: str) -> int:
    if len(number) > _MAX_DIGITS:
        raise ValueError("no float holds this number")
    return int(number)


# `json.loads` would make one for each response.
_DECODER = json.JSONDecoder(parse_constant=_finite, parse_float=_finite, parse_int=_whole)


def _parse(service: str, response: HTTPResponse) -> Any:
    """Parse JSON strictly: its numbers fit into a float, its strings can be encoded."""
    body = response.body
    try:
        data = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
        if b"\\u" in body:
            # An escape may be half of a surrogate pair, which can't be encoded later.
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        if response.status != HTTPStatus.OK:
            return None
        raise BackendProtocolError(service, "the response is not JSON") from None
    return data
