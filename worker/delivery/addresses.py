"""The addresses of one host, looked up by its name and believed for a moment."""

import asyncio
import socket
from collections.abc import Sequence

from aiohappyeyeballs import AddrInfoType

from dingda.worker.contained import is_cancelled

_BELIEVED_S = 10.0


class NameLookupError(OSError):
    """A host's name can't be looked up."""


async def look_up(host: str, port: int) -> Sequence[AddrInfoType]:
    """Ask the system for a host's addresses.

    Raises:
        NameLookupError: if there are none, or nobody could be asked.
    """
    try:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NameLookupError(*error.args) from error


class Addresses:
    """The addresses of a host: one look-up at a time, and one in ten seconds if it succeeds."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._look_up: asyncio.Task[Sequence[AddrInfoType]] | None = None
        self._believed_until_s = 0.0

    async def get(self) -> Sequence[AddrInfoType]:
        """Return the addresses, the preferred one first.

        Raises:
            NameLookupError: if there are none, or nobody could be asked.
        """
        task = self._look_up
        if task is None or (task.done() and self._is_outdated(task)):
            task = self._look_up = asyncio.create_task(look_up(self._host, self._port))
            self._believed_until_s = asyncio.get_running_loop().time() + _BELIEVED_S
        try:
            # A caller that gives up must not end the look-up of the others.
            return await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if is_cancelled(error):
                raise
            # A skill may cancel any task.
            raise NameLookupError("the look-up was cancelled") from None

    def _is_outdated(self, task: "asyncio.Task[Sequence[AddrInfoType]]") -> bool:
        failed = task.cancelled() or task.exception() is not None
        return failed or asyncio.get_running_loop().time() > self._believed_until_s
