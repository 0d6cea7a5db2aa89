"""Reading SQL databases from skills: one statement, bound values, within a time that is kept.

Drivers block, so each call has a thread, and each database has its own few: one that hangs takes
nobody else's. The caller hears in time, whatever the driver does. The call is then ended in steps,
each for what the one before does not reach: the database's own limit on statements, the driver's
request to cancel, and hanging up. A thread that none of them brings back is counted.

Reading only, whatever a statement says: the session is told so where the database knows how.
SQLAlchemy takes 0.4 s to import, so nothing does until there is a database to read.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import quote

from worker.errors import BackendBusyError, BackendRefusedError, BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Connection, Engine, Executable

    from worker.backend import Limits

logger = logging.getLogger(__name__)
Rows: TypeAlias = "list[dict[str, Any]]"

_SESSION = {
    "sqlite": ("PRAGMA query_only = ON",),
    "postgresql": (
        "SET default_transaction_read_only = on",
        "SET statement_timeout = {ms}",
    ),
    "mysql": ("SET SESSION TRANSACTION READ ONLY",),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY",),
}
# MySQL's name for it and MariaDB's; a URL of `mysql` may lead to either.
_SESSION_IF_KNOWN = dict.fromkeys(
    ("mysql", "mariadb"),
    ("SET SESSION max_execution_time = {ms}", "SET SESSION max_statement_time = {ms} / 1000"),
)
_CANCEL_S = 1.0
"""How long a cancelled call may take to come back before it is hung up on, and again after that."""
_SQLITE_STEPS = 10_000
"""How often SQLite asks whether to go on: about every 0.1 ms of work."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one process asks of one database.

    Args:
        at_once: calls at one moment, each on a connection of its own; more wait.
        timeout_s: seconds that one call may take: connecting, the statement and its rows.
        wait_s: seconds that a call may wait for a connection before it is given up.
    """

    at_once: int = 8
    timeout_s: float = 8.0
    wait_s: float = 15.0

    def limited(self, limits: Limits) -> Bounds:
        """The same with what is set in place of its own; a database knows these three alone."""
        return limits.over(self)


BOUNDS = Bounds()


class Databases:
    """One process's databases, each opened when it is first needed."""

    def __init__(self) -> None:
        self._databases: dict[tuple[str, Bounds], _Database] = {}

    @property
    def stuck_calls(self) -> int:
        """How many threads are lost to calls that could not be ended; any thread may ask."""
        return sum(database.stuck_calls for database in tuple(self._databases.values()))

    @property
    def is_stuck(self) -> bool:
        """Whether some database has lost all its threads, so that only a new process can ask it."""
        return any(
            database.stuck_calls >= database.bounds.at_once
            for database in tuple(self._databases.values())
        )

    async def fetch(
        self,
        service: str,
        url: str,
        statement: Executable,
        values: Mapping[str, Any],
        *,
        limit: int,
        bounds: Bounds = BOUNDS,
    ) -> list[dict[str, Any]]:
        """Read rows.

        Args:
            service: the database's name as people know it, for the log and for apologies.
            url: SQLAlchemy's URL of it.
            statement: the SELECT, with named binds.
            values: what to bind.
            limit: how many rows at the most.
            bounds: what the database may be asked; other bounds have other connections.

        Raises:
            BackendUnavailableError: if it can't be reached, or takes too long.
            BackendBusyError: if none of its connections became free in time.
            BackendRefusedError: if it refuses the statement, or its driver is missing.
        """
        began = time.monotonic()
        outcome = "failed"
        database = self._databases.setdefault((url, bounds), _Database(url, bounds))
        try:
            rows = await database.run(service, lambda: database.read(statement, values, limit))
            outcome = f"{len(rows)} row(s)"
        finally:
            took_ms = round((time.monotonic() - began) * 1000)
            logger.info("%s (SQL) %s in %d ms", service, outcome, took_ms)
        return rows

    def close(self) -> None:
        """Close all connections that are not in use."""
        for database in self._databases.values():
            database.close()
        self._databases.clear()


class _Database:
    """One database's connections, and a thread for each call that uses one."""

    def __init__(self, url: str, bounds: Bounds) -> None:
        self.bounds = bounds
        self._url = url
        self._places = asyncio.Semaphore(bounds.at_once)
        self._calls: set[_Call] = set()
        self._engine: Engine | None = None
        self._opening = threading.Lock()

    @property
    def stuck_calls(self) -> int:
        return sum(call.is_stuck for call in tuple(self._calls))

    async def run(self, service: str, read: Callable[[], Rows]) -> Rows:
        """Run a blocking read in a thread of its own, once there is a place, within the time."""
        try:
            async with asyncio.timeout(self.bounds.wait_s):
                await self._places.acquire()
        except TimeoutError:
            why = f"all {self.bounds.at_once} connections are in use"
            raise BackendBusyError(service, why) from None
        call = _Call(service, read)
        self._calls.add(call)
        back = asyncio.wrap_future(call.outcome)
        back.add_done_callback(lambda back: self._came_back(call, back))
        try:
            call.start_or_fail()
            # Unlike `wait_for` it leaves the call alone when the time is up, or we are cancelled.
            await asyncio.wait([back], timeout=self.bounds.timeout_s)
        finally:
            if not back.done():
                call.end()
        if not back.done():
            raise BackendUnavailableError(service, "TimeoutError")
        return back.result()

    def read(self, statement: Executable, values: Mapping[str, Any], limit: int) -> Rows:
        """Read rows; blocks."""
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - see the module's docstring

        call = cast("_Call", threading.current_thread())
        engine = self._opened()
        try:
            return _read(engine, call, statement, values, limit)
        except DBAPIError as error:
            # The server had closed the connection since its last use. Reading may be repeated, and
            # that spares a question to the server before each use.
            if call.is_over or not error.connection_invalidated:
                raise
        return _read(engine, call, statement, values, limit)

    def close(self) -> None:
        if self._engine:
            self._engine.dispose()

    def _came_back(self, call: _Call, back: asyncio.Future[Any]) -> None:
        self._calls.discard(call)
        self._places.release()
        # The caller may have gone: once retrieved, the error is not logged as never retrieved.
        back.exception()

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = _open(self._url, self.bounds)
            return self._engine


class _Call(threading.Thread):
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


def read_only(url: str) -> str:
    """The URL of the same database, opened for reading where that can be said in it: SQLite files.

    Without it SQLite would also make an empty database where there is none.
    """
    from sqlalchemy import make_url  # noqa: PLC0415 - see the module's docstring

    parsed = make_url(url)
    path = parsed.database
    if parsed.get_backend_name() != "sqlite" or not path or path == ":memory:" or parsed.query:
        return url
    opened = parsed.set(database=f"file:{quote(path)}", query={"mode": "ro", "uri": "true"})
    return opened.render_as_string(hide_password=False)


def _open(url: str, bounds: Bounds) -> Engine:
    from sqlalchemy import QueuePool, create_engine, event, make_url  # noqa: PLC0415 - as above

    opened = make_url(read_only(url))
    # What the operator's URL says goes before.
    arguments = {
        name: value
        for name, value in _connect_arguments(opened, bounds).items()
        if name not in opened.query
    }
    engine = create_engine(
        opened,
        connect_args=arguments,
        poolclass=QueuePool,
        pool_size=bounds.at_once,
        max_overflow=0,
        pool_timeout=bounds.timeout_s,
        hide_parameters=True,
    )

    def connect(dialect: Any, _: object, positional: Any, named: Any) -> Any:
        connection = dialect.connect(*positional, **named)
        try:
            cast("_Call", threading.current_thread()).holds(connection)
            _begin(dialect.name, connection, bounds)
        except BaseException:
            connection.close()
            raise
        return connection

    def close_cursor(context: Any) -> None:
        # SQLAlchemy leaves it open when a connection is lost, which psycopg warns of later.
        if context.execution_context and (cursor := context.execution_context.cursor):
            with suppress(Exception):
                cursor.close()

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "handle_error", close_cursor)
    return engine


def _connect_arguments(url: URL, bounds: Bounds) -> dict[str, Any]:
    """What the drivers that we know take, so that a dead network ends a call on its own."""
    # In whole seconds, as most want them; libpq takes less than two for two.
    connect_s, read_s = max(2, math.ceil(bounds.timeout_s / 2)), math.ceil(bounds.timeout_s)
    match url.get_backend_name(), url.get_driver_name():
        case "sqlite", _:
            # How long it waits while another connection writes; and several threads may use it.
            return {"timeout": bounds.timeout_s, "check_same_thread": False}
        case "postgresql", "psycopg" | "psycopg2":
            return {
                "connect_timeout": connect_s,
                "keepalives_idle": connect_s,
                "keepalives_interval": 1,
                "keepalives_count": 3,
                "tcp_user_timeout": round(bounds.timeout_s * 1000),
            }
        case "postgresql", "pg8000":
            return {"timeout": bounds.timeout_s}
        case "mysql" | "mariadb", "mysqlconnector":
            return {"connection_timeout": connect_s}
        case "mysql" | "mariadb", "pymysql" | "mysqldb" | "mariadbconnector":
            return {
                "connect_timeout": connect_s,
                "read_timeout": read_s,
                "write_timeout": read_s,
            }
    return {}


def _begin(dialect: str, connection: Any, bounds: Bounds) -> None:
    """Tell a new session that it may only read, and for how long."""
    ms = max(1, round(bounds.timeout_s * 1000))
    cursor = connection.cursor()
    for statement in _SESSION.get(dialect, ()):
        cursor.execute(statement.format(ms=ms))
    for statement in _SESSION_IF_KNOWN.get(dialect, ()):
        with suppress(Exception):
            cursor.execute(statement.format(ms=ms))
    cursor.close()
    # Otherwise PostgreSQL takes the settings back with the transaction that they stand in.
    connection.commit()


def _read(
    engine: Engine, call: _Call, statement: Executable, values: Mapping[str, Any], limit: int
) -> Rows:
    with engine.connect() as connection:
        driver = cast("Any", connection.connection.driver_connection)
        try:
            call.holds(driver)
            if hasattr(driver, "set_progress_handler"):
                driver.set_progress_handler(lambda: call.is_over, _SQLITE_STEPS)
            found = _streaming(connection, limit).execute(statement, values).mappings()
            rows = [dict(row) for row in found.fetchmany(limit)]
            found.close()
            # Now, while it can be hung up on; the pool sends none of its own after it.
            connection.rollback()
        finally:
            call.lets_go()
            if call.is_over:
                # A request to cancel may be under way still, and would hit the next call.
                connection.invalidate()
    return rows


def _streaming(connection: Connection, limit: int) -> Connection:
    """PostgreSQL's drivers fetch all rows there are, however many are wanted, without a cursor."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(stream_results=True, max_row_buffer=limit)
    return connection


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
            return BackendRefusedError(service, reason)
    return error
