"""How late an event loop runs what is due: what every message in the process waits for."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

LAG_BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_INTERVAL_S = 0.5
_RESPONDS_WITHIN_S = 2.0


async def measure_loop_lag(observe: Callable[[float], object]) -> NoReturn:
    """Tell every half a second by how many seconds the loop was late, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + _INTERVAL_S
        await asyncio.sleep(_INTERVAL_S)
        observe(max(0.0, loop.time() - due_s))


def responds(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether a loop runs something within two seconds; asked from another thread."""
    has_run = threading.Event()
    with suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(has_run.set)
        return has_run.wait(_RESPONDS_WITHIN_S)
    return False
