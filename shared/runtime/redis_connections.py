"""Connections to Redis: quick to pack commands, and quick to find the primary again.

`shared.runtime.redis_clients` says which client has which.
"""

from typing import Any

import hiredis
from redis._parsers import _AsyncHiredisParser, _HiredisParser
from redis._parsers.base import BaseParser
from redis.asyncio.connection import (
    AbstractConnection,
    BlockingConnectionPool,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.asyncio.sentinel import SentinelManagedConnection as AsyncManagedConnection
from redis.asyncio.sentinel import SentinelManagedSSLConnection as AsyncManagedSSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)


class OutageError(RedisConnectionError):
    """The server answers, but is no primary that takes writes now: ask for it again, and retry."""


_OUTAGES = ("NOREPLICAS", "READONLY", "MASTERDOWN", "TRYAGAIN", "UNBLOCKED")
"""The error codes of such an answer, besides LOADING, which is a `ConnectionError` of redis-py's.
None of them leaves anything written: a script's first write is refused.

UNBLOCKED ends a blocking command whose server becomes a replica. As `ResponseError`s, which they
are to redis-py, they would be retried nowhere, and in a pipeline pass for the script's own."""


class _OutageErrors(BaseParser):
    EXCEPTION_CLASSES = BaseParser.EXCEPTION_CLASSES | dict.fromkeys(_OUTAGES, OutageError)

    @classmethod
    def parse_error(cls, response: str) -> Exception:
        """The exception of an error's text."""
        # Before 7, Redis wraps the error of a script's command.
        wrapped = response.startswith("ERR Error running script")
        if wrapped and any(f" -{code} " in response for code in _OUTAGES):
            return OutageError(response)
        return super().parse_error(response)  # type: ignore[no-any-return, no-untyped-call]


class OutageParser(_OutageErrors, _HiredisParser):
    """Reads responses; those of an outage are raised as one."""


class AsyncOutageParser(_OutageErrors, _AsyncHiredisParser):
    """Reads responses; those of an outage are raised as one."""


class PackingInC(AbstractConnection):
    """Packs commands as redis-py's blocking client does: its asyncio one does it in Python.

    That would take more of the gateway's time than to read and check what it stores.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as it goes to Redis; its name may be two words."""
        name, *others = args
        try:
            return [hiredis.pack_command((*name.split(), *others))]
        except (TypeError, UnicodeEncodeError):
            # redis-py replaces half a surrogate pair, which would fail all that share a round trip.
            return super().pack_command(*args)


class _TCPConnection(PackingInC, Connection):
    pass


class _TLSConnection(PackingInC, SSLConnection):
    pass


class _UnixConnection(PackingInC, UnixDomainSocketConnection):
    pass


PACKING: dict[type, type] = {
    Connection: _TCPConnection,
    SSLConnection: _TLSConnection,
    UnixDomainSocketConnection: _UnixConnection,
}
"""What packs in C, for each of redis-py's classes."""


# Through Sentinel ------------------------------------------------------------------------------
#
# redis-py's connections ask Sentinel when a command begins. Within the command's own retries they
# connect to where they were connected, so they stay with a primary that is dead or frozen, and
# write to it when it is back (redis-py #3874, in 8.1 still). These ask each time.


class _FindsPrimary(SentinelManagedConnection):
    def connect_check_health(
        self,
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
        retry_socket_connect: bool = True,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        """Connect: through Sentinel, if it is a command that found the connection closed."""
        if retry_socket_connect and not self.is_connected:
            self.connect()  # type: ignore[no-untyped-call]
        else:
            super().connect_check_health(check_health, retry_socket_connect)


class PrimaryConnection(_FindsPrimary):
    """A blocking connection to the primary."""


class PrimaryTLSConnection(_FindsPrimary, SentinelManagedSSLConnection):
    """A blocking connection to the primary, over TLS."""


class _AsyncFindsPrimary(AsyncManagedConnection):
    async def connect_check_health(
        self,
        check_health: bool = True,  # noqa: FBT001, FBT002 - redis-py's signature
        retry_socket_connect: bool = True,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        """Connect: through Sentinel, if it is a command that found the connection closed."""
        if retry_socket_connect and not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]
        else:
            await super().connect_check_health(check_health, retry_socket_connect)


class AsyncPrimaryConnection(_AsyncFindsPrimary, PackingInC):
    """A connection to the primary."""


class AsyncPrimaryTLSConnection(_AsyncFindsPrimary, PackingInC, AsyncManagedSSLConnection):
    """A connection to the primary, over TLS."""


class Sentinels(Sentinel):
    """The Sentinels, asked one after the other; the first that answers is the first next time."""

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's address. redis-py's error would list every client with all its options."""
        try:
            return super().discover_master(service_name)  # type: ignore[no-any-return, no-untyped-call]
        except MasterNotFoundError:
            raise _unknown(service_name) from None


class AsyncSentinels(AsyncSentinel):
    """The Sentinels, as `Sentinels`."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """The primary's address, as `Sentinels.discover_master`."""
        try:
            return await super().discover_master(service_name)  # type: ignore[no-any-return]
        except RedisConnectionError:
            raise _unknown(service_name) from None


def _unknown(master: str) -> MasterNotFoundError:
    return MasterNotFoundError(f"no Sentinel knows a primary that is up under the name {master}")


class PrimaryPool(SentinelConnectionPool):
    """Blocking connections to the primary."""

    def close(self) -> None:
        """Close them, and those to the Sentinels."""
        super().close()
        self.sentinel_manager.close()


class AsyncPrimaryPool(AsyncSentinelConnectionPool, BlockingConnectionPool):
    """Connections to the primary; more calls than there are connections wait for one."""

    async def aclose(self) -> None:
        """Close them, and those to the Sentinels."""
        await super().aclose()
        await self.sentinel_manager.aclose()
