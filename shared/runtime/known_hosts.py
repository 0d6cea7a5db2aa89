"""The Host check: a server on loopback answers to its own names only."""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})


class KnownHosts:
    """Refuses requests that call the server by a name which is not its own.

    Starlette's TrustedHostMiddleware splits the header at `:`, and so does not know `[::1]`.

    A web page elsewhere could point a name of its own at 127.0.0.1 (DNS rebinding). The browser
    would then let it read what the server says: the simulator's signatures by the bot's secret,
    the dashboard's list of messages.

    Args:
        app: the protected application.
        hosts: the names that are ours, in lower case and without ports.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or _host(scope) in self._hosts:
            await self._app(scope, receive, send)
            return
        body = {"error": "host", "detail": "This server is not known by this name."}
        await JSONResponse(body, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)


def _host(scope: Scope) -> str | None:
    header = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
