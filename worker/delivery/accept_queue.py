"""A bound on the connections that a server has not yet shown to have accepted.

Many connections opened at once overflow a small accept queue. Linux then drops the final ACK of a
handshake: the client believes it is connected, and the server learns of it seconds later or never.
A reply claimed for such a connection would end as unknown.
"""

import asyncio

_QUIET_S = 0.05
"""A server that has said nothing for so many seconds is taken to have accepted: it is slow."""


class AcceptQueue:
    """The places for connections that wait to be accepted by one server.

    Args:
        places: how many may wait at once.
    """

    def __init__(self, places: int) -> None:
        self._free = asyncio.Semaphore(places)

    async def enter(self) -> "Place":
        """Wait for a place."""
        await self._free.acquire()
        return Place(self._free)


class Place:
    """One connection's place; it leaves by itself after a while."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free: asyncio.Semaphore | None = free
        self._quiet = asyncio.get_running_loop().call_later(_QUIET_S, self.leave)

    def leave(self) -> None:
        """Free the place, once: the server has said something, or the connection is lost."""
        if self._free:
            self._quiet.cancel()
            self._free.release()
            self._free = None
