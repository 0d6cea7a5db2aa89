"""Fills what a gateway remembers before its growth is looked at."""

import asyncio
import time
from collections.abc import Iterable, Iterator

import aiohttp

from tests.chaos.callers import Callers
from tests.faults.environment import EMPTY
from tests.support.processes import signed

_SIGNATURES = 20_000
"""As many as a gateway remembers (`gateway.http.replay`): until then its memory grows by design."""
_AT_ONCE = 16


async def warm_up(callers: Callers) -> None:
    """Deliver one message to each gateway under as many signatures as that remembers."""
    asked, body = callers.next_message()
    async with aiohttp.ClientSession() as client:
        for port in callers.ports:
            timestamps = _timestamps()
            url = f"http://127.0.0.1:{port}/dd_robot/"
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(_deliver(client, url, body, timestamps))
    asked.heard = "stored"


def _timestamps() -> Iterator[int]:
    now_ms = int(time.time() * 1000)
    return iter(range(now_ms - _SIGNATURES, now_ms))


async def _deliver(
    client: aiohttp.ClientSession, url: str, body: bytes, timestamps: Iterable[int]
) -> None:
    for timestamp in timestamps:
        async with client.post(url, data=body, headers=signed(timestamp=timestamp)) as response:
            assert await response.json() == EMPTY
