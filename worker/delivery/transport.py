"""Carries one POST to its server: a connection, the claim, the request, the response.

The right to send is claimed when the connection is open and nothing has been written. From
`Sender.send` the claim, which is `Ledger.claim_send`, is handed down as an argument, and
`ReplyTransport.exchange` awaits it.

Each request has a connection of its own: on one that is reused, "server disconnected" could mean
that the request was never read or that its response was lost. But it may have been opened ahead,
while the reply was being made.
"""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import urlsplit

from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import DingdaError
from dingda.shared.runtime.egress import Egress
from dingda.shared.runtime.failpoints import failpoint
from dingda.worker.delivery.connector import Connector
from dingda.worker.delivery.ready import ReadyConnections
from dingda.worker.delivery.response import ResponseReader
from dingda.worker.delivery.stream import Stream

BeforeSend = Callable[[], Awaitable[None]]
"""Awaited when the connection is open and nothing has been written; raising stops the request."""


class NotSentError(DingdaError):
    """The connection was closed after the claim, and before the first byte was written."""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST.

    Args:
        url: as `shared.dingtalk.origin` accepts it.
        headers: besides those that HTTP needs.
        content: the body.
    """

    url: str
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A response as far as it matters; see `ResponseReader`."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in lower case."""


class Transport(Protocol):
    """What sends requests with a claim."""

    async def exchange(self, request: Request, claim: BeforeSend) -> Response:
        """Send a request once, and read its response.

        Args:
            request: to send.
            claim: awaited once the connection is open; whatever it raises stops the request.

        Raises:
            InvalidOriginError: if the URL is none.
            NotSentError: if nothing was sent although it was claimed.
            Exception: whatever else went wrong; before the claim nothing was sent, and after it
                the request may have arrived.
        """

    def expect(self, url: str) -> AbstractContextManager[None]:
        """Keep a connection ready for a request to a URL, for as long as the context is open."""


class ReplyTransport:
    """The `Transport` of replies. Nothing is taken from the environment: no proxies, no .netrc.

    Args:
        egress: the way out.
        context: the rules of TLS.
    """

    def __init__(self, egress: Egress, context: ssl.SSLContext) -> None:
        self._egress = egress
        self._context = context
        self._origins: dict[str, tuple[Connector, ReadyConnections]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _connector, ready in self._origins.values():
            ready.close()

    async def exchange(self, request: Request, claim: BeforeSend) -> Response:
        """Send a request once; see `Transport`."""
        connector, ready = self._origin(request.url)
        data = connector.request(_path_of(request.url), request.headers, request.content)
        stream = await ready.take() or await connector.connect()
        try:
            failpoint("before-claim")
            await claim()
            failpoint("after-claim")
            response = await _send(stream, data)
            connector.keep_session(stream)
        except BaseException:
            stream.abort()
            raise
        stream.close()
        return response

    def expect(self, url: str) -> AbstractContextManager[None]:
        """Keep a connection ready; see `Transport`."""
        _, ready = self._origin(url)
        return ready.expect()

    def _origin(self, url: str) -> tuple[Connector, ReadyConnections]:
        origin = origin_of(url)
        if origin not in self._origins:
            proxy_url = self._egress.proxy_for(urlsplit(origin).hostname or "")
            connector = Connector(origin, proxy_url=proxy_url, context=self._context)
            self._origins[origin] = connector, ReadyConnections(connector.connect)
        return self._origins[origin]


async def _send(stream: Stream, data: bytes) -> Response:
    # The claim took a moment, and nothing has been written.
    if not stream.is_idle:
        raise NotSentError("the connection was closed before the first byte")
    stream.write(data)
    reader = ResponseReader()
    while not reader.is_complete:
        reader.feed(await stream.read())
    return Response(reader.status, reader.body, reader.headers)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
