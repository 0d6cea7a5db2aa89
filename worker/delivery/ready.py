"""Connections that are opened ahead of the replies they will carry, to one origin."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from dingda.worker.contained import is_cancelled
from dingda.worker.delivery.stream import Stream

MOST_READY = 16
"""How many connections are open ahead, or being opened: enough for hundreds of replies a second,
however many messages are being worked on."""
READY_S = 4.0
"""How long a connection is kept unused, in seconds: less than the shortest time after which servers
usually close an idle one, five seconds."""


class ReadyConnections:
    """Keeps connections ready for as long as replies are expected.

    A connection that could not be opened ahead is not tried again before the next reply is
    expected or sent, and then alone until one can be opened: sixteen for each reply would be a
    flood to a server that is down. Only a caller that waits for a connection is told.

    Args:
        connect: opens a connection.
    """

    def __init__(self, connect: Callable[[], Awaitable[Stream]]) -> None:
        self._connect = connect
        self._expected = 0
        self._most = MOST_READY
        self._ready: dict[Stream, asyncio.TimerHandle] = {}
        """The oldest first, each with what closes it once it is too old."""
        self._opening: dict[asyncio.Task[Stream], None] = {}

    @contextmanager
    def expect(self) -> Iterator[None]:
        """Expect a reply when the context ends."""
        self._expected += 1
        self._fill()
        try:
            yield
        finally:
            self._expected -= 1

    async def take(self) -> Stream | None:
        """Take the youngest connection, else the one that is being opened longest, else None.

        Raises:
            Exception: why that one could not be opened. Another would take as long to fail.
        """
        while self._ready:
            stream, closing = self._ready.popitem()
            closing.cancel()
            if stream.is_idle:
                self._fill()
                return stream
            stream.abort()
        if not self._opening:
            return None
        task = next(iter(self._opening))
        del self._opening[task]
        self._fill()
        try:
            return await task
        except asyncio.CancelledError as error:
            if not is_cancelled(error):
                return None  # but the task was, which a skill may do
            if task.done() and not task.cancelled() and not task.exception():
                task.result().abort()
            raise

    def close(self) -> None:
        """Close what is open; nothing is opened any more."""
        self._expected = 0
        for task in self._opening:
            task.cancel()
        while self._ready:
            stream, closing = self._ready.popitem()
            closing.cancel()
            stream.abort()

    def _fill(self) -> None:
        wanted = min(self._expected, self._most)
        for _ in range(wanted - len(self._ready) - len(self._opening)):
            task = asyncio.ensure_future(self._connect())
            self._opening[task] = None
            task.add_done_callback(self._keep)

    def _keep(self, task: "asyncio.Task[Stream]") -> None:
        is_open = not task.cancelled() and not task.exception()
        self._most = MOST_READY if is_open else 1
        if task not in self._opening:
            return  # it was taken meanwhile
        del self._opening[task]
        if is_open:
            stream = task.result()
            closing = asyncio.get_running_loop().call_later(READY_S, self._replace, stream)
            self._ready[stream] = closing

    def _replace(self, stream: Stream) -> None:
        del self._ready[stream]
        stream.close()
        self._fill()
