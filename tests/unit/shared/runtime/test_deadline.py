import asyncio
import time
from contextlib import suppress

import pytest

from dingda.shared.runtime.deadline import within


async def swallow_cancellation() -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    await asyncio.sleep(60)


async def fail() -> None:
    raise ValueError("its own")


async def test_a_call_that_ends_in_time_gives_its_result() -> None:
    assert await within(60, asyncio.sleep(0, "result")) == "result"


async def test_an_error_of_the_call_is_raised() -> None:
    with pytest.raises(ValueError, match="its own"):
        await within(60, fail())


async def test_a_call_that_takes_too_long_is_cancelled() -> None:
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(TimeoutError):
        await within(0.01, wait())
    async with asyncio.timeout(10):
        await ended.wait()


async def test_a_call_that_loses_its_cancellation_delays_nobody() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await within(0.01, swallow_cancellation())
    assert time.monotonic() - began < 30


async def test_a_caller_that_is_cancelled_takes_the_call_along() -> None:
    ended, started = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    caller = asyncio.create_task(within(60, wait()))
    async with asyncio.timeout(10):
        await started.wait()
        caller.cancel()
        await ended.wait()
    with pytest.raises(asyncio.CancelledError):
        await caller
