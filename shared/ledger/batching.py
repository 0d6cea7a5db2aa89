"""Group commit: calls that wait at the same time share one round trip to Redis.

Calls made while a batch is in flight join the next one, so the busier a process gets, the more
calls share a round trip. The gateway stores messages this way (`gateway.intake`), and a
worker runs the ledger's scripts this way (`ScriptBatcher`).
"""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from dingda.shared.errors import BusyError
from dingda.shared.ledger.replicas import ReplicatedConnection

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
_Call = tuple[Item, int, asyncio.Future[Result]]
"""An item, its size in bytes, and its result. A plain tuple: one is made for each message."""
_Script = tuple[AsyncScript, Sequence[Any], bool]
"""A script, its ARGV, and whether what it writes must outlive the primary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How much a batch holds, and how much may wait for one; a batch may exceed its bytes once."""

    batch: int = 256
    batch_bytes: float = math.inf
    waiting: float = math.inf
    waiting_bytes: float = math.inf


class Batcher(Generic[Item, Result]):
    """Handles the items of many callers in batches, one batch at a time.

    Args:
        run: handles a batch. It returns a result for each item, in order; one that is an exception
            is raised to that item's caller. What it raises itself is raised to all of the batch.
        limits: how much a batch holds, and how much may wait.
    """

    def __init__(
        self,
        run: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        limits: BatchLimits,
    ) -> None:
        self._run = run
        self._limits = limits
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._waiting_bytes = 0
        self._flush_task: asyncio.Task[None] | None = None

    def submit(self, item: Item, *, size: int = 0) -> "asyncio.Future[Result]":
        """Have an item handled in the next batch.

        Args:
            item: what to handle.
            size: what it counts for among the limits, in bytes.

        Returns:
            Its result, to be awaited. If it is cancelled before its batch, the item is not handled.

        Raises:
            BusyError: if too much waits already; from the future if the batch was broken off.
        """
        limits = self._limits
        if len(self._waiting) >= limits.waiting or self._waiting_bytes >= limits.waiting_bytes:
            raise BusyError("too many calls wait for their batch")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, size, result))
        self._waiting_bytes += size
        if self._flush_task is None or self._flush_task.done():
            self._flush_task = loop.create_task(self._flush())
        return result

    def fail_waiting(self, error: Exception) -> None:
        """Raise an error to all callers whose batch has not begun."""
        _fail(self._waiting, error)
        self._waiting.clear()
        self._waiting_bytes = 0

    async def stop(self) -> None:
        """Break off the batch in flight and fail all callers. Later calls start a new batch."""
        if self._flush_task and not self._flush_task.done():
            self._flush_task.cancel()
            await asyncio.wait([self._flush_task])
        self.fail_waiting(_broken_off())

    async def _flush(self) -> None:
        while batch := self._next_batch():
            await self._run_batch(batch)

    def _next_batch(self) -> list[_Call[Item, Result]]:
        """Take the next calls, but not cancelled ones: those must have no effect."""
        batch: list[_Call[Item, Result]] = []
        size = 0
        limits = self._limits
        while self._waiting and len(batch) < limits.batch and size < limits.batch_bytes:
            call = self._waiting.popleft()
            _, call_size, result = call
            self._waiting_bytes -= call_size
            if not result.done():
                batch.append(call)
                size += call_size
        return batch

    async def _run_batch(self, batch: Sequence[_Call[Item, Result]]) -> None:
        try:
            outcomes = await self._run([item for item, _, _ in batch])
            pairs = list(zip(batch, outcomes, strict=True))
        except Exception as error:  # noqa: BLE001 - every caller of the batch is told
            _fail(batch, error)
        except BaseException as error:  # cancelled, or a library in another language panicked
            if not isinstance(error, asyncio.CancelledError):
                logger.critical("a batch ended unexpectedly: %r; the next call starts again", error)
            _fail(batch, _broken_off())
            self.fail_waiting(_broken_off())
            raise
        else:
            for (_, _, result), outcome in pairs:
                if result.done():
                    continue
                if isinstance(outcome, Exception):
                    result.set_exception(outcome)
                else:
                    result.set_result(outcome)


def _fail(calls: Iterable[_Call[Any, Any]], error: Exception) -> None:
    for _, _, result in calls:
        if not result.done():
            result.set_exception(error)


def _broken_off() -> BusyError:
    return BusyError("the batch was broken off")


class ScriptBatcher:
    """Runs Lua scripts that share their KEYS for many callers in one pipeline.

    Args:
        connection: what runs them; nothing else may use it.
        keys: KEYS of every script.
    """

    def __init__(self, connection: ReplicatedConnection, keys: Sequence[str]) -> None:
        self._connection = connection
        self._keys = keys
        self._batcher: Batcher[_Script, tuple[Any, bool]] = Batcher(
            self._run_batch, limits=BatchLimits()
        )

    async def run(self, script: AsyncScript, arguments: Sequence[Any]) -> Any:
        """Run a script and return what it returns; raises what the client raises."""
        result, _ = await self._batcher.submit((script, arguments, False))
        return result

    async def run_durable(self, script: AsyncScript, arguments: Sequence[Any]) -> tuple[Any, bool]:
        """Run a script whose writes must outlive the primary; raises what the client raises.

        Returns:
            What it returns, and whether enough replicas have what its round trip wrote; true where
            none are waited for.
        """
        return await self._batcher.submit((script, arguments, True))

    async def _run_batch(self, batch: Sequence[_Script]) -> list[tuple[Any, bool] | Exception]:
        results = await self._execute(batch)
        if any(isinstance(result, NoScriptError) for result in results):
            await self._run_unknown(batch, results)
        return results

    async def _execute(self, batch: Sequence[_Script]) -> list[tuple[Any, bool] | Exception]:
        keys = (len(self._keys), *self._keys)
        results, replicated = await self._connection.execute_replicated(
            [("EVALSHA", script.sha, *keys, *arguments) for script, arguments, _ in batch],
            steps=sum(durable for _, _, durable in batch),
        )
        return [
            result if isinstance(result, Exception) else (result, replicated) for result in results
        ]

    async def _run_unknown(
        self, batch: Sequence[_Script], results: list[tuple[Any, bool] | Exception]
    ) -> None:
        """Load and run scripts that a freshly started Redis did not know; none of them has run."""
        unknown = [n for n, result in enumerate(results) if isinstance(result, NoScriptError)]
        for script in {batch[n][0].sha: batch[n][0] for n in unknown}.values():
            await self._connection.execute("SCRIPT LOAD", script.script)
        found = await self._execute([batch[n] for n in unknown])
        for n, result in zip(unknown, found, strict=True):
            results[n] = result
