"""How many bytes of sent files a worker holds at one moment."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from dingda.worker.errors import BackendBusyError
from dingda.worker.services.media_file import MediaFile
from dingda.worker.services.skill_clock import skill_clock_paused

_MIB = 1024 * 1024
MAX_FILE_BYTES = 20 * _MIB
"""DingTalk takes uploads of as much; what people send may be longer."""
_MAX_HELD_MIB = 100
_WAIT_S = 30.0


class Room:
    """The memory for one file: taken for the largest, and kept for as long as the file lives."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self.taken_mib = 0
        self._free = free
        self._loop = asyncio.get_running_loop()

    def keep_for(self, file: MediaFile) -> None:
        """Give back what the file doesn't need, and the rest once nothing refers to it."""
        kept_mib = min(self.taken_mib, -(-len(file.content) // _MIB))
        self.give_back(self.taken_mib - kept_mib)
        self.taken_mib = 0
        weakref.finalize(file, self._give_back_later, kept_mib).atexit = False

    def give_back(self, mib: int) -> None:
        """Let others take it."""
        for _ in range(mib):
            self._free.release()

    def _give_back_later(self, mib: int) -> None:
        """A file may die in any thread, and after the loop."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.give_back, mib)


class MediaMemory:
    """Bounds the files that the skills of a worker hold, together.

    A hundred messages at once may each bring a file of 20 MB, which no worker has room for. So a
    download waits for room, first come first served, and its file holds it while any skill does.

    Args:
        max_mib: how much there is, in units of 1,048,576 bytes.
        wait_s: seconds that a download may wait.
    """

    def __init__(self, *, max_mib: int = _MAX_HELD_MIB, wait_s: float = _WAIT_S) -> None:
        self._free = asyncio.Semaphore(max_mib)
        self._first = asyncio.Lock()
        self._wait_s = wait_s

    @asynccontextmanager
    async def room(self, service: str) -> AsyncIterator[Room]:
        """Wait for room for the largest file; what no file keeps is given back at the end.

        Args:
            service: the name of what is downloaded from, for the error.

        Raises:
            BackendBusyError: if there is none in time.
        """
        room = Room(self._free)
        try:
            with skill_clock_paused():
                async with asyncio.timeout(self._wait_s), self._first:
                    for _ in range(MAX_FILE_BYTES // _MIB):
                        await self._free.acquire()
                        room.taken_mib += 1
        except TimeoutError:
            room.give_back(room.taken_mib)
            raise BackendBusyError(service, "no memory for another file") from None
        except BaseException:
            room.give_back(room.taken_mib)
            raise
        try:
            yield room
        finally:
            room.give_back(room.taken_mib)
