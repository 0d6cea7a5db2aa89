"""Group commit: all messages that wait at one moment are stored in one round trip to Redis.

Who arrives during a round trip goes with the next one, so the busier it gets the more messages
share each trip. Nobody waits longer than two trips: one that Redis does not end in time fails
everybody who waits by then. So no message needs a timer of its own.

Whatever goes wrong, nobody is left waiting: a message that is not stored is answered with "busy".
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from redis.exceptions import RedisError

from dingda.shared.errors import BusyError
from dingda.shared.failpoints import failpoint
from dingda.shared.ledger import Ledger
from dingda.shared.message import Message
from dingda.shared.states import Acceptance

logger = logging.getLogger(__name__)

TRIP_S = 0.45
"""How long a trip to Redis may take, in seconds. Two of them stay below the second that we promise;
DingTalk's own limit is about 2.5 s."""
_MAX_BATCH = 256
_MAX_BATCH_BYTES = 4 * 1024 * 1024
_MAX_WAITING = 4096
_MAX_WAITING_BYTES = 64 * 1024 * 1024


class _Waiting(NamedTuple):
    message: Message
    body: bytes
    outcome: "asyncio.Future[Acceptance]"


class Intake:
    """Accepts messages for many callers at once.

    Args:
        ledger: where they are stored; its client must give up within a second.
        backlog_limit: how many messages may wait for a worker, or for another attempt.
    """

    def __init__(self, ledger: Ledger, *, backlog_limit: int) -> None:
        self._ledger = ledger
        self._backlog_limit = backlog_limit
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._storing: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether what arrives is being stored."""
        return self._storing is not None and not self._storing.done()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store what arrives, for as long as the context is open."""
        self._start()
        try:
            yield
        finally:
            storing, self._storing = self._storing, None
            if storing:
                storing.cancel()
                await asyncio.wait([storing])
            self._fail(self._all_waiting())

    async def accept(self, message: Message, body: bytes) -> Acceptance:
        """Store a message.

        Args:
            message: the parsed callback.
            body: the bytes that it was parsed from.

        Returns:
            Whether it is accepted now or was known already.

        Raises:
            BusyError: if it isn't stored within two trips, or there is no room for it.
        """
        if not self.is_running:
            raise BusyError("nothing is being stored")
        if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes >= _MAX_WAITING_BYTES:
            raise BusyError("too many messages wait to be stored")
        waiting = _Waiting(message, body, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += len(body)
        self._arrived.set()
        outcome = await waiting.outcome
        if outcome is Acceptance.FULL:
            raise BusyError("the backlog is at its limit (DINGDA_BACKLOG_LIMIT)")
        return outcome

    def _start(self) -> None:
        self._storing = asyncio.create_task(self._store_forever())
        self._storing.add_done_callback(self._on_end)

    def _on_end(self, storing: "asyncio.Task[None]") -> None:
        """Start again what nobody has told to end: without it every callback would hang."""
        if storing is self._storing:
            logger.critical("storing ended unexpectedly, and is started again")
            self._fail(self._all_waiting())
            self._start()

    async def _store_forever(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._next_batch():
                await self._store(batch)

    def _next_batch(self) -> list[_Waiting]:
        """Take those who still wait: a request that is gone must not be stored after all."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and len(batch) < _MAX_BATCH and size < _MAX_BATCH_BYTES:
            waiting = self._waiting.popleft()
            self._waiting_bytes -= len(waiting.body)
            if not waiting.outcome.done():
                batch.append(waiting)
                size += len(waiting.body)
        return batch

    def _all_waiting(self) -> list[_Waiting]:
        everybody = list(self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        return everybody

    async def _store(self, batch: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(TRIP_S):
                outcomes = await self._ledger.accept(
                    [(waiting.message, waiting.body) for waiting in batch],
                    backlog_limit=self._backlog_limit,
                )
            failpoint("after-accept")
            for waiting, outcome in zip(batch, outcomes, strict=True):
                if not waiting.outcome.done():
                    waiting.outcome.set_result(outcome)
        except (RedisError, OSError, TimeoutError) as error:
            logger.error("Redis did not store %d message(s): %s", len(batch), _named(error))
            batch += self._all_waiting()
        except Exception:
            logger.exception("%d message(s) could not be stored", len(batch))
        finally:
            self._fail(batch)

    def _fail(self, batch: Sequence[_Waiting]) -> None:
        """Fail those that still wait: their messages are not stored."""
        for waiting in batch:
            if not waiting.outcome.done():
                waiting.outcome.set_exception(BusyError("the message was not stored"))


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
