"""The skills' cache in Redis. What is looked up for a person never goes in here."""

import json
import logging
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


class Cache(Protocol):
    """Remembers small JSON values for a while; forgetting is always allowed."""

    async def get(self, key: str) -> Any | None:
        """Return what was put there, or None."""

    async def set(self, key: str, value: Any, *, ttl_s: int) -> None:
        """Put a JSON value there for `ttl_s` seconds."""


class RedisCache:
    """JSON values under `<prefix>:cache:`, each with its own time to live.

    Args:
        redis: a client that decodes responses.
        prefix: the queue's name.
    """

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:cache:"

    async def get(self, key: str) -> Any | None:
        """Return what was put there; None if there is nothing, no JSON, or no Redis."""
        try:
            stored = await self._redis.get(self._prefix + key)
        except (RedisError, OSError) as error:
            logger.warning("the cache cannot be read (%s)", type(error).__name__)
            return None
        try:
            return None if stored is None else json.loads(stored)
        except (ValueError, RecursionError):
            logger.warning("the cache holds something that is no JSON")
            return None

    async def set(self, key: str, value: Any, *, ttl_s: int) -> None:
        """Put a JSON value there for `ttl_s` seconds; an outage only costs the next look-up."""
        try:
            await self._redis.set(self._prefix + key, json.dumps(value), ex=ttl_s)
        except (RedisError, OSError) as error:
            logger.warning("the cache cannot be written (%s)", type(error).__name__)
