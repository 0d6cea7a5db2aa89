"""DingTalk's Stream mode over HTTP and WebSocket, as the real one speaks them.

POST /openapi/v1.0/gateway/connections/open   a ticket, for the application's secret
WebSocket /connect?ticket=…                   the frames
"""

import asyncio
import json
import logging
import secrets
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_connection import StreamConnection
from dingda.simulator.dingtalk.stream_faults import OpenFault
from dingda.simulator.dingtalk.stream_opening import OpenRefusal

logger = logging.getLogger(__name__)

CONNECT_PATH = "/connect"
OPEN_PATH = "/openapi/v1.0/gateway/connections/open"
_SIGN_IN = "<html><body><h1>Please sign in to the network</h1></body></html>"


def stream_routes(stream: Stream, *, base_url: str, changes: ChangeNotifier) -> list[BaseRoute]:
    """Build the routes that Stream clients use.

    Args:
        stream: the connections.
        base_url: where the bot reaches the simulator, without a last slash.
        changes: announces connections.
    """
    endpoint = f"ws{base_url.removeprefix('http')}{CONNECT_PATH}"
    endpoints = _Endpoints(stream, endpoint, changes)
    return [
        Route(OPEN_PATH, endpoints.open, methods=["POST"]),
        WebSocketRoute(CONNECT_PATH, endpoints.connect),
    ]


class _Endpoints:
    def __init__(self, stream: Stream, endpoint: str, changes: ChangeNotifier) -> None:
        self._stream = stream
        self._endpoint = endpoint
        self._changes = changes

    async def open(self, request: Request) -> Response:
        if self._stream.faults.open is OpenFault.HTML:
            return HTMLResponse(_SIGN_IN)
        opened = self._stream.open(await _read_fields(request))
        if isinstance(opened, OpenRefusal):
            logger.warning("refused to open a Stream connection: %s", opened.code)
            error = {"requestid": _request_id(), "code": opened.code, "message": opened.message}
            return _respond(request, error, status=opened.status)
        return _respond(request, {"endpoint": self._endpoint, "ticket": opened})

    async def connect(self, websocket: WebSocket) -> None:
        wire = _QueueWire()
        ticket = websocket.query_params.get("ticket", "")
        connection = self._stream.connect(ticket, wire)
        if connection is None:
            logger.warning("refused a Stream connection: its ticket is unknown, used or too old")
            await websocket.close()
            return
        try:
            await websocket.accept()
            logger.info("Stream connection %s is open", connection.id)
            await self._changes.announce()
            await self._carry(websocket, connection, wire)
        finally:
            self._stream.disconnected(connection)
        logger.info("Stream connection %s has ended", connection.id)
        await self._changes.announce()

    async def _carry(
        self, websocket: WebSocket, connection: StreamConnection, wire: "_QueueWire"
    ) -> None:
        """Carry frames both ways until one side ends it.

        To return without a close frame is what cuts the TCP connection.
        """
        ways: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._read(websocket, connection)),
            asyncio.create_task(wire.write_to(websocket)),
            # By itself: a client that reads nothing would hold up what is written to it.
            asyncio.create_task(wire.is_cut.wait()),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _read(self, websocket: WebSocket, connection: StreamConnection) -> None:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            # Frames are texts: one of bytes is none.
            self._stream.receive(connection, message.get("text") or "")


class _QueueWire:
    """Keeps the frames of a connection until its WebSocket takes them."""

    def __init__(self) -> None:
        self._texts = asyncio.Queue[str]()
        self.is_cut = asyncio.Event()

    def send(self, text: str) -> None:
        self._texts.put_nowait(text)

    def cut(self) -> None:
        self.is_cut.set()

    async def write_to(self, websocket: WebSocket) -> None:
        while True:
            await websocket.send_text(await self._texts.get())


async def _read_fields(request: Request) -> dict[str, Any] | None:
    if not request.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        fields = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _respond(request: Request, fields: dict[str, str], *, status: int = 200) -> Response:
    """DingTalk: JSON for a client that accepts it by name, and XML for any other."""
    if "application/json" in request.headers.get("accept", ""):
        body = json.dumps(fields, ensure_ascii=False)
        return Response(body, status, media_type="application/json")
    elements = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in fields.items())
    return Response(f"<result>{elements}</result>", status, media_type="application/xml")


def _request_id() -> str:
    return secrets.token_hex(16).upper()
