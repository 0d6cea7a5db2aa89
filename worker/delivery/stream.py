"""Bytes to a server and from it: over TCP as they are, or over TLS inside that (`tls.py`)."""

import asyncio
from typing import Protocol, cast

from dingda.worker.delivery.accept_queue import Place

_MAX_UNREAD_BYTES = 1024 * 1024


class ServerDisconnectedError(ConnectionError):
    """The server closed the connection before all that was expected had arrived."""


class Stream(Protocol):
    """A connection to a server, open both ways."""

    @property
    def is_idle(self) -> bool:
        """Whether it is still open and the server has sent nothing: a request may be written."""

    def write(self, data: bytes) -> None:
        """Send bytes; never blocks."""

    async def read(self) -> bytes:
        """Wait for bytes, and return all that have arrived; none at the end.

        Raises:
            OSError: if the connection broke.
        """

    def close(self) -> None:
        """Close it in order; what was written is still sent."""

    def abort(self) -> None:
        """Close it at once."""


class TCPStream(asyncio.Protocol):
    """A `Stream` over TCP, to be made by `loop.create_connection`.

    asyncio's own `StreamReader` can't tell whether an idle connection has been closed, or whether
    anything arrived on it, without waiting.

    Args:
        place: left when the server has said something, or the connection is lost.
    """

    def __init__(self, place: Place) -> None:
        self._transport: asyncio.Transport
        self._place = place
        self._received = bytearray()
        self._has_ended = False
        self._error: Exception | None = None
        self._arrival: asyncio.Future[None] | None = None

    @property
    def is_idle(self) -> bool:  # noqa: D102 - see Stream
        return not (self._received or self._has_ended)

    def write(self, data: bytes) -> None:  # noqa: D102
        # uvloop raises if the connection is lost; then there is nobody to write to.
        if not self._has_ended:
            self._transport.write(data)

    async def read(self) -> bytes:  # noqa: D102
        while not self._received:
            if self._error:
                raise self._error
            if self._has_ended:
                return b""
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self.read_now()

    def read_now(self) -> bytes:
        """Return all that has arrived, perhaps nothing."""
        data = bytes(self._received)
        self._received.clear()
        return data

    def close(self) -> None:  # noqa: D102
        self._transport.close()

    def abort(self) -> None:  # noqa: D102
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio has it."""
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what arrives until it is read."""
        self._place.leave()
        self._received += data
        if len(self._received) > _MAX_UNREAD_BYTES:
            self.abort()
        self._wake()

    def eof_received(self) -> None:
        """Note that the server sends no more; returning None lets asyncio close our end, too."""
        self._has_ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end, and the error if there was one."""
        self._place.leave()
        self._has_ended = True
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)
