"""The skills' cache in Redis. Nothing that is looked up for a person is stored here."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.errors import BusyError
from dingda.shared.ledger.batching import Batcher, BatchLimits
from dingda.worker.services.single_flight import SharedCallCancelledError, SingleFlight
from dingda.worker.services.skill_clock import skill_clock_paused

logger = logging.getLogger(__name__)

LOCK_S = 10.0
"""Seconds that other callers wait for the one that fetches: a call's default timeout."""
MAX_FETCH_S = 90.0
"""Seconds that fetching may take. The skill's time does not bound it: others wait for it, too."""
_FIRST_POLL_S, _LAST_POLL_S = 0.05, 0.5
_REDIS_TIMEOUT_S = 1.0
"""A slower cache is worse than none; the Redis client alone would wait for a minute."""

Fetch = Callable[[], Awaitable[Any]]
_Command: TypeAlias = tuple[str | bytes | int, ...]
"""A Redis command, made by its caller: a key that is none fails there, and not a batch."""


class Cache(Protocol):
    """Keeps small JSON values for a while, and may lose any of them at any time.

    >>> async def fetch() -> float:
    ...     return 7.1
    >>> cache: Cache = MemoryCache()
    >>> asyncio.run(cache.remember("rates:USD", fetch, ttl_s=600))
    7.1
    """

    async def get(self, key: str) -> Any | None:
        """Return the stored value, or None."""

    async def set(self, key: str, value: Any, *, ttl_s: int) -> None:
        """Store a JSON value for `ttl_s` seconds."""

    async def remember(
        self, key: str, fetch: Fetch, *, ttl_s: int, read: Callable[[Any], Any] = ...
    ) -> Any:
        """Return the stored value, or fetch it once for all concurrent callers.

        Args:
            key: must contain everything that the value depends on.
            fetch: gets the JSON value, within 90 seconds. What it raises is raised here.
            ttl_s: seconds until it expires.
            read: turns the JSON value into what is returned. A stored value for which it raises
                ValueError, as pydantic does, is spoilt, and is fetched again.
        """
        ...


def as_it_is(value: Any) -> Any:
    """Read a JSON value as itself."""
    return value


class RedisCache:
    """JSON values under `<prefix>:cache:`, each with its own time to live.

    Calls at the same moment share a round trip: each of them would take a connection, and hundreds
    at once would wait longer than they may. While Redis is away everything is fetched, still once
    in each process.

    Args:
        redis: a client that decodes responses.
        prefix: the queue's name.
    """

    def __init__(self, redis: Redis, *, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:cache:"
        self._flights = SingleFlight()
        self._batcher: Batcher[Sequence[_Command], list[Any]] = Batcher(
            self._run_batch, limits=BatchLimits()
        )

    async def get(self, key: str) -> Any | None:
        """Return the stored value; None if there is none, it is not JSON, or Redis is away."""
        stored = await self._read(key)
        try:
            return None if stored is None else json.loads(stored)
        except (ValueError, RecursionError):
            logger.warning("the cache holds something that is no JSON")
            return None

    async def set(self, key: str, value: Any, *, ttl_s: int) -> None:
        """Store a JSON value for `ttl_s` seconds; an outage only costs the next look-up."""
        text = json.dumps(value)
        await self._try("written", self._put(key, text, ttl_s))

    async def remember(
        self, key: str, fetch: Fetch, *, ttl_s: int, read: Callable[[Any], Any] = as_it_is
    ) -> Any:
        """Return the stored value, or fetch it once for all workers.

        See `Cache.remember`. The call that fetches holds a lock in Redis for at most ten seconds;
        if its process dies or takes longer, the others fetch for themselves, one per process.
        """
        stored = await self._read(key)
        if stored is not None:
            try:
                return read(json.loads(stored))
            except (ValueError, RecursionError):
                logger.warning("the cache holds something spoilt; fetching it again")

        async def fetch_once() -> str:
            return await self._fetch(key, fetch, ttl_s=ttl_s, spoilt=stored)

        try:
            text = await self._flights.run(key, fetch_once)
        except SharedCallCancelledError:
            text = json.dumps(await fetch())
        # Parsed for each caller, since a skill may change what it gets.
        return read(json.loads(text))

    async def _fetch(self, key: str, fetch: Fetch, *, ttl_s: int, spoilt: str | None) -> str:
        stored = await self._lock_or_find(key, spoilt)
        if stored is not None:
            return stored
        try:
            async with asyncio.timeout(MAX_FETCH_S):
                text = json.dumps(await fetch())
        except BaseException:
            await self._unlock(key)
            raise
        await self._try("written", self._put(key, text, ttl_s), ("DEL", self._lock(key)))
        return text

    async def _lock_or_find(self, key: str, spoilt: str | None) -> str | None:
        """Become the caller that fetches (None), or return what another caller has fetched.

        None as well if Redis is away, or the other caller takes too long. Then two fetch, and the
        first to end removes the other's lock: one call more, and no harm.
        """
        loop = asyncio.get_running_loop()
        give_up_at_s = loop.time() + LOCK_S
        poll_s = _FIRST_POLL_S
        while True:
            is_locked, stored = await self._lock_and_read(key)
            if stored is not None and stored != spoilt:
                if is_locked:
                    await self._unlock(key)
                return stored
            if is_locked or loop.time() >= give_up_at_s:
                return None
            with skill_clock_paused():
                await asyncio.sleep(poll_s)
            poll_s = min(poll_s * 1.5, _LAST_POLL_S)

    async def _lock_and_read(self, key: str) -> tuple[bool | None, str | None]:
        """Whether the lock is ours now, and the stored value; as if it were while Redis is away."""
        # In this order: a value that is put there between the two is found.
        lock: _Command = ("SET", self._lock(key), "1", "NX", "PX", round(LOCK_S * 1000))
        found = await self._try("locked", lock, ("GET", self._key(key)))
        return (found[0], found[1]) if found else (True, None)

    async def _unlock(self, key: str) -> None:
        await self._try("unlocked", ("DEL", self._lock(key)))

    async def _read(self, key: str) -> str | None:
        found = await self._try("read", ("GET", self._key(key)))
        stored: str | None = found[0] if found else None
        return stored

    def _put(self, key: str, text: str, ttl_s: int) -> _Command:
        return "SET", self._key(key), text, "EX", int(ttl_s)

    def _lock(self, key: str) -> bytes:
        return self._key(f"{key}:lock")

    def _key(self, key: str) -> bytes:
        # Encoded here, because half a surrogate pair can't be.
        return (self._prefix + key).encode()

    async def _try(self, what: str, *commands: _Command) -> list[Any] | None:
        """Run one caller's commands in the next batch; None if Redis is away."""
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                return await self._batcher.submit(commands)
        except (RedisError, OSError, BusyError) as error:  # TimeoutError is an OSError
            logger.warning("the cache cannot be %s (%s)", what, type(error).__name__)
            return None

    async def _run_batch(self, batch: Sequence[Sequence[_Command]]) -> list[list[Any] | Exception]:
        # With a time limit of its own: the client would wait for a minute, and all later calls too.
        async with asyncio.timeout(_REDIS_TIMEOUT_S):
            async with self._redis.pipeline(transaction=False) as pipeline:
                ends = [0]
                for commands in batch:
                    for command in commands:
                        pipeline.execute_command(*command)
                    ends.append(len(pipeline))
                results = await pipeline.execute(raise_on_error=False)
        return [_outcome(results[start:end]) for start, end in pairwise(ends)]


def _outcome(results: list[Any]) -> list[Any] | Exception:
    errors = (result for result in results if isinstance(result, Exception))
    return next(errors, results)
