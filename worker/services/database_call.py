"""One call of a database, in a thread of its own, which can be ended from outside.

It is ended in steps, each for what the one before does not reach: the driver's request to cancel,
then hanging up. A thread that neither brings back is stuck for good.
"""

from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from dingda.worker.errors import BackendConfigError, BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)
Rows: TypeAlias = "list[dict[str, Any]]"

_CANCEL_S = 1.0
"""How long a cancelled call may take to come back before it is hung up on, and again after that."""


class Call(threading.Thread):
    """A read in its thread, which can be ended from outside.

    No thread of a pool: those are waited for when the process ends, and this one may never end.
    """

    def __init__(self, service: str, read: Callable[[], Rows]) -> None:
        super().__init__(name="database", daemon=True)
        self.outcome: Future[Rows] = Future()
        self.outcome.set_running_or_notify_cancel()
        self.is_over = False
        """Whether nobody waits for it any more."""
        self._service = service
        self._read = read
        self._connection: Any = None
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_given_up = False

    @property
    def is_stuck(self) -> bool:
        """Whether everything was done to end it, and it goes on."""
        return self._is_given_up and not self.outcome.done()

    def start_or_fail(self) -> None:
        """Start; where no more threads can be made, that is the call's outcome."""
        try:
            self.start()
        except RuntimeError as error:
            self.outcome.set_exception(error)

    def run(self) -> None:
        """Read, and say how it went."""
        try:
            rows = self._read()
        except BaseException as error:  # noqa: BLE001 - it is for the caller, whatever it is
            self.outcome.set_exception(_told(self._service, error))
        else:
            self.outcome.set_result(rows)
        finally:
            self.lets_go()

    def holds(self, connection: Any) -> None:
        """Say on which of the driver's connections the thread is about to wait.

        Raises:
            TimeoutError: if the call is over.
        """
        line = _line(connection)
        with self._lock:
            self._let_go()
            self._connection, self._line = connection, line
            if self.is_over:
                raise TimeoutError

    def lets_go(self) -> None:
        """Say that the thread waits on it no more; it may be another call's then."""
        with self._lock:
            self._let_go()

    def end(self) -> None:
        """Make the thread come back, in another thread."""
        self.is_over = True
        threading.Thread(target=self._end, name="database-end", daemon=True).start()

    def _end(self) -> None:
        with self._lock:
            connection = self._connection
        _cancel(connection)
        self.join(_CANCEL_S)
        with self._lock, suppress(OSError):
            if self._line:
                self._line.shutdown(socket.SHUT_RDWR)
        self.join(_CANCEL_S)
        self._is_given_up = True
        if self.is_stuck:
            logger.error("%s (SQL): a call that is over holds its thread", self._service)

    def _let_go(self) -> None:
        if self._line:
            self._line.close()
        self._connection = self._line = None


def _line(connection: Any) -> socket.socket | None:
    """A second handle on the driver's socket, so that it can't be somebody else's meanwhile."""
    try:
        return socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
    except Exception:  # noqa: BLE001 - a driver that has none to show, or a connection that is closed
        return None


def _cancel(connection: Any) -> None:
    """Ask the server to cancel, where the driver can do so within a time: psycopg's."""
    if not hasattr(connection, "cancel_safe"):
        return
    from psycopg import Error, capabilities  # noqa: PLC0415 - it is loaded: this is its connection

    # With a libpq before 17 it would block for as long as the server does.
    if capabilities.has_cancel_safe():
        with suppress(Error):
            connection.cancel_safe(timeout=_CANCEL_S)


def _told(service: str, error: BaseException) -> BaseException:
    """What a skill hears of it: class and SQL state, for the words hold statement and values."""
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
