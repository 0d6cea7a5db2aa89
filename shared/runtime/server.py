"""What our two HTTP servers share: how they take their port, and how uvicorn is set."""

import logging
import os
import socket
from typing import Any

import uvicorn

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.settings import Settings

_SHUTDOWN_S = 5
"""How long requests may go on once a server has been told to stop, in seconds."""
_BACKLOG = 2048
_FIRST_INHERITED = 3
"""The file descriptor of the first socket that systemd passes on (SD_LISTEN_FDS_START)."""


def listen(host: str, port: int, *, chosen_with: str) -> socket.socket:
    """Listen on a TCP port.

    Args:
        host: a name or an IP address, of either version.
        port: the port; 0 for any that is free.
        chosen_with: the names of the settings or options that choose them, for the error.

    Raises:
        SettingsError: if the address cannot be had; it names the address and the settings.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # Python adds "(while attempting to bind on address …)", which repeats the address.
        why = str(error.strerror).partition(" (while")[0]
        raise SettingsError(
            f"cannot listen on {host}:{port} ({why}); choose another with {chosen_with}"
        ) from None


def listen_for_metrics(settings: Settings) -> socket.socket:
    """Listen where a process serves its metrics; raises as `listen`."""
    return listen(
        settings.metrics_host,
        settings.metrics_port,
        chosen_with="DINGDA_METRICS_PORT or DINGDA_METRICS_HOST",
    )


def inherited_listener() -> socket.socket | None:
    """The socket that systemd listens on for us, `sd_listen_fds(3)`; None if it does not.

    Raises:
        SettingsError: if it is no TCP socket, or there are several.
    """
    pid, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()):
        return None
    if count != "1":
        raise SettingsError("the socket unit has several sockets; give it one ListenStream=")
    try:
        listener = socket.socket(fileno=_FIRST_INHERITED)
    except OSError as error:
        raise SettingsError(
            f"LISTEN_FDS is set, but there is no socket: {error.strerror}"
        ) from None
    listener.set_inheritable(False)
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or not _is_listening(listener):
        listener.close()
        raise SettingsError("the socket unit's ListenStream= must be a TCP port")
    return listener


def _is_listening(listener: socket.socket) -> bool:
    return bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def create_uvicorn_config(app: Any, *, ws: Any = "none", **options: Any) -> uvicorn.Config:
    """Set uvicorn as our servers want it: no log of its own, and no header that it makes up.

    Args:
        app: the ASGI application, or the path of what makes it.
        ws: what speaks WebSocket; uvicorn would take any library for it that is installed.
        options: what else uvicorn is told.
    """
    return uvicorn.Config(
        app,
        ws=ws,
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        **options,
    )
