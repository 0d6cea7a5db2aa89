"""Opens connections to one origin: its address, TCP, perhaps a proxy's tunnel, TLS."""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import SplitResult, unquote, urlsplit

from aiohappyeyeballs import start_connection

from dingda.shared.errors import DingdaError
from dingda.worker.delivery.accept_queue import AcceptQueue, Place
from dingda.worker.delivery.addresses import Addresses
from dingda.worker.delivery.response import ResponseReader
from dingda.worker.delivery.stream import ServerDisconnectedError, Stream, TCPStream
from dingda.worker.delivery.tls import TLSClient, TLSStream

CONNECT_TIMEOUT_S = 5.0
_PLACES = {"http": 16, "https": 64}
"""How many connections may wait to be accepted. TLS is up before anything is claimed, which proves
that the server accepted: there an overflow costs time and nothing else."""
_NEXT_ADDRESS_S = 0.25
"""When a host's next address is tried besides the one before (RFC 8305, Happy Eyeballs)."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class ProxyConnectionError(OSError):
    """The proxy can't be reached."""


class ProxyRefusedError(DingdaError):
    """The proxy opens no tunnel; `status` is what it says instead."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy says {status}")
        self.status = status


class Connector:
    """Opens connections to an origin, and writes requests as these connections need them.

    Args:
        origin: as `shared.dingtalk.origin` spells them.
        proxy_url: the proxy to go through; "" for none. For an https origin it is asked for a
            tunnel (CONNECT), in which TLS is spoken with the origin; it never sees the request.
        context: the rules of TLS.
    """

    def __init__(self, origin: str, *, proxy_url: str, context: ssl.SSLContext) -> None:
        target = urlsplit(origin)
        proxy = urlsplit(proxy_url) if proxy_url else None
        self._authority = target.netloc
        self._host_header = target.netloc.removesuffix(f":{_DEFAULT_PORTS[target.scheme]}")
        self._tls = TLSClient(context, _host(target)) if target.scheme == "https" else None
        self._has_proxy = proxy is not None
        self._proxy_headers = _proxy_headers(proxy) if proxy else {}
        self._addresses = Addresses(_host(proxy or target), _port(proxy or target))
        self._accept_queue = AcceptQueue(_PLACES[target.scheme])

    async def connect(self) -> Stream:
        """Open a connection on which a request can be written at once.

        Raises:
            TimeoutError: if that takes longer than `CONNECT_TIMEOUT_S`.
            ssl.SSLCertVerificationError: if the certificate is not the origin's.
            ProxyRefusedError: if the proxy opens no tunnel.
            OSError: if it failed otherwise; also what `ResponseReader.feed` raises, of a proxy.
        """
        place = await self._accept_queue.enter()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            stream = await self._connect_tcp(place)
            if self._tls is None:
                return stream
            try:
                if self._has_proxy:
                    await self._open_tunnel(stream)
                return await self._tls.start(stream)
            except BaseException:
                stream.close()
                raise

    def request(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Write a POST as bytes.

        Raises:
            ValueError: if a header can't be sent.
        """
        absolute = self._has_proxy and self._tls is None
        target = f"http://{self._host_header}{path}" if absolute else path
        fields = {
            "host": self._host_header,
            **headers,
            "content-length": str(len(body)),
            "connection": "close",
            **(self._proxy_headers if absolute else {}),
        }
        return _head(f"POST {target} HTTP/1.1", fields) + body

    def keep_session(self, stream: Stream) -> None:
        """Keep the TLS session of a connection on which a response has been read."""
        if self._tls and isinstance(stream, TLSStream):
            self._tls.keep_session(stream)

    async def _connect_tcp(self, place: Place) -> TCPStream:
        loop = asyncio.get_running_loop()
        try:
            addresses = await self._addresses.get()
            sock = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S)
            _, stream = await loop.create_connection(lambda: TCPStream(place), sock=sock)
        except BaseException as error:
            place.leave()
            if self._has_proxy and isinstance(error, OSError):
                raise ProxyConnectionError(*error.args) from error
            raise
        return stream

    async def _open_tunnel(self, stream: TCPStream) -> None:
        fields = {"host": self._authority, **self._proxy_headers}
        stream.write(_head(f"CONNECT {self._authority} HTTP/1.1", fields))
        response = ResponseReader()
        while not response.status:
            if not (data := await stream.read()):
                raise ServerDisconnectedError
            response.feed(data)
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            raise ProxyRefusedError(response.status)


def _head(first_line: str, fields: Mapping[str, str]) -> bytes:
    lines = [first_line, *(f"{name}: {value}" for name, value in fields.items())]
    # A line break in a value would begin another header.
    text = "".join(lines)
    if not (text.isascii() and text.isprintable()):
        raise ValueError("a header can't be sent as it is")
    return "\r\n".join([*lines, "", ""]).encode()


def _host(parts: SplitResult) -> str:
    return parts.hostname or ""


def _port(parts: SplitResult) -> int:
    return parts.port or _DEFAULT_PORTS[parts.scheme]


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"proxy-authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
