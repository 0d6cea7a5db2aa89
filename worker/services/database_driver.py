"""What the known databases and drivers are told: to read only, and for how long.

SQLAlchemy takes 0.4 s to import, so nothing here does until there is a database to read.
"""

from __future__ import annotations

import math
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL, Connection, Engine, Executable

    from dingda.worker.services.database_call import Call, Rows

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
_SQLITE_STEPS = 10_000
"""How often SQLite asks whether to go on: about every 0.1 ms of work."""


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


def open_engine(url: str, *, at_once: int, timeout_s: float) -> Engine:
    """Prepare connections, which only threads that are a `Call` may open.

    Args:
        url: SQLAlchemy's URL. Its own arguments override ours.
        at_once: how many connections there are.
        timeout_s: seconds that a call may take.
    """
    from sqlalchemy import QueuePool, create_engine, event, make_url  # noqa: PLC0415 - as above

    opened = make_url(read_only(url))
    arguments = {
        name: value
        for name, value in connect_arguments(opened, timeout_s).items()
        if name not in opened.query
    }
    engine = create_engine(
        opened,
        connect_args=arguments,
        poolclass=QueuePool,
        pool_size=at_once,
        max_overflow=0,
        pool_timeout=timeout_s,
        hide_parameters=True,
    )

    def connect(dialect: Any, _: object, positional: Any, named: Any) -> Any:
        connection = dialect.connect(*positional, **named)
        try:
            cast("Call", threading.current_thread()).use_connection(connection)
            _begin(dialect.name, connection, timeout_s)
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


def connect_arguments(url: URL, timeout_s: float) -> dict[str, Any]:
    """Arguments for the known drivers, so that a dead network ends a call on its own.

    Args:
        url: names the database and its driver.
        timeout_s: seconds that a call may take.
    """
    # In whole seconds, as most want them; libpq takes less than two for two.
    connect_s, read_s = max(2, math.ceil(timeout_s / 2)), math.ceil(timeout_s)
    match url.get_backend_name(), url.get_driver_name():
        case "sqlite", _:
            # How long it waits while another connection writes; and several threads may use it.
            return {"timeout": timeout_s, "check_same_thread": False}
        case "postgresql", "psycopg" | "psycopg2":
            return {
                "connect_timeout": connect_s,
                "keepalives_idle": connect_s,
                "keepalives_interval": 1,
                "keepalives_count": 3,
                "tcp_user_timeout": round(timeout_s * 1000),
            }
        case "postgresql", "pg8000":
            return {"timeout": timeout_s}
        case "mysql" | "mariadb", "mysqlconnector":
            return {"connection_timeout": connect_s}
        case "mysql" | "mariadb", "pymysql" | "mysqldb" | "mariadbconnector":
            return {
                "connect_timeout": connect_s,
                "read_timeout": read_s,
                "write_timeout": read_s,
            }
    return {}


def _begin(dialect: str, connection: Any, timeout_s: float) -> None:
    """Tell a new session that it may only read, and for how long."""
    ms = max(1, round(timeout_s * 1000))
    cursor = connection.cursor()
    for statement in _SESSION.get(dialect, ()):
        cursor.execute(statement.format(ms=ms))
    for statement in _SESSION_IF_KNOWN.get(dialect, ()):
        with suppress(Exception):
            cursor.execute(statement.format(ms=ms))
    cursor.close()
    # Otherwise PostgreSQL takes the settings back when it rolls back their transaction.
    connection.commit()


def read_rows(
    engine: Engine, call: Call, statement: Executable, values: Mapping[str, Any], limit: int
) -> Rows:
    """Read at most `limit` rows, in the thread of a call; blocks.

    Raises:
        TimeoutError: if the call is over.
        sqlalchemy.exc.SQLAlchemyError: whatever goes wrong.
    """
    with engine.connect() as connection:
        driver = cast("Any", connection.connection.driver_connection)
        try:
            call.use_connection(driver)
            if hasattr(driver, "set_progress_handler"):
                driver.set_progress_handler(lambda: call.is_over, _SQLITE_STEPS)
            found = _streaming(connection, limit).execute(statement, values).mappings()
            rows = [dict(row) for row in found.fetchmany(limit)]
            found.close()
            # Now, while the call can still be ended; the pool then sends no rollback of its own.
            connection.rollback()
        finally:
            call.release_connection()
            if call.is_over:
                # A cancel request may still be under way, and would hit the next call.
                connection.invalidate()
    return rows


def _streaming(connection: Connection, limit: int) -> Connection:
    """Use a server-side cursor: without it PostgreSQL's drivers fetch all rows at once."""
    if connection.dialect.name == "postgresql":
        return connection.execution_options(stream_results=True, max_row_buffer=limit)
    return connection
