"""Reading SQL databases from skills: one statement, bound values, in a thread, within a time.

Reading only, whatever a statement says: the session is told so where the database knows how.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, Executable, create_engine, event, make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from worker.errors import BackendRefusedError, BackendUnavailableError

logger = logging.getLogger(__name__)

TIMEOUT_S = 8.0
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


class Databases:
    """One process's engines, one for each URL, made when first needed.

    Args:
        threads: where the blocking drivers run.
    """

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._engines: dict[str, Engine] = {}

    async def fetch(
        self,
        service: str,
        url: str,
        statement: Executable,
        values: Mapping[str, Any],
        *,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Read rows.

        Args:
            service: the database's name as people know it, for the log and for apologies.
            url: SQLAlchemy's URL of it.
            statement: the SELECT, with named binds.
            values: what to bind.
            limit: how many rows at the most.

        Raises:
            BackendUnavailableError: if it can't be reached, or takes too long.
            BackendRefusedError: if it refuses the statement or the account.
        """
        began = time.monotonic()
        outcome = "failed"
        call = partial(self._fetch, url, statement, values, limit)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                loop = asyncio.get_running_loop()
                rows = await loop.run_in_executor(self._threads, call)
            outcome = f"{len(rows)} row(s)"
        except (OperationalError, TimeoutError) as error:
            raise BackendUnavailableError(service, type(error).__name__) from None
        except SQLAlchemyError as error:
            # Its words hold the statement and the values; the class must do.
            raise BackendRefusedError(service, type(error).__name__) from None
        finally:
            took_ms = round((time.monotonic() - began) * 1000)
            logger.info("%s (SQL) %s in %d ms", service, outcome, took_ms)
        return rows

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines.values():
            engine.dispose()

    def _fetch(
        self, url: str, statement: Executable, values: Mapping[str, Any], limit: int
    ) -> list[dict[str, Any]]:
        with self._engine(url).connect() as connection:
            rows = connection.execute(statement, values).mappings().fetchmany(limit)
            return [dict(row) for row in rows]

    def _engine(self, url: str) -> Engine:
        if url not in self._engines:
            engine = create_engine(read_only(url), pool_pre_ping=True, hide_parameters=True)
            event.listen(engine, "connect", partial(_begin_reading, engine.dialect.name))
            self._engines[url] = engine
        return self._engines[url]


def read_only(url: str) -> str:
    """The URL of the same database, opened for reading where that can be said in it: SQLite files.

    Without it SQLite would also make an empty database where there is none.
    """
    parsed = make_url(url)
    path = parsed.database
    if parsed.get_backend_name() != "sqlite" or not path or path == ":memory:" or parsed.query:
        return url
    opened = parsed.set(database=f"file:{quote(path)}", query={"mode": "ro", "uri": "true"})
    return opened.render_as_string(hide_password=False)


def _begin_reading(dialect: str, connection: Any, _: object) -> None:
    statement = _READ_ONLY.get(dialect)
    if statement:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        # Otherwise PostgreSQL takes the setting back with the transaction that it stands in.
        connection.commit()
