"""DingTalk's side of Stream mode on real sockets, as right or as wrong as a test wants it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from dingda.gateway.stream.frames import CALLBACK, ROBOT_MESSAGE, SYSTEM

TICKET = "the-tests-own-ticket/+="
"""A credential with what a URL must escape; the Client ID follows."""


def a_frame(
    data: str | bytes = "{}",
    *,
    message_id: str = "frame-1",
    type_: str = CALLBACK,
    topic: str = ROBOT_MESSAGE,
    **headers: str,
) -> dict[str, Any]:
    """A frame as DingTalk sends it."""
    return {
        "specVersion": "1.0",
        "type": type_,
        "headers": {
            "contentType": "application/json",
            "messageId": message_id,
            "time": "1700000000000",
            "topic": topic,
            **headers,
        },
        "data": data if isinstance(data, str) else data.decode(),
    }


def a_ping(opaque: str = "0da9", message_id: str = "ping-1") -> dict[str, Any]:
    data = json.dumps({"opaque": opaque})
    return a_frame(data, message_id=message_id, type_=SYSTEM, topic="ping")


def a_disconnect(reason: str = "connection is expired") -> dict[str, Any]:
    data = json.dumps({"reason": reason})
    return a_frame(data, message_id="disconnect-1", type_=SYSTEM, topic="disconnect")


class ServerConnection:
    """One connection, from DingTalk's side."""

    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, *, within_s: float
    ) -> None:
        self._within_s = within_s
        self.acks: list[dict[str, Any]] = []
        self.ticket = request.query.get("ticket", "")
        self.close_code: int | None = None
        self._socket = socket
        self._request = request
        self._changed = asyncio.Condition()

    @property
    def client_id(self) -> str:
        """Whose it is, by its ticket."""
        return self.ticket.removeprefix(TICKET)

    @property
    def is_closed(self) -> bool:
        """Whether its client has closed it."""
        return self.close_code is not None

    async def send(self, frame: dict[str, Any] | str | bytes) -> None:
        """Send a frame; a string and bytes as they are."""
        if isinstance(frame, bytes):
            await self._socket.send_bytes(frame)
        else:
            await self._socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))

    async def close(self) -> None:
        """Close it as DingTalk does."""
        await self._socket.close()

    def stop_reading(self) -> None:
        """Let what comes pile up, on the way and at its client."""
        assert self._request.transport is not None
        self._request.transport.pause_reading()

    def cut(self) -> None:
        """End it without a word."""
        assert self._request.transport is not None
        self._request.transport.abort()

    def acked(self, message_id: str) -> list[dict[str, Any]]:
        """The acknowledgements of a frame."""
        return [ack for ack in self.acks if ack["headers"]["messageId"] == message_id]

    async def until(self, condition: Callable[["ServerConnection"], bool]) -> None:
        """Wait until an acknowledgement or the close makes a condition true."""
        async with asyncio.timeout(self._within_s), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    async def until_acked(self, message_id: str = "frame-1") -> dict[str, Any]:
        """Wait for the acknowledgement of a frame."""
        await self.until(lambda each: bool(each.acked(message_id)))
        return self.acked(message_id)[0]

    async def until_closed(self) -> None:
        """Wait until its client has closed it, or is gone."""
        await self.until(lambda each: each.is_closed)

    async def read(self) -> None:
        """Read until the end."""
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.TEXT:
                break
            self.acks.append(json.loads(message.data))
            async with self._changed:
                self._changed.notify_all()
        self.close_code = self._socket.close_code or 0
        async with self._changed:
            self._changed.notify_all()


@dataclass
class StreamServer:
    """Gives tickets, and takes connections."""

    url: str = ""
    opens: list[dict[str, Any]] = field(default_factory=list)
    """The requests for a ticket, with their headers."""
    connections: list[ServerConnection] = field(default_factory=list)
    refusals: list[web.Response] = field(default_factory=list)
    """What the next requests for a ticket get instead."""
    endpoint: str = ""
    """Where a ticket leads; "": here."""
    within_s: float = 30.0
    """How long a test waits for anything, by its loop's clock."""
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def connection(self, number: int = 1) -> ServerConnection:
        """Wait for a connection, and return it."""
        async with asyncio.timeout(self.within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.connections) >= number)
        return self.connections[number - 1]

    async def until_opens(self, count: int) -> None:
        """Wait until a ticket has been asked for so often."""
        async with asyncio.timeout(self.within_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.opens) >= count)

    @property
    def open_connections(self) -> list[ServerConnection]:
        return [each for each in self.connections if not each.is_closed]

    async def give_ticket(self, request: web.Request) -> web.Response:
        opening = {"headers": dict(request.headers), **await request.json()}
        self.opens.append(opening)
        async with self._arrived:
            self._arrived.notify_all()
        if self.refusals:
            return self.refusals.pop(0)
        endpoint = self.endpoint or f"{self.url.replace('http', 'ws')}/connect"
        return web.json_response({"endpoint": endpoint, "ticket": TICKET + opening["clientId"]})

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        connection = ServerConnection(socket, request, within_s=self.within_s)
        self.connections.append(connection)
        async with self._arrived:
            self._arrived.notify_all()
        await connection.read()
        return socket


@asynccontextmanager
async def stream_server(
    *, within_s: float = 30.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[StreamServer]:
    """A server for one test, on the test's loop."""
    server = StreamServer(within_s=within_s)
    app = web.Application()
    app.router.add_post("/v1.0/gateway/connections/open", server.give_ticket)
    app.router.add_get("/connect", server.connect)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()
