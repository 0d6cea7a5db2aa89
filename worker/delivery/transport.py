"""The HTTP transport of replies: aiohttp under httpx, with a claim before the first byte.

The right to send must be claimed between two moments that lie inside aiohttp: the connection is
open, and nothing has been written. So the claim, `before_send`, is handed down in five hops:

    answerer.py     claim = partial(Ledger.claim_send, lease)
      | 1. an argument
    a SendChannel   send(..., before_send=claim)
      | 2. an argument
    post.py         post(..., before_send=claim): notes that it was claimed
      | 3. httpx passes extensions on: request.extensions[BEFORE_SEND]
    transport.py    ClaimingTransport.handle_async_request: the request is aiohttp's from here
      | 4. a ContextVar, as aiohttp knows no extensions
    transport.py    ClaimingTransport._claim, called back by aiohttp's TraceConfig
      | 5. awaited: raising stops the request before its first byte
    ledger.py       Ledger.claim_send
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from dingda.shared.runtime.failpoints import failpoint
from dingda.worker.services.egress import ConnectPacer

BeforeSend = Callable[[], Awaitable[None]]
"""Awaited when the connection is open and nothing has been written; raising stops the request."""

BEFORE_SEND = "before_send"
"""The request extension that holds a `BeforeSend`."""


class ClaimingTransport(AiohttpTransport):
    """Opens a connection, awaits the request's `before_send`, and only then writes.

    Each request has a connection of its own: on one that is reused, "server disconnected" could
    mean that the request was never read or that its response was lost. Nothing is taken from the
    environment: no proxies, no .netrc, no certificates.

    Args:
        proxy: to go through, if any. For an https address it is asked for a tunnel (CONNECT), and
            `before_send` is awaited after the TLS handshake inside that tunnel.
    """

    def __init__(self, proxy: httpx.Proxy | None = None) -> None:
        self._pacer = ConnectPacer()
        self._before_send: ContextVar[BeforeSend | None] = ContextVar("before_send", default=None)
        super().__init__(trust_env=False, client=self._open_session, proxy=proxy)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request as the base class does."""
        await self._pacer.wait()
        token = self._before_send.set(request.extensions.get(BEFORE_SEND))
        try:
            return await super().handle_async_request(request)
        finally:
            self._before_send.reset(token)

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
