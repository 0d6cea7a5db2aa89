"""One connection to Redis that is kept from call to call."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

Command = tuple[Any, ...]


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
        (result,) = await self.execute_all([command])
        if isinstance(result, ResponseError):
            raise result
        return result

    async def execute_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands in one round trip.

        Returns:
            The result of each; one that Redis refused has its `ResponseError` instead.

        Raises:
            RedisError: what the client raises if the round trip fails.
        """
        connection = self._take() or await self._pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            return await _exchange(connection, commands)
        finally:
            if self._kept or not connection.is_connected:
                await self._pool.release(connection)
            else:
                self._kept = connection

    async def close(self) -> None:
        """Close what is kept: the next call connects again, and so looks for the primary again."""
        if self._kept:
            await self._kept.disconnect()

    def _take(self) -> AbstractConnection | None:
        connection, self._kept = self._kept, None
        return connection


async def _exchange(connection: AbstractConnection, commands: Sequence[Command]) -> list[Any]:
    packed = connection.pack_commands(commands)

    async def exchange() -> list[Any]:
        await connection.send_packed_command(packed)
        return [await _read(connection) for _ in commands]

    async def disconnect(_: Exception) -> None:
        await connection.disconnect()

    return await connection.retry.call_with_retry(exchange, disconnect)


async def _read(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
