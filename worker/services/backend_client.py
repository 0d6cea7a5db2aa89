"""Sends the requests of skills: aiohttp itself, without a second HTTP library around it.

httpx above aiohttp took five times aiohttp's own CPU time. It is still there for the fakes of
tests, which are httpx's: `HttpxClient`.
"""

import asyncio
import ssl
from io import BytesIO
from typing import TYPE_CHECKING, Protocol, Self

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver

from dingda.shared.runtime.egress import DIRECT, USER_AGENT, Egress, create_tls_context
from dingda.worker.errors import BackendUnavailableError
from dingda.worker.services.backend import Backend
from dingda.worker.services.http_message import HTTPRequest, HTTPResponse, read_body

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

CONNECT_TIMEOUT_S = 3.0
_KEEP_ALIVE_S = 4.0
"""Less than the five seconds of many servers: a connection closed by the server as we use it costs
a call that may not be repeated."""
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
_CONNECT_GAP_S = 0.001
_LARGE_BYTES = 512 * 1024


class Client(Protocol):
    """Sends a request once."""

    async def send(self, backend: Backend, request: HTTPRequest) -> HTTPResponse:
        """Send a request and read the response, however long it takes.

        Raises:
            BackendUnavailableError: if there is none.
            BackendProtocolError: if it is larger than the backend's `max_bytes`.
        """
        ...


class BackendClient:
    """The client of a worker: pooled, nothing from the environment, no redirects or cookies.

    It limits only the time to connect; the number of calls and their time are each backend's. Its
    connections are closed at the end of its context.

    Args:
        egress: the proxy, if there is one.
        resolver: looks names up; None: aiohttp's own.
    """

    def __init__(self, egress: Egress = DIRECT, resolver: AbstractResolver | None = None) -> None:
        self._egress = egress
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Return the client; it opens no connection yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()

    async def send(self, backend: Backend, request: HTTPRequest) -> HTTPResponse:
        """Send a request and read the response; see `Client`."""
        if self._session is None:
            self._session = _open_session(self._resolver)
        try:
            async with self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                data=_payload(request.body),
                allow_redirects=False,
                # aiohttp takes a user and a password out of it, for the proxy alone.
                proxy=self._egress.proxy_for(request.url.host or "") or None,
            ) as response:
                body = await read_body(backend, response.content.iter_any())
                retry_after = response.headers.get("retry-after", "")
                return HTTPResponse(response.status, body, retry_after)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BackendUnavailableError(backend.name, type(error).__name__) from None


class HttpxClient:
    """Sends requests over an httpx client, whose transport plays the backends in a test."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, backend: Backend, request: HTTPRequest) -> HTTPResponse:
        """Send a request and read the response; see `Client`."""
        try:
            async with self._client.stream(
                request.method,
                str(request.url),
                headers=list(request.headers),
                content=request.body,
            ) as response:
                body = await read_body(backend, response.aiter_bytes())
                retry_after = response.headers.get("retry-after", "")
                return HTTPResponse(response.status_code, body, retry_after)
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise BackendUnavailableError(backend.name, type(error).__name__) from None


class _PacedConnector(aiohttp.TCPConnector):
    """Opens connections a moment apart, because many at once overflow a small accept queue.

    Linux then drops the final ACK of a handshake: the client believes it is connected, and the
    server learns of it seconds later or never.

    A `TraceConfig` could wait as well, but aiohttp then traces each request, which costs a fifth
    of its CPU time; this method is called for new connections alone.
    """

    def __init__(self, ssl_context: ssl.SSLContext, resolver: AbstractResolver | None) -> None:
        super().__init__(
            limit=0, keepalive_timeout=_KEEP_ALIVE_S, ssl=ssl_context, resolver=resolver
        )
        self._next_s = 0.0

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: "list[Trace]",
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> "ResponseHandler":
        await self._wait_for_turn()
        return await super()._create_connection(req, traces, timeout)

    async def _wait_for_turn(self) -> None:
        now_s = asyncio.get_running_loop().time()
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + _CONNECT_GAP_S
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    """A body as aiohttp wants it: a large one is written in pieces, so that the loop goes on."""
    return BytesIO(body) if body and len(body) > _LARGE_BYTES else body


def _open_session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=_PacedConnector(create_tls_context(), resolver),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        # None for a request without a body.
        skip_auto_headers=("Content-Type",),
        timeout=_TIMEOUT,
    )
