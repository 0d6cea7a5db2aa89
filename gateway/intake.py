"""Group commit: all messages that wait at the same time are stored in one round trip to Redis.

A caller waits for at most two round trips: the one in flight, and its own. If one fails or times
out, every waiting caller fails with it, so no message needs a timer of its own.

Whatever goes wrong, no caller is left waiting: a message that is not stored gets "busy".
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from redis.exceptions import RedisError

from dingda.gateway.metrics import GatewayMetrics
from dingda.shared.dingtalk.message import Envelope, Message
from dingda.shared.errors import BusyError
from dingda.shared.ledger.batching import Batcher, BatchLimits
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult
from dingda.shared.runtime.deadline import within
from dingda.shared.runtime.failpoints import failpoint

logger = logging.getLogger(__name__)

ROUND_TRIP_S = 0.45
"""How long a round trip to Redis may take, in seconds. Two of them are less than the second that we
promise; DingTalk's own limit is about 2.5 s."""
LIMITS = BatchLimits(
    batch=256,
    batch_bytes=4 * 1024 * 1024,
    waiting=4096,
    waiting_bytes=64 * 1024 * 1024,
)


class Intake:
    """Accepts messages for many callers at once.

    Args:
        ledger: where they are stored; its client must give up within a second.
        backlog_limit: how many messages may wait for a worker, or for another attempt.
        limits: how much is stored in one round trip, and how much may wait to be stored.
        metrics: counts the batches.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        backlog_limit: int,
        limits: BatchLimits = LIMITS,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics or GatewayMetrics()
        self._backlog_limit = backlog_limit
        self._batcher = Batcher(self._store, limits=limits)
        self._is_running = False

    @property
    def is_running(self) -> bool:
        """Whether messages are being stored."""
        return self._is_running

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Store messages for as long as the context is open; those that wait at its end fail."""
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False
            await self._batcher.stop()

    async def accept(self, message: Envelope | Message, body: bytes) -> AcceptResult:
        """Store a message.

        Args:
            message: its envelope, or all of it.
            body: the bytes that it was read from.

        Returns:
            Whether it is accepted now or was known already.

        Raises:
            BusyError: if it isn't stored within two round trips, or there is no room for it.
        """
        if not self._is_running:
            raise BusyError("nothing is being stored")
        try:
            outcome = await self._batcher.submit((message, body), size=len(body))
        except BusyError:
            raise
        except Exception as error:
            raise BusyError("the message was not stored") from error
        if outcome is AcceptResult.FULL:
            raise BusyError("the backlog is at its limit (DINGDA_BACKLOG_LIMIT)")
        return outcome

    async def _store(self, messages: list[tuple[Envelope | Message, bytes]]) -> list[AcceptResult]:
        began_s = perf_counter()
        try:
            accepting = self._ledger.accept(messages, backlog_limit=self._backlog_limit)
            outcomes = await within(ROUND_TRIP_S, accepting)
        except (RedisError, OSError, TimeoutError) as error:
            logger.error("Redis did not store %d message(s): %s", len(messages), _describe(error))
            self._batcher.fail_waiting(error)
            raise
        except Exception:
            logger.exception("%d message(s) could not be stored", len(messages))
            raise
        finally:
            self._metrics.batch_ended(len(messages), perf_counter() - began_s)
        failpoint("after-accept")
        return outcomes


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
