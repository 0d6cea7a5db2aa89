"""Counts the OpenAPI's calls: DingTalk allows an organisation so many in a month.

Source: DingTalk's page on the quotas of API calls. Fetching an access token is free; everything
that is done with one counts, a private answer as well.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.runtime.clock import CHINA, china_now

logger = logging.getLogger(__name__)

WRITE_S = 5.0
"""How often the count is written, in seconds: a worker that is killed loses what it has since."""
WARN_AT = 0.8
"""The share of the month's calls at which operators are warned."""
_KEPT_S = 62 * 86_400


class OpenAPICalls:
    """Counts calls without waiting for Redis, where all workers' counts are added up.

    Args:
        redis: holds the count.
        keys: name it.
        monthly: how many calls there are in a month; 0: nothing is warned of.
        now: the clock, in China's time.
    """

    def __init__(
        self,
        redis: Redis,
        keys: LedgerKeys,
        *,
        monthly: int,
        now: Callable[[], datetime] = china_now,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._monthly = monthly
        self._now = now
        self._unwritten = 0

    def note(self) -> None:
        """Count a call."""
        self._unwritten += 1

    async def write(self) -> None:
        """Add to the count in Redis what has been noted since; Redis may be away meanwhile.

        Of all workers the one that brings the count beyond `WARN_AT` warns, once a month.
        """
        added = self._unwritten
        if not added:
            return
        key = self._keys.openapi_calls(month_of(self._now()))
        try:
            async with self._redis.pipeline() as pipeline:
                pipeline.incrby(key, added)
                pipeline.expire(key, _KEPT_S)
                total, _ = await pipeline.execute()
        except (RedisError, OSError) as error:
            logger.warning("the OpenAPI's calls are not counted: %s", type(error).__name__)
            return
        self._unwritten -= added
        if total - added < WARN_AT * self._monthly <= total:
            logger.warning(
                "%d of this month's %d calls of DingTalk's OpenAPI are used up "
                "(DINGDA_OPENAPI_MONTHLY_CALLS)",
                total,
                self._monthly,
            )

    async def write_forever(self, *, interval_s: float = WRITE_S) -> None:
        """Write the count every `interval_s` seconds until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.write()


def month_of(now: datetime) -> str:
    """The month that a call counts for: DingTalk's begin in China.

    >>> month_of(datetime(2026, 11, 30, 17, tzinfo=UTC))
    '2026-12'
    """
    return f"{now.astimezone(CHINA):%Y-%m}"
