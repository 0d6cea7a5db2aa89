"""Waiting in line for a backend: so many calls at once, so many a second, and not for ever."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dingda.worker.errors import BackendBusyError
from dingda.worker.services.backend import Backend
from dingda.worker.services.skill_clock import standing_still


class Line:
    """The calls to one backend: those under way, and those that wait.

    Args:
        backend: its bounds.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._places = asyncio.Semaphore(backend.at_once)
        per_s = backend.per_s
        # The last so many calls begin within no less than this window.
        self._began_s: deque[float] = deque(maxlen=max(1, int(per_s)) if per_s else 1)
        self._window_s = max(1, int(per_s)) / per_s if per_s else 0.0
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and hold it for as long as the context is open.

        Raises:
            BackendBusyError: if there is none within the backend's `wait_s`.
        """
        await self._wait()
        try:
            yield
        finally:
            self._places.release()

    async def _wait(self) -> None:
        backend = self._backend
        if backend.per_s and self._waiting / backend.per_s > backend.wait_s:
            # A call that can't be made in time fails at once.
            raise BackendBusyError(backend.name, f"{self._waiting} wait already")
        self._waiting += 1
        try:
            with standing_still():
                async with asyncio.timeout(backend.wait_s):
                    await self._places.acquire()
                    try:
                        await self._turn()
                    except BaseException:
                        self._places.release()
                        raise
        except TimeoutError:
            raise BackendBusyError(backend.name, f"{backend.wait_s:g} s in line") from None
        finally:
            self._waiting -= 1

    async def _turn(self) -> None:
        """Wait until another call in this second is not one too many."""
        began_s, now_s = self._began_s, asyncio.get_running_loop().time()
        turn_s = now_s
        if self._window_s and len(began_s) == began_s.maxlen:
            turn_s = max(now_s, began_s[0] + self._window_s)
        began_s.append(turn_s)
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)
