"""Serves the gateway in one process or several, until told to stop or to start again."""

import logging
import signal
import socket
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from dingda.gateway.app import create_app, create_app_in_child
from dingda.gateway.handover import Reloader, take_handover
from dingda.gateway.http.connections import (
    KEEP_ALIVE_S,
    BoundedProtocol,
    Connections,
    connection_limit,
)
from dingda.gateway.metrics import count_in, served_metrics
from dingda.shared.runtime.failpoints import warn_of_failpoints
from dingda.shared.runtime.garbage import relax_garbage_collection
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.notify import READY, STOPPING, WATCHDOG, notify, watchdog_interval_s
from dingda.shared.runtime.preflight import run_preflight
from dingda.shared.runtime.server import create_uvicorn_config, inherited_listener, listen
from dingda.shared.runtime.settings import Settings

logger = logging.getLogger("dingda.gateway")

_ENDING = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings) -> None:
    """Listen for callbacks until told to stop.

    Raises:
        SettingsError: if a setting is missing or dangerous, or the port is taken.
    """
    configure_logging(settings.log_level, settings.log_format)
    warn_of_failpoints()
    handover = take_handover()
    is_standby = handover is not None and handover.is_standby

    def on_ready() -> None:
        notify(READY)
        if handover:
            handover.complete()

    # A stand-by serves for a moment only, and the port of the metrics is taken.
    serving = served_metrics(settings, is_reload=handover is not None)
    with nullcontext() if is_standby else serving as counters:
        is_alone = is_standby or settings.gateway_processes == 1
        metrics = count_in(counters, settings.robots) if counters and is_alone else None
        app = create_app(settings, metrics=metrics, on_ready=on_ready)
        run_preflight(settings)
        listener = handover.listener if handover else inherited_listener()
        if listener is None:
            listener = listen(
                settings.host, settings.port, chosen_with="DINGDA_PORT or DINGDA_HOST"
            )
        host, port = listener.getsockname()[:2]
        logger.info("listening on http://%s:%d%s", host, port, settings.callback_path)
        server = _Server(app) if is_alone else _Children(settings, counters, on_ready)
        reloader = Reloader(listener, server.stop)
        server.serve_on(listener)
    if server.is_told_to_end():  # which a reload that is under way must not undo
        reloader.end_standby()
    else:
        reloader.exec_if_reloading()
    with suppress(KeyboardInterrupt):
        server.raise_signals()


class _Server(uvicorn.Server):
    """Serves in this process.

    Args:
        app: the ASGI application.
    """

    def __init__(self, app: Any) -> None:
        watchdog: dict[str, Any] = {}
        if interval_s := watchdog_interval_s():
            watchdog = {"callback_notify": _feed_watchdog, "timeout_notify": interval_s}
        super().__init__(_uvicorn_config(app, **watchdog))
        self._stopped_by: list[int] = []

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until told to stop."""
        relax_garbage_collection()
        self.run(sockets=[listener])

    def stop(self) -> None:
        """Stop in good order; from any thread."""
        self.should_exit = True

    def is_told_to_end(self) -> bool:
        """Whether a signal has stopped it, or came while it stopped."""
        return bool(self._stopped_by)

    def raise_signals(self) -> None:
        """Let the signals that stopped it have their usual effect."""
        for number in self._stopped_by:
            signal.raise_signal(number)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Stop on a signal."""
        notify(STOPPING)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is being served; uvicorn's own would then raise the signals at once."""
        await super().shutdown(sockets)
        self._stopped_by, self._captured_signals = self._captured_signals, []


async def _feed_watchdog() -> None:
    """Called by uvicorn on the event loop, which therefore runs."""
    notify(WATCHDOG)


class _Children(Multiprocess):
    """Serves in several processes, and says when all of them do.

    Args:
        settings: theirs. An application cannot be handed to another process: each makes its own.
        counters: the folder where they count; None where metrics are off.
        on_ready: called once they serve.
    """

    def __init__(
        self, settings: Settings, counters: Path | None, on_ready: Callable[[], None]
    ) -> None:
        app = partial(create_app_in_child, settings, counters)
        super().__init__(_uvicorn_config(app, factory=True, workers=settings.gateway_processes), [])
        self._on_ready = on_ready
        self._is_ready = False
        self._is_told_to_end = False

    def serve_on(self, listener: socket.socket) -> None:
        """Serve until told to stop."""
        self.sockets = [listener]
        self.run()

    def stop(self) -> None:
        """Stop in good order; from any thread."""
        self.should_exit.set()

    def is_told_to_end(self) -> bool:
        """Whether a signal has stopped it, or came while it stopped."""
        for number in _ENDING:  # one that comes from here on ends the process
            signal.signal(number, signal.SIG_DFL)
        return self._is_told_to_end or any(each in _ENDING for each in self.signal_queue)

    def raise_signals(self) -> None:
        """Signals have no other effect than to stop it."""

    def keep_subprocess_alive(self) -> None:
        """Replace a child that has died or does not answer; called twice a second."""
        super().keep_subprocess_alive()
        if not self._is_ready and all(child.is_ready() for child in self.processes):
            self._is_ready = True
            self._on_ready()
        notify(WATCHDOG)

    def handle_term(self) -> None:
        """Stop on SIGTERM."""
        self._is_told_to_end = True
        notify(STOPPING)
        super().handle_term()

    def handle_int(self) -> None:
        """Stop on SIGINT."""
        self._is_told_to_end = True
        notify(STOPPING)
        super().handle_int()


def _uvicorn_config(app: Any, **options: Any) -> uvicorn.Config:
    return create_uvicorn_config(
        app,
        http=partial(BoundedProtocol, Connections(connection_limit())),
        timeout_keep_alive=KEEP_ALIVE_S,
        **options,
    )
