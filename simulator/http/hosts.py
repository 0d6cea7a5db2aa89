"""Who may be called: a server on loopback answers to its own names only."""

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class KnownHosts:
    """Refuses requests that call the server by a name which is not its own.

    A web page elsewhere could let a name of its own lead to 127.0.0.1 (DNS rebinding). The browser
    would then let it read what the simulator says, signatures by the bot's secret among it.

    Args:
        app: what is protected.
        hosts: the names that are ours, in lower case and without ports.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or _host(scope) in self._hosts:
            await self._app(scope, receive, send)
            return
        refusal = {"error": "host", "detail": "The simulator is not known by this name."}
        await JSONResponse(refusal, HTTPStatus.MISDIRECTED_REQUEST)(scope, receive, send)


def _host(scope: Scope) -> str | None:
    named = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        return urlsplit(f"//{named}").hostname
    except ValueError:
        return None
