"""SQL databases for skills: one statement with bound values, within a timeout that holds.

Drivers block, so each call has a thread, and each database has a few of its own: one that hangs
blocks no other. The caller gets its timeout whatever the driver does. The call is then ended in
steps, each for what the one before does not reach: the database's own statement timeout, the
driver's cancel request, and closing the socket. A thread that none of them ends is counted.

Sessions are read-only, whatever a statement says, where the database supports it.
SQLAlchemy takes 0.4 s to import, so nothing does until there is a database to read.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from dingda.worker.errors import BackendBusyError, BackendUnavailableError
from dingda.worker.services.call_log import logged_call
from dingda.worker.services.database_call import Call, Rows
from dingda.worker.services.database_driver import open_engine, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine, Executable

    from dingda.worker.services.backend import Limits

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one process's calls to one database.

    Args:
        at_once: calls at one moment, each on a connection of its own; more wait.
        timeout_s: seconds that one call may take: connecting, the statement and its rows.
        wait_s: seconds that a call may wait for a connection before it is given up.

    >>> Bounds(timeout_s=2.0).limited(Limits(at_once=3))
    Bounds(at_once=3, timeout_s=2.0, wait_s=15.0)
    """

    at_once: int = 8
    timeout_s: float = 8.0
    wait_s: float = 15.0

    def limited(self, limits: Limits) -> Bounds:
        """Return the bounds with those that are set in place of their own.

        Raises:
            ValueError: if `per_s` or `max_bytes` is set, which databases don't have.
        """
        return limits.over(self)


BOUNDS = Bounds()


class Databases:
    """One process's databases, each opened when it is first needed.

    >>> @skill.command("库存")
    ... async def stock(ctx: Context) -> str:
    ...     count = sqlalchemy.text("SELECT 7 AS pieces")
    ...     rows = await ctx.services.databases.fetch("库存", "sqlite://", count, {}, limit=1)
    ...     return f"还有 {rows[0]['pieces']} 件"
    >>> asyncio.run(ask(skill, "库存")).content
    '还有 7 件'
    """

    def __init__(self) -> None:
        self._databases: dict[tuple[str, Bounds], _Database] = {}

    @property
    def stuck_calls(self) -> int:
        """How many threads are lost to calls that could not be ended; safe in any thread."""
        return sum(database.stuck_calls for database in tuple(self._databases.values()))

    @property
    def is_stuck(self) -> bool:
        """Whether a database has lost all its threads, so that only a new process can read it."""
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
            service: the database's name as users know it, for the log and for apologies.
            url: SQLAlchemy's URL of it.
            statement: the SELECT, with named binds.
            values: what to bind.
            limit: how many rows at the most.
            bounds: the database's limits; other limits have other connections.

        Raises:
            BackendUnavailableError: if it can't be reached, or takes too long.
            BackendBusyError: if none of its connections became free in time.
            BackendConfigError: if it rejects the statement, or its driver is missing.
        """
        began = time.monotonic()
        outcome = "failed"
        database = self._databases.setdefault((url, bounds), _Database(url, bounds))
        try:
            with logged_call(service) as result:
                rows = await database.run(service, lambda: database.read(statement, values, limit))
                outcome = result.text = f"{len(rows)} row(s)"
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
        self._slots = asyncio.Semaphore(bounds.at_once)
        self._calls: set[Call] = set()
        self._engine: Engine | None = None
        self._opening = threading.Lock()

    @property
    def stuck_calls(self) -> int:
        return sum(call.is_stuck for call in tuple(self._calls))

    async def run(self, service: str, read: Callable[[], Rows]) -> Rows:
        """Run a blocking read in a thread of its own, once there is a slot, within the timeout."""
        try:
            async with asyncio.timeout(self.bounds.wait_s):
                await self._slots.acquire()
        except TimeoutError:
            why = f"all {self.bounds.at_once} connections are in use"
            raise BackendBusyError(service, why) from None
        call = Call(service, read)
        self._calls.add(call)
        future = asyncio.wrap_future(call.outcome)
        future.add_done_callback(lambda future: self._ended(call, future))
        try:
            call.start_or_fail()
            # Unlike `wait_for`, this leaves the call alone on a timeout or a cancellation.
            await asyncio.wait([future], timeout=self.bounds.timeout_s)
        finally:
            if not future.done():
                call.end()
        if not future.done():
            raise BackendUnavailableError(service, "TimeoutError")
        return future.result()

    def read(self, statement: Executable, values: Mapping[str, Any], limit: int) -> Rows:
        """Read rows; blocks."""
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - see the module's docstring

        call = cast("Call", threading.current_thread())
        engine = self._opened()
        try:
            return read_rows(engine, call, statement, values, limit)
        except DBAPIError as error:
            # The server has closed the connection since its last use. A read may be repeated, which
            # spares a ping before each use.
            if call.is_over or not error.connection_invalidated:
                raise
        return read_rows(engine, call, statement, values, limit)

    def close(self) -> None:
        if self._engine:
            self._engine.dispose()

    def _ended(self, call: Call, future: asyncio.Future[Any]) -> None:
        self._calls.discard(call)
        self._slots.release()
        # The caller may be gone: once retrieved, the error is not logged as never retrieved.
        future.exception()

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is None:
                self._engine = open_engine(
                    self._url, at_once=self.bounds.at_once, timeout_s=self.bounds.timeout_s
                )
            return self._engine
