"""The Host check: a server on loopback answers to its own names and its own pages only."""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


class KnownHosts:
    """Refuses requests that call the server by a name which is not its own.

    Starlette's TrustedHostMiddleware splits the header at `:`, and so does not know `[::1]`.

    A web page elsewhere could point a name of its own at 127.0.0.1 (DNS rebinding). The browser
    would then let it read what the server says: the simulator's signatures by the bot's secret,
    the dashboard's list of messages. A page elsewhere may also open a WebSocket to any address,
    under our own name; of that the browser tells in the Origin header, which programs don't send.

    Args:
        app: the protected application.
        hosts: the names that are ours, in lower case and without ports.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        match scope["type"]:
            case "http" if not self._is_ours(_header(scope, b"host")):
                body = {"error": "host", "detail": "This server is not known by this name."}
                await JSONResponse(body, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)
            case "websocket" if not self._may_connect(scope):
                await WebSocket(scope, receive, send).close()
            case _:
                await self._app(scope, receive, send)

    def _may_connect(self, scope: Scope) -> bool:
        origin = _header(scope, b"origin").partition("://")[2]
        named = _header(scope, b"host")
        return self._is_ours(named) and (b"origin" not in dict(scope["headers"]) or origin == named)

    def _is_ours(self, host: str) -> bool:
        try:
            return urlsplit(f"//{host}").hostname in self._hosts
        except ValueError:
            return False


def _header(scope: Scope, name: bytes) -> str:
    value: bytes = dict(scope["headers"]).get(name, b"")
    return value.decode("latin-1")
