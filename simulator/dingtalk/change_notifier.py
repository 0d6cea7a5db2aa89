"""News for those who wait: something was acknowledged, or a reply has come."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class ChangeNotifier:
    """Wakes whoever waits for something to become true."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self.closed = False

    async def announce(self) -> None:
        """Let those who wait look again."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_until(self, happened: Callable[[], bool], *, wait_s: float) -> None:
        """Return once something has happened, after `wait_s` seconds, or when all is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self.closed or happened())

    async def close(self) -> None:
        """Keep nobody waiting any longer, for a server stops only when its requests have ended."""
        self.closed = True
        await self.announce()
