"""The simulator's process: its port, its warnings, and uvicorn, which serves it."""

import asyncio
import logging
import socket
from contextlib import suppress
from importlib.util import find_spec

import uvicorn
from redis.asyncio import Redis
from starlette.applications import Starlette

from dingda.shared.dingtalk.origin import is_loopback, origin_of
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.command_line import OK
from dingda.shared.runtime.redis_clients import create_bounded_redis
from dingda.shared.runtime.server import create_uvicorn_config, listen
from dingda.shared.runtime.settings import Settings
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.http.composition import compose
from dingda.simulator.http.extension import CreateExtension, Extension
from dingda.simulator.settings import SimulatorSettings

logger = logging.getLogger(__name__)

_LEDGER_TIMEOUT_S = 1.0
_WEBSOCKETS = "websockets"
"""The package that uvicorn's WebSockets need."""
_LONGEST_ACK_BYTES = 1024 * 1024

_CANNOT_SIGN = """\
DINGDA_APP_SECRET is not set: the simulator signs its callbacks with it, as DingTalk does.
Set it in the environment or in .env. Any text will do for a trial; the gateway needs the same."""

_NO_WEBSOCKETS = """\
DINGDA_SIMULATOR_MODE=stream needs the package websockets, which the bot does not: pip install \
'dingda[demo]'"""


def serve(
    settings: SimulatorSettings, bot: Settings, create_extension: CreateExtension | None = None
) -> int:
    """Run the server until it is told to stop.

    Args:
        settings: the simulator's.
        bot: those that it shares with the bot.
        create_extension: makes what adds to the server, as in the demo.

    Returns:
        The exit status that the extension has ended with; 0 without one.

    Raises:
        SettingsError: if there is no secret, the port cannot be had, or Stream mode lacks a
            package.
    """
    _check(settings, bot)
    changes = ChangeNotifier()
    ledger = create_bounded_redis(bot.redis_address, timeout_s=_LEDGER_TIMEOUT_S)
    app, extension = compose(settings, bot, changes, ledger, create_extension)
    listener = listen(
        settings.host, settings.port, chosen_with="DINGDA_SIMULATOR_PORT or DINGDA_SIMULATOR_HOST"
    )
    _log_start(settings, bot)
    server = _SimulatorServer(app, changes, ledger, extension)
    # uvicorn raises it again once it has shut down on Ctrl-C.
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return server.status


def _check(settings: SimulatorSettings, bot: Settings) -> None:
    if not bot.secrets:
        raise SettingsError(_CANNOT_SIGN)
    if settings.mode == "stream" and not find_spec(_WEBSOCKETS):
        raise SettingsError(_NO_WEBSOCKETS)


def _log_start(settings: SimulatorSettings, bot: Settings) -> None:
    if settings.mode == "stream":
        logger.info(
            "playing DingTalk in Stream mode at %s: bots connect to it", settings.server_url
        )
    else:
        logger.info(
            "playing DingTalk at %s, for the bot at %s",
            settings.server_url,
            settings.gateway_callback_url(bot),
        )
    if not is_loopback(settings.host):
        logger.warning(
            "%s is not loopback: whoever reaches port %d can speak to the bot in DingTalk's name",
            settings.host,
            settings.port,
        )
    origin = origin_of(settings.session_base_url)
    if origin not in bot.session_webhook_origins:
        logger.warning(
            "a worker with these settings would not reply to the simulator; let it with "
            "DINGDA_SESSION_WEBHOOK_ORIGINS=%s",
            origin,
        )


class _SimulatorServer(uvicorn.Server):
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
        ws="websockets-sansio" if find_spec(_WEBSOCKETS) else "none",
        ws_max_size=_LONGEST_ACK_BYTES,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
    )
