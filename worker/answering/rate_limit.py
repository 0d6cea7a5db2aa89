"""Rate limits: how many messages a minute one sender and one conversation may send."""

import hashlib
import logging
import time
from collections.abc import Callable
from enum import Enum, auto

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.dingtalk.message import Message

logger = logging.getLogger(__name__)

_WINDOW_S = 60


class RateDecision(Enum):
    """What to do with a message."""

    PASS = auto()
    WARN = auto()
    """The first message over a limit in this minute: its sender is told."""
    DROP = auto()
    """A later one: nothing is sent."""


class RateLimiter:
    """Counts messages in Redis, for all workers together.

    Args:
        redis: holds the counts for two minutes, under hashed names.
        prefix: what their keys begin with.
        per_sender: messages a minute that one person may send; 0: any number.
        per_conversation: messages a minute that one conversation may hold; 0: any number.
        robot: the code of the robot that they are sent to, where several are counted apart.
        now_s: the clock, in seconds.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        prefix: str,
        per_sender: int,
        per_conversation: int,
        robot: str = "",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._per_sender = per_sender
        self._per_conversation = per_conversation
        self._robot = f"{robot}\n" if robot else ""
        self._now_s = now_s

    async def judge(self, message: Message, *, age_s: float = 0.0) -> RateDecision:
        """Count a message and decide; it passes when Redis is away.

        Args:
            message: the message.
            age_s: how long ago it came, in seconds: it counts for that minute.
        """
        # DingTalk hides the userid of external members, and of everybody before the publishing.
        sender = message.sender_staff_id or message.sender_id
        limits = {
            f"sender\n{message.sender_corp_id}\n{sender}": self._per_sender,
            f"conversation\n{message.conversation_id}": self._per_conversation,
        }
        limited = {
            self._key(subject, age_s): limit
            for subject, limit in limits.items()
            # Senders without any id are not counted as one person.
            if limit and not subject.endswith("\n")
        }
        if not limited:
            return RateDecision.PASS
        try:
            counts = await self._count(list(limited))
        except (RedisError, OSError) as error:
            logger.warning("rate limit: not counted (%s)", type(error).__name__)
            return RateDecision.PASS
        excess = max(n - limit for n, limit in zip(counts, limited.values(), strict=True))
        if excess <= 0:
            return RateDecision.PASS
        return RateDecision.WARN if excess == 1 else RateDecision.DROP

    async def _count(self, keys: list[str]) -> list[int]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.incr(key)
                pipeline.expire(key, 2 * _WINDOW_S)
            return list((await pipeline.execute())[::2])

    def _key(self, subject: str, age_s: float) -> str:
        name = hashlib.sha256(f"{self._robot}{subject}".encode()).hexdigest()[:32]
        return f"{self._prefix}:rate:{name}:{int((self._now_s() - age_s) // _WINDOW_S)}"
