"""Watches the ledger for what becomes of the messages, so that the page can show each step."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from redis.exceptions import RedisError

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.simulation import Simulation

logger = logging.getLogger(__name__)

_PAUSE_S = 0.05
_REST_S = 2.0
_UNHEARD_OF_MS = 10_000
"""How long after its acknowledgement a message may stay unknown to the ledger."""
_A_LONG_TIME_S = 3600.0

ReadStories = Callable[[Sequence[str]], Awaitable[list[MessageTimeline | None]]]


class LedgerWatch:
    """Reads the stories of open messages, as long as there are any.

    Args:
        read: reads stories by the ledger's ids; may raise what the Redis client raises.
        dingtalk: has the messages, and hears their stories.
        changes: tells of new messages, and is told of new stories.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(
        self,
        read: ReadStories,
        dingtalk: Simulation,
        changes: ChangeNotifier,
        now_ms: Callable[[], int],
    ) -> None:
        self._read = read
        self._dingtalk = dingtalk
        self._changes = changes
        self._now_ms = now_ms
        self._is_away = False

    async def run(self) -> None:
        """Watch until all is closed."""
        while not self._changes.closed:
            await self._changes.wait_until(lambda: bool(self._open()), wait_s=_A_LONG_TIME_S)
            try:
                await self._look()
            except (RedisError, OSError) as error:
                self._complain(error)
                await asyncio.sleep(_REST_S)
            else:
                self._is_away = False
                await asyncio.sleep(_PAUSE_S)

    async def _look(self) -> None:
        records = self._open()
        stories = await self._read([record.ledger_id or "" for record in records])
        news = [
            (record.msg_id, story)
            for record, story in zip(records, stories, strict=True)
            if story and story != record.story
        ]
        for msg_id, story in news:
            self._dingtalk.told(msg_id, story)
        if news:
            await self._changes.announce()

    def _open(self) -> list[Record]:
        since_ms = self._now_ms() - _UNHEARD_OF_MS
        return [record for record in self._dingtalk.records.since(0) if _is_open(record, since_ms)]

    def _complain(self, error: Exception) -> None:
        if not self._is_away:
            logger.info(
                "no ledger at DINGDA_REDIS_URL (%s): timelines show what DingTalk sees and no more",
                type(error).__name__,
            )
        self._is_away = True


def _is_open(record: Record, since_ms: int) -> bool:
    if record.ledger_id is None or not record.acknowledged:
        return False
    return record.sent_at_ms > since_ms if record.story is None else not record.story.ended
