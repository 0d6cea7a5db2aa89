"""Follow a message to its end: everything that comes of it, as it comes, for as long as it may."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.exchange import Exchange, Workers
from dingda.simulator.dingtalk.record import Record

WITHOUT_LEDGER_S = 5.0
"""How long a reply is waited for where no ledger says whether one will come."""
LOOK_EVERY_S = 1.0
"""How often the workers are looked at, and the progress is told."""
_AT_MOST_EVERY_S = 0.05
"""How often an exchange is fetched: what others say in a burst changes the revision, too."""
GONE_FOR_S = 5.0
"""How long no worker has to be alive before none is waited for: one may just be starting."""
_MORE_WITHIN_S = 0.5
"""How long to wait for more once a message has ended: what its skill pushes goes its own way."""
_PARTS_WITHIN_S = 1.0
"""The same where no ledger says that it has ended: a long reply comes in parts."""


class Following:
    """Yields an exchange again whenever it changes, until nothing more will come of it.

    That is when the message has ended; when its session is over; or when no worker is there to
    answer it, which `workers` then tells.

    Args:
        client: speaks to the simulator.
        record: the message's.
        wait_s: how long to wait at the most, in seconds; None for as long as its session lasts.
        progress: told about once a second how long it has been, in seconds.
    """

    def __init__(
        self,
        client: SimulatorClient,
        record: Record,
        *,
        wait_s: float | None,
        progress: Callable[[Record, Workers, float], None],
    ) -> None:
        self._client = client
        self._msg_id = record.msg_id
        self._wait_s = wait_s
        self._progress = progress
        self._began_s = self._workers_seen_s = time.monotonic()
        self._over_since_s: float | None = None
        self.workers = Workers(known=False)
        self.found_no_worker = False
        """Whether it has ended because there is none."""

    async def exchanges(self) -> AsyncIterator[Exchange]:
        """Follow; see above."""
        exchange = await self._client.exchange(self._msg_id)
        while True:
            yield exchange
            left_s = self._until_s(exchange.record) - time.monotonic()
            if left_s <= 0 or self.found_no_worker:
                return
            await asyncio.sleep(_AT_MOST_EVERY_S)
            exchange = await self._client.exchange(
                self._msg_id, after=exchange.revision, wait_s=min(left_s, LOOK_EVERY_S)
            )
            await self._look(exchange.record)

    def _until_s(self, record: Record) -> float:
        if not _is_over(record):
            self._over_since_s = None
            return self._began_s + patience_s(record, self._wait_s)
        if self._over_since_s is None:
            self._over_since_s = time.monotonic()
        return self._over_since_s + _linger_s(record)

    async def _look(self, record: Record) -> None:
        now_s = time.monotonic()
        if _is_over(record) or record.story is None:
            self._workers_seen_s = now_s
        elif now_s - self._began_s >= LOOK_EVERY_S:
            self.workers = await self._client.workers()
            if not self.workers.are_gone:
                self._workers_seen_s = now_s
            self.found_no_worker = now_s - self._workers_seen_s > GONE_FOR_S
            self._progress(record, self.workers, now_s - self._began_s)


def patience_s(record: Record, wait_s: float | None) -> float:
    """How long a reply is waited for, in seconds since the message was sent."""
    if wait_s is not None:
        return wait_s
    if record.story is None:
        return WITHOUT_LEDGER_S
    return (record.session_expires_ms - record.sent_at_ms) / 1000


def _is_over(record: Record) -> bool:
    return record.settled if record.story is None else record.story.ended


def _linger_s(record: Record) -> float:
    if not record.acknowledged:
        return 0.0
    return _PARTS_WITHIN_S if record.story is None else _MORE_WITHIN_S
