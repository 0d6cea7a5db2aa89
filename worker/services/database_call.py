"""One call of a database, in a thread of its own, which can be ended from outside.

It is ended in steps, each for what the one before does not reach: the driver's cancel request,
then closing the socket. A thread that neither ends is stuck for good.
"""

from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from dingda.worker.errors import BackendConfigError, BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)
Rows: TypeAlias = "list[dict[str, Any]]"

_CANCEL_S = 1.0
"""Seconds for a cancelled call to end before its socket is closed, and once more after that."""


class Call(threading.Thread):
    """A read in its thread, which can be ended from outside.

    Not a pool's thread: Python waits for those when the process exits, and this one may never end.
    """

    def __init__(self, service: str, read: Callable[[], Rows]) -> None:
        super().__init__(name="database", daemon=True)
        self.outcome: Future[Rows] = Future()
        self.outcome.set_running_or_notify_cancel()
        self.is_over = False
        """Whether no caller waits for it any more."""
        self._service = service
        self._read = read
        self._context = copy_context()
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_given_up = False

    @property
    def is_stuck(self) -> bool:
        """Whether it is still running after every attempt to end it."""
        return self._is_given_up and not self.outcome.done()

    def start_or_fail(self) -> None:
        """Start; if no thread can be created, that error is the call's outcome."""
        try:
            self.start()
        except RuntimeError as error:
            self.outcome.set_exception(error)

    def run(self) -> None:
        """Read, and set the outcome."""
        try:
            rows = self._context.run(self._read)
        except BaseException as error:  # noqa: BLE001 - any error is the caller's
            self.outcome.set_exception(_as_backend_error(self._service, error))
        else:
            self.outcome.set_result(rows)
        finally:
            self.release_connection()

    def use_connection(self, connection: Any) -> None:
        """Note the driver's connection that the thread is about to wait on.

        Raises:
            TimeoutError: if the call is over.
        """
        handle = _socket_of(connection)
        with self._lock:
            self._forget_connection()
            self._connection, self._socket = connection, handle
            if self.is_over:
                raise TimeoutError

    def release_connection(self) -> None:
        """Note that the thread no longer waits on it; another call may use it next."""
        with self._lock:
            self._forget_connection()

    def end(self) -> None:
        """End the call from another thread, without blocking."""
        self.is_over = True
        end = partial(copy_context().run, self._end)
        threading.Thread(target=end, name="database-end", daemon=True).start()

    def _end(self) -> None:
        with self._lock:
            connection = self._connection
        _cancel(connection)
        self.join(_CANCEL_S)
        with self._lock, suppress(OSError):
            if self._socket:
                self._socket.shutdown(socket.SHUT_RDWR)
        self.join(_CANCEL_S)
        self._is_given_up = True
        if self.is_stuck:
            logger.error("%s (SQL): a call that is over holds its thread", self._service)

    def _forget_connection(self) -> None:
        if self._socket:
            self._socket.close()
        self._connection = self._socket = None


def _socket_of(connection: Any) -> socket.socket | None:
    """A duplicate handle on the driver's socket, whose descriptor can't be reused meanwhile."""
    try:
        return socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
    except Exception:  # noqa: BLE001 - a driver without a socket, or a closed connection
        return None


def _cancel(connection: Any) -> None:
    """Ask the server to cancel, where the driver can do so with a timeout: psycopg."""
    if not hasattr(connection, "cancel_safe"):
        return
    from psycopg import Error, capabilities  # noqa: PLC0415 - it is loaded: this is its connection

    # With a libpq before 17 it would block for as long as the server does.
    if capabilities.has_cancel_safe():
        with suppress(Error):
            connection.cancel_safe(timeout=_CANCEL_S)


def _as_backend_error(service: str, error: BaseException) -> BaseException:
    """The error for a skill: class and SQL state only, as messages hold statement and values."""
    from sqlalchemy import exc  # noqa: PLC0415 - see the module's docstring

    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    reason = f"{type(error).__name__} {state}" if state else type(error).__name__
    match error:
        case exc.OperationalError() | exc.InterfaceError() | exc.TimeoutError() | OSError():
            return BackendUnavailableError(service, reason)
        case exc.DBAPIError(connection_invalidated=True):
            return BackendUnavailableError(service, reason)
        case exc.SQLAlchemyError() | ImportError():
            return BackendConfigError(service, reason)
    return error
