"""A cache in this process, where there is no Redis: for the test kit, and for `dingda ask`."""

import time
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any

from dingda.worker.services.cache import Fetch, as_it_is
from dingda.worker.services.single_flight import SingleFlight


class MemoryCache:
    """A cache that forgets as Redis would, by the clock that it is given.

    >>> cache = MemoryCache(now_s=lambda: 0.0)
    >>> asyncio.run(cache.set("rates:USD", 7.1, ttl_s=600))
    >>> cache.entries
    {'rates:USD': (600.0, 7.1)}
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._flights = SingleFlight()
        self.entries: dict[str, tuple[float, Any]] = {}
        """What is in it: key → (when it is forgotten, value)."""

    async def get(self, key: str) -> Any | None:
        """Return what was put there, or None."""
        until, value = self.entries.get(key, (0.0, None))
        return deepcopy(value) if self._now_s() < until else None

    async def set(self, key: str, value: Any, *, ttl_s: int) -> None:
        """Put a value there for `ttl_s` seconds."""
        self.entries[key] = (self._now_s() + ttl_s, deepcopy(value))

    async def remember(
        self, key: str, fetch: Fetch, *, ttl_s: int, read: Callable[[Any], Any] = as_it_is
    ) -> Any:
        """Return what was put there; else fetch it, once for all concurrent callers."""
        kept = await self.get(key)
        if kept is not None:
            with suppress(ValueError):
                return read(kept)

        async def fetch_and_keep() -> None:
            await self.set(key, await fetch(), ttl_s=ttl_s)

        await self._flights.run(key, fetch_and_keep)
        return read(deepcopy(self.entries[key][1]))
