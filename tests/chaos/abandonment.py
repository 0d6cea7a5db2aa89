"""How long a message that its worker abandoned goes unnoticed."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.ledger.times import HANDOVER_MS, LEASE_MS, OUTCOME_MS
from dingda.worker.maintenance.sweeper import INTERVAL_S
from tests.support.builders import KEYS

_LOOK_S = 0.2


class AbandonmentMonitor:
    """Looks at what is overdue, and counts from the last sign of life.

    A lease shows a sign of life when it is taken or renewed. What happens while Redis itself is
    away can't be noticed by anybody, so that time does not count.
    """

    def __init__(self, redis: Redis) -> None:
        self.noticed_s: list[float] = []
        """For each abandoned message, the seconds from its worker's last sign to its notice."""
        self._redis = redis
        self._overdue: dict[str, tuple[float, float]] = {}
        self._away: list[tuple[float, float]] = []

    def note_outage(self, began_s: float, ended_s: float) -> None:
        """Redis was away between these moments, in seconds since 1970."""
        self._away.append((began_s, ended_s))

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with suppress(RedisError, OSError):
                await self._look_once()
            await asyncio.sleep(_LOOK_S)

    async def _look_once(self) -> None:
        now_s = time.time()
        listed: Any = await self._redis.zrange(
            KEYS.due, "-inf", now_s * 1000, byscore=True, withscores=True
        )
        due = {str(message_id): float(score) for message_id, score in listed}
        for message_id, (due_ms, silence_s) in list(self._overdue.items()):
            if due.get(message_id) != due_ms:
                del self._overdue[message_id]
                late_s = now_s - due_ms / 1000 - self._away_s(due_ms / 1000, now_s)
                self.noticed_s.append(silence_s + late_s)
        for message_id in due.keys() - self._overdue.keys():
            allowed_s = await self._silence_s(message_id)
            if allowed_s is not None:
                self._overdue[message_id] = due[message_id], allowed_s

    async def _silence_s(self, message_id: str) -> float | None:
        """How long before it was due there was a sign of a worker; None: it only rested."""
        key = KEYS.message(message_id)
        held: Any = await self._redis.hmget(key, "state", "not_before_ms")
        state, rested = held
        if state == "leased":
            return LEASE_MS / 1000
        if state == "sending":
            return OUTCOME_MS / 1000
        return None if rested else HANDOVER_MS / 1000 + INTERVAL_S

    def _away_s(self, began_s: float, ended_s: float) -> float:
        overlaps = (min(ended_s, end) - max(began_s, start) for start, end in self._away)
        return sum(max(0.0, overlap) for overlap in overlaps)
