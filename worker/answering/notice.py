"""A notice to the sender while the answer takes a while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

_GRACE_S = 0.5
"""How long a message that has waited already is worked on before a notice is due."""


@asynccontextmanager
async def notice_after(
    after_s: float, notify: Callable[[], Awaitable[None]], *, age_s: float
) -> AsyncIterator[None]:
    """Call `notify` once if the context lasts long.

    Args:
        after_s: seconds from the message's arrival until the notice; 0: never.
        notify: sends the notice. Once it has begun it is waited for, or the notice could be shown
            after the answer; whatever it raises is dropped.
        age_s: how long ago the message arrived, in seconds.
    """
    if not after_s:
        yield
        return
    begun = asyncio.Event()

    async def wait_and_notify() -> None:
        await asyncio.sleep(max(after_s - age_s, min(after_s, _GRACE_S)))
        begun.set()
        await notify()

    task = asyncio.create_task(wait_and_notify())
    try:
        yield
    finally:
        if not begun.is_set():
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
