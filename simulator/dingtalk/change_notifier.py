"""Notice of every change: an acknowledgement, a reply, a new timeline."""

import asyncio
from collections.abc import Callable
from contextlib import suppress


class ChangeNotifier:
    """Wakes tasks that wait for a condition."""

    def __init__(self) -> None:
        self._changed = asyncio.Condition()
        self.closed = False

    async def announce(self) -> None:
        """Let the waiting tasks check their conditions."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_until(
        self, happened: Callable[[], bool], *, wait_s: float | None = None
    ) -> None:
        """Return once `happened()` is true, when it is closed, or after `wait_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self.closed or happened())

    async def close(self) -> None:
        """End every wait: a server stops only when its requests have ended."""
        self.closed = True
        await self.announce()
