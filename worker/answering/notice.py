"""A word to the sender while the answer takes a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_GRACE_S = 0.5
"""How long an answer that comes after a long wait may take before it is worth a word."""


@asynccontextmanager
async def noticing(
    tell: Callable[[], Awaitable[None]], *, after_s: float, age_s: float
) -> AsyncIterator[None]:
    """Do something once if the context lasts long.

    Args:
        tell: says the word. Once it has begun it is waited for, or it could be shown after the
            answer; whatever it raises is dropped.
        after_s: seconds from when the question was asked until it is told; 0: never.
        age_s: how long ago the question was asked, in seconds.
    """
    if not after_s:
        yield
        return
    begun = asyncio.Event()

    async def wait_and_tell() -> None:
        await asyncio.sleep(max(after_s - age_s, min(after_s, _GRACE_S)))
        begun.set()
        await tell()

    noticing = asyncio.create_task(wait_and_tell())
    try:
        yield
    finally:
        if not begun.is_set():
            noticing.cancel()
        await asyncio.gather(noticing, return_exceptions=True)
