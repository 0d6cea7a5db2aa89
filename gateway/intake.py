"""Group commit: all messages that wait at one moment are stored in one round trip to Redis.

Who arrives during a round trip goes with the next one, so the busier it gets the more messages
share each trip. Nobody waits longer than two trips: one that Redis does not end in time fails
everybody who waits by then. So no message needs a timer of its own.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from redis.exceptions import RedisError

from shared.errors import BusyError
from shared.failpoints import failpoint
from shared.ledger import Acceptance, Ledger
from shared.message import Message

logger = logging.getLogger(__name__)

TRIP_S = 0.45
"""How long a trip to Redis may take, in seconds. Two of them stay below the second that we promise;
DingTalk's own limit is about 2.5 s."""
_MAX_BATCH = 256
_MAX_WAITING = 4096


class _Waiting(NamedTuple):
    message: Message
    body: bytes
    outcome: "asyncio.Future[Acceptance]"


class Intake:
    """Accepts messages for many callers at once.

    Args:
        ledger: where they are stored; its client must give up within a second.
        backlog_limit: how many messages may wait for a worker.
    """

    def __init__(self, ledger: Ledger, *, backlog_limit: int) -> None:
        self._ledger = ledger
        self._backlog_limit = backlog_limit
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store what arrives, for as long as the context is open."""
        storing = asyncio.create_task(self._store_forever())
        try:
            yield
        finally:
            storing.cancel()
            with suppress(asyncio.CancelledError):
                await storing

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
        if len(self._waiting) >= _MAX_WAITING:
            raise BusyError("too many messages wait to be stored")
        waiting = _Waiting(message, body, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        outcome = await waiting.outcome
        if outcome is Acceptance.FULL:
            raise BusyError("the backlog is at its limit (DINGDA_BACKLOG_LIMIT)")
        return outcome

    async def _store_forever(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while batch := self._next_batch(_MAX_BATCH):
                await self._store(batch)

    def _next_batch(self, most: int) -> list[_Waiting]:
        """Take those who still wait: a request that is gone must not be stored after all."""
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < most:
            waiting = self._waiting.popleft()
            if not waiting.outcome.done():
                batch.append(waiting)
        return batch

    async def _store(self, batch: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(TRIP_S):
                outcomes = await self._ledger.accept(
                    [(waiting.message, waiting.body) for waiting in batch],
                    backlog_limit=self._backlog_limit,
                )
        except (RedisError, OSError, TimeoutError) as error:
            logger.error("Redis did not store %d message(s): %s", len(batch), _named(error))
            batch += self._next_batch(_MAX_WAITING)
            for waiting in batch:
                if not waiting.outcome.done():
                    waiting.outcome.set_exception(BusyError("Redis did not store the message"))
            return
        failpoint("after-accept")
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if not waiting.outcome.done():
                waiting.outcome.set_result(outcome)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
