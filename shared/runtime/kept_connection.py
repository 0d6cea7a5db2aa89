"""One connection to Redis that is kept from call to call."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection


class KeptConnection:
    """Runs commands as `Redis.execute_command` does, with less bookkeeping for each.

    To take a connection out of the pool and to put it back costs as much as to store a batch of
    messages. So one stays out between calls. It belongs to a single call at a time: another call,
    made meanwhile or after one that was broken off, takes its own.

    Args:
        redis: the client whose connections and retries are used.
    """

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._kept: AbstractConnection | None = None

    async def execute(self, *command: Any) -> Any:
        """Run a command and return its result; raises what the client raises."""
        connection = self._take() or await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            return await _exchange(connection, command)
        finally:
            if self._kept or not connection.is_connected:
                await self._pool.release(connection)
            else:
                self._kept = connection

    def _take(self) -> AbstractConnection | None:
        connection, self._kept = self._kept, None
        return connection


async def _exchange(connection: AbstractConnection, command: tuple[Any, ...]) -> Any:
    packed = connection.pack_command(*command)

    async def exchange() -> Any:
        await connection.send_packed_command(packed)
        return await connection.read_response()

    async def disconnect(_: Exception) -> None:
        await connection.disconnect()

    return await connection.retry.call_with_retry(exchange, disconnect)
