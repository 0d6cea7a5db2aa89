"""How the simulator is served: by uvicorn, together with what extends it."""

import asyncio
import socket
from importlib.util import find_spec

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette

from dingda.shared.runtime.command_line import OK
from dingda.shared.runtime.server import create_uvicorn_config
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.http.extension import Extension

WEBSOCKETS = "websockets"
"""The package that uvicorn's WebSockets need."""
_LONGEST_ACK_BYTES = 1024 * 1024


class SimulatorServer(uvicorn.Server):
    """Ends the requests that wait for a reply before it stops, and before them its extension.

    Args:
        app: the application.
        changes: wakes those requests.
        ledger: closed at the end.
        extension: runs with it; None: nothing does.
    """

    def __init__(
        self, app: Starlette, changes: ChangeNotifier, ledger: Redis, extension: Extension | None
    ) -> None:
        super().__init__(_uvicorn_config(app))
        self._changes = changes
        self._ledger = ledger
        self._extension = extension
        self.status = OK
        """The exit status that the extension has ended with."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop, or until the extension has ended."""
        running = asyncio.create_task(self._run_extension())
        await super().serve(sockets)
        await running

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop in good order."""
        if self._extension:
            await self._extension.stop()
        await self._changes.close()
        await super().shutdown(sockets)
        await self._ledger.aclose()

    async def _run_extension(self) -> None:
        if self._extension:
            try:
                self.status = await self._extension.run()
            finally:
                self.should_exit = True


def _uvicorn_config(app: Starlette) -> uvicorn.Config:
    """Set uvicorn as DingTalk's server is: it sends no WebSocket pings, and compresses nothing."""
    return create_uvicorn_config(
        app,
        ws="websockets-sansio" if find_spec(WEBSOCKETS) else "none",
        ws_max_size=_LONGEST_ACK_BYTES,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
    )
