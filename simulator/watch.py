"""Reads the ledger's timelines of open messages, so that the page can show each step."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record import UNKNOWN_FOR_MS, Record
from dingda.simulator.dingtalk.simulation import Simulation

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_RETRY_S = 2.0

ReadTimelines = Callable[[Sequence[str]], Awaitable[list[MessageTimeline | None]]]


class LedgerWatch:
    """Reads the timelines of open messages, as long as there are any.

    Args:
        read: reads timelines by the ledger's ids; may raise what the Redis client raises.
        dingtalk: keeps the messages and takes their timelines.
        changes: announces new messages and new timelines.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(
        self,
        read: ReadTimelines,
        dingtalk: Simulation,
        changes: ChangeNotifier,
        now_ms: Callable[[], int],
    ) -> None:
        self._read = read
        self._dingtalk = dingtalk
        self._changes = changes
        self._now_ms = now_ms
        self._is_unreachable = False
        self.unknown: set[str] = set()
        """The msgIds of those that were acknowledged ten seconds ago, and that the ledger, which
        was read since, does not know: it has never heard of them, or has lost them."""

    async def run(self) -> None:
        """Watch until `changes` is closed."""
        while not self._changes.closed:
            await self._changes.wait_until(lambda: bool(self._open()))
            try:
                await self._poll()
            except (RedisError, OSError) as error:
                self._log_unreachable(error)
                await asyncio.sleep(_RETRY_S)
            else:
                self._is_unreachable = False
                await asyncio.sleep(_POLL_S)

    async def _poll(self) -> None:
        records = self._open()
        timelines = await self._read([record.ledger_id or "" for record in records])
        now_ms = self._now_ms()
        self.unknown |= {
            record.msg_id
            for record, timeline in zip(records, timelines, strict=True)
            if timeline is None and record.sent_at_ms <= now_ms - UNKNOWN_FOR_MS
        }
        news = [
            (record.msg_id, timeline)
            for record, timeline in zip(records, timelines, strict=True)
            if timeline and timeline != record.story
        ]
        for msg_id, timeline in news:
            self._dingtalk.note_timeline(msg_id, timeline)
        if news:
            await self._changes.announce()

    def _open(self) -> list[Record]:
        return [
            record
            for record in self._dingtalk.records.since(0)
            if record.is_open and record.msg_id not in self.unknown
        ]

    def _log_unreachable(self, error: Exception) -> None:
        if not self._is_unreachable:
            logger.info(
                "no ledger at DINGDA_REDIS_URL (%s): timelines show what DingTalk sees and no more",
                type(error).__name__,
            )
        self._is_unreachable = True
