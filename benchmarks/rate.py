"""How often something ends that is done over and over, so many at once, and the CPU it takes."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def measure_rate(
    act: Callable[[], Awaitable[object]],
    *,
    in_flight: int,
    warm_up_s: float,
    seconds: float,
    spread_s: float = 0.0,
) -> dict[str, float]:
    """Do something in loops, and count what ends after the warm-up.

    Args:
        act: does it once; what it raises is raised.
        in_flight: how many loops there are.
        warm_up_s: seconds at the beginning that do not count.
        seconds: how long to count.
        spread_s: the seconds over which the beginnings are spread evenly.

    Returns:
        `per_s`, and `cpu_us`: this process's CPU for each, in µs.
    """
    ended = 0

    async def go_on(position: int) -> None:
        nonlocal ended
        await asyncio.sleep(position / in_flight * spread_s)
        while True:
            await act()
            ended += 1

    loops = [asyncio.create_task(go_on(position)) for position in range(in_flight)]
    await asyncio.sleep(warm_up_s)
    ended_before, began, cpu_s = ended, time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    done, took_s = ended - ended_before, time.perf_counter() - began
    cpu_s = time.process_time() - cpu_s
    for loop in loops:
        if loop.done():
            loop.result()
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    return {"per_s": done / took_s, "cpu_us": cpu_s / max(1, done) * 1e6}
