"""The HTTP transport of replies: aiohttp under httpx, with a last word before the first byte."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from shared.failpoints import failpoint

BeforeSend = Callable[[], Awaitable[None]]
"""Awaited when the connection stands and nothing has been written; raising stops the request."""

BEFORE_SEND = "before_send"
"""The request extension that holds a `BeforeSend`."""
CONNECT_GAP_S = 0.001
"""Seconds between two connections. Many at once overflow a small server's queue, and then Linux
drops the last word of a handshake: we believe in a connection that the server never hears of, and
the reply that we claimed for it ends as unknown."""


class ClaimingTransport(AiohttpTransport):
    """Opens a connection, awaits the request's `before_send`, and only then writes.

    Each request has a connection of its own: on one that is reused, "server disconnected" could
    mean that the request was never read or that its answer was lost. Nothing is taken from the
    environment: no proxies, no .netrc, no certificates.

    Args:
        proxy: to go through, if any. To an https address it is asked for a tunnel (CONNECT), and
            `before_send` is awaited when TLS stands at the far end of that.
    """

    def __init__(self, proxy: httpx.Proxy | None = None) -> None:
        self._next_connect_s = 0.0
        self._before_send: ContextVar[BeforeSend | None] = ContextVar("before_send", default=None)
        super().__init__(trust_env=False, client=self._open_session, proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request as the base class does."""
        await self._wait_for_turn()
        token = self._before_send.set(request.extensions.get(BEFORE_SEND))
        try:
            return await super().handle_async_request(request)
        finally:
            self._before_send.reset(token)

    async def _wait_for_turn(self) -> None:
        now_s = asyncio.get_running_loop().time()
        turn_s = max(now_s, self._next_connect_s)
        self._next_connect_s = turn_s + CONNECT_GAP_S
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)

    def _open_session(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        # aiohttp calls this with the connection open and the headers still in its buffer.
        trace.on_request_headers_sent.append(self._claim)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, ssl=self.ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )

    async def _claim(self, _: aiohttp.ClientSession, __: SimpleNamespace, ___: Any) -> None:
        before_send = self._before_send.get()
        if before_send:
            failpoint("before-claim")
            await before_send()
            failpoint("after-claim")
