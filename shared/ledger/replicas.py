"""Waiting until replicas have what a step wrote, as `DINGDA_REDIS_REPLICAS` asks for.

Redis acknowledges a write before its replicas have it: if the primary dies, a failover forgets
what they had not received. A forgotten accept loses a message, and a forgotten claim lets it be
answered twice. `WAIT` in the same round trip makes both rare; it undoes nothing, so what is not
confirmed in time is counted.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.runtime.kept_connection import Command, KeptConnection

WAIT_MS = 100
"""How long replicas are waited for, in milliseconds. They confirm at once when they are asked, so
what takes longer is lost or stuck; and the gateway's whole round trip may take 450 ms."""


class ReplicatedConnection(KeptConnection):
    """A kept connection whose writes are confirmed by replicas.

    Args:
        redis: the client whose connections and retries are used.
        replicas: how many must have a write; 0: they are not asked.
        counts_key: the hash of totals, where `unreplicated` counts the steps that too few had.
    """

    def __init__(self, redis: Redis, *, replicas: int, counts_key: str) -> None:
        super().__init__(redis)
        self._replicas = replicas
        self._counts_key = counts_key

    async def execute_replicated(
        self, commands: Sequence[Command], *, steps: int
    ) -> tuple[list[Any], bool]:
        """Run commands in one round trip, and wait for replicas if any of them asks for it.

        Args:
            commands: as for `execute_all`.
            steps: how many of them must outlive the primary.

        Returns:
            The results, and whether enough replicas have what was written. If not, the server may
            have been replaced while it was frozen or cut off: the next call connects again.
        """
        if not (self._replicas and steps):
            return await self.execute_all(commands), True
        wait = ("WAIT", self._replicas, WAIT_MS)
        *results, confirmed = await self.execute_all([*commands, wait])
        # An error, if our user may not call it: the check before the start says so.
        if isinstance(confirmed, int) and confirmed >= self._replicas:
            return results, True
        await self.close()
        with suppress(RedisError, OSError):
            await self.execute("HINCRBY", self._counts_key, "unreplicated", steps)
        return results, False
