"""Settings and code are read again on SIGHUP, and no request is lost meanwhile.

1. The gateway starts a second one, the stand-by, which shares its listening socket. It reads all
   settings and code from disk, so if something is wrong with them it does not come to serve, and
   the gateway goes on as it is.
2. Once the stand-by serves, the gateway takes no more connections, and ends the requests it has.
3. It replaces its own program (`execv`): the process id and the listening socket stay.
4. Once the new program serves, it lets the stand-by end.

The stand-by ends with the socket that connects it to the gateway. So it ends with the gateway, too,
whatever becomes of that.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from dingda.shared.runtime.logs import trace
from dingda.shared.runtime.notify import (
    READY,
    notify,
    notify_reloading,
    without_notifications,
)

logger = logging.getLogger(__name__)

_VARIABLE = "GATEWAY_HANDOVER"
"""What the second program finds in its environment: the file descriptors of the listening socket
and of the socket that connects the two, and the stand-by's process id (0: it is the stand-by)."""
_READY = b"R"
_START_TIMEOUT_S = 60.0
"""How long a stand-by may take until it serves."""
_END_TIMEOUT_S = 8.0
"""Longer than uvicorn lets requests go on (`shared.runtime.server`), in seconds."""


class Handover:
    """What this process was started with by another gateway.

    Args:
        listener: the listening socket.
        channel: connects the stand-by and the gateway.
        standby_pid: the stand-by's process id; 0 in the stand-by.
    """

    def __init__(self, listener: socket.socket, channel: socket.socket, standby_pid: int) -> None:
        self.listener = listener
        self._channel = channel
        self._standby_pid = standby_pid
        if self.is_standby:
            end_process_after(
                lambda: channel.recv(1), "the stand-by ends, as the gateway serves again or is gone"
            )

    @property
    def is_standby(self) -> bool:
        """Whether this process only serves until the gateway does."""
        return not self._standby_pid

    def complete(self) -> None:
        """This process serves: the other one need not."""
        if self.is_standby:
            self._channel.sendall(_READY)
            return
        self._channel.close()
        threading.Thread(target=_reap, args=(self._standby_pid,), daemon=True).start()


def take_handover() -> Handover | None:
    """What another gateway has handed over to this process; None if it was started by itself."""
    variable = os.environ.pop(_VARIABLE, None)
    if variable is None:
        return None
    listener_fd, channel_fd, standby_pid = map(int, variable.split(","))
    listener, channel = socket.socket(fileno=listener_fd), socket.socket(fileno=channel_fd)
    for handed in (listener, channel):
        handed.set_inheritable(False)
    if standby_pid:
        _reap_children()
    return Handover(listener, channel, standby_pid)


def _reap(pid: int) -> None:
    """Wait for a child to end; it may have, and be forgotten, before the gateway served again."""
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _reap_children() -> None:
    """Forget the children that ended with the program before: nothing else knows of them."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


class Reloader:
    """Starts a stand-by on SIGHUP, and then asks the server to stop.

    Make it on the main thread, when nothing handles SIGHUP after it.

    Args:
        listener: the listening socket.
        stop: asks the server to stop; called from a thread.
    """

    def __init__(self, listener: socket.socket, stop: Callable[[], None]) -> None:
        self._listener = listener
        self._stop = stop
        self._requests: SimpleQueue[int] = SimpleQueue()  # `put` may interrupt itself
        self._starting: subprocess.Popen[bytes] | None = None
        self._standby: tuple[socket.socket, int] | None = None
        self._had_terminal = os.isatty(0)
        signal.signal(signal.SIGHUP, lambda number, _: self._requests.put(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        threading.Thread(target=self._run, name="reload", daemon=True).start()

    def end_standby(self) -> None:
        """End the stand-by, if there is one: the gateway stops for good, and the port is free."""
        if self._starting is not None:
            self._starting.terminate()

    def exec_if_reloading(self) -> None:
        """Replace this program by a new start of it, if that is why the server has stopped."""
        if self._standby is None:
            return
        channel, pid = self._standby
        # A SIGHUP that comes before the new program can handle it waits until then.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        os.environ[_VARIABLE] = _handed_over(self._listener, channel, pid)
        for handed in (self._listener, channel):
            handed.set_inheritable(True)
        os.execv(sys.executable, _command())  # noqa: S606 - what this process was started with

    def _run(self) -> None:
        while self._standby is None:
            self._requests.get()
            if self._had_terminal and not os.isatty(0):
                os.kill(os.getpid(), signal.SIGTERM)  # the terminal was closed
                return
            logger.info("reloading: another gateway reads the settings and the code")
            notify_reloading()
            self._standby = self._start_standby()
            if self._standby is None:
                logger.error(
                    "not reloaded: with what is on disk now a gateway does not start (see above); "
                    "this one goes on as it is"
                )
                notify(READY)
        # The server closes what it is given. When it stops for good, nothing else must hold it.
        self._listener = self._listener.dup()
        self._stop()

    def _start_standby(self) -> tuple[socket.socket, int] | None:
        """Start one; returns what connects us, and its process id. None if it can't serve."""
        try:
            ours, standby = _popen_standby(self._listener)
        except (OSError, ValueError) as error:
            # No memory, file or interpreter any more; or no socket, as the gateway is ending.
            logger.error("a stand-by cannot be started: %s", trace(error))
            return None
        self._starting = standby
        ours.settimeout(_START_TIMEOUT_S)
        with suppress(OSError):
            if ours.recv(1) == _READY:
                return ours, standby.pid
        standby.kill()
        standby.wait()
        ours.close()
        return None


def _popen_standby(listener: socket.socket) -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    ours, its = socket.socketpair()
    with its:
        handed = {_VARIABLE: _handed_over(listener, its, 0)}
        standby = subprocess.Popen(  # noqa: S603 - what this process was started with
            _command(),
            env=without_notifications(dict(os.environ)) | handed,
            pass_fds=(listener.fileno(), its.fileno()),
        )
    return ours, standby


def _command() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]


def _handed_over(listener: socket.socket, channel: socket.socket, standby_pid: int) -> str:
    return f"{listener.fileno()},{channel.fileno()},{standby_pid}"


def end_process_after(wait: Callable[[], object], why: str) -> None:
    """End this process in good order once a call has returned, which is made in a thread."""

    def end() -> None:
        with suppress(OSError):
            wait()
        logger.info("%s", why)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_END_TIMEOUT_S)
        os._exit(1)

    threading.Thread(target=end, name="end", daemon=True).start()
