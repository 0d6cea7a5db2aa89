"""A deadline that is kept whatever the call does with its cancellation."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def within(timeout_s: float, call: Coroutine[Any, Any, Result]) -> Result:
    """Await a call for `timeout_s` seconds at most; one that takes longer is cancelled, and left.

    `asyncio.timeout` would wait for the call to end. On Python 3.11 that may take redis-py's own
    timeouts: it sends through `asyncio.wait_for`, which there loses a cancellation that arrives
    just as the sending ends (python/cpython#86296).

    Raises:
        TimeoutError: if the call took longer.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
        if not task.done():
            raise TimeoutError
    finally:
        if not task.done():
            task.add_done_callback(_ignore_result)
            task.cancel()
    return task.result()


def _ignore_result(task: "asyncio.Task[Any]") -> None:
    """Look at its exception, which asyncio would log otherwise: nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
