"""The limits of a backend: calls at once, calls per second, and how long a call may wait."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dingda.worker.errors import BackendBusyError
from dingda.worker.services.backend import Backend
from dingda.worker.services.skill_clock import skill_clock_paused


class BackendLimiter:
    """Admits the calls to one backend in order, within its limits.

    Args:
        backend: its limits.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._slots = asyncio.Semaphore(backend.at_once)
        per_s = backend.per_s
        # At most `maxlen` calls may start within one window.
        self._started_s: deque[float] = deque(maxlen=max(1, int(per_s)) if per_s else 1)
        self._window_s = max(1, int(per_s)) / per_s if per_s else 0.0
        self._waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot, and hold it while the context is open.

        Raises:
            BackendBusyError: if none becomes free within the backend's `wait_s`.
        """
        await self._wait()
        try:
            yield
        finally:
            self._slots.release()

    async def _wait(self) -> None:
        backend = self._backend
        if not backend.per_s and not self._slots.locked():
            await self._slots.acquire()  # at once
            return
        if backend.per_s and self._waiting / backend.per_s > backend.wait_s:
            # This call could not start in time: fail at once.
            raise BackendBusyError(backend.name, f"{self._waiting} wait already")
        self._waiting += 1
        try:
            with skill_clock_paused():
                async with asyncio.timeout(backend.wait_s):
                    await self._slots.acquire()
                    try:
                        await self._wait_for_turn()
                    except BaseException:
                        self._slots.release()
                        raise
        except TimeoutError:
            raise BackendBusyError(backend.name, f"{backend.wait_s:g} s in line") from None
        finally:
            self._waiting -= 1

    async def _wait_for_turn(self) -> None:
        """Wait until another call keeps within the calls per second."""
        started_s, now_s = self._started_s, asyncio.get_running_loop().time()
        turn_s = now_s
        if self._window_s and len(started_s) == started_s.maxlen:
            turn_s = max(now_s, started_s[0] + self._window_s)
        started_s.append(turn_s)
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)
