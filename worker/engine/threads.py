"""Threads for skills that block, which know the calls that nobody waits for any more.

A thread can't be stopped: a call whose time is up keeps its place until it comes back, if ever.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

PLACES = 32
"""How many calls of skills may block at once."""


class SkillThreads(ThreadPoolExecutor):
    """A pool for functions that are not `async`, and for what skills give to `asyncio.to_thread`.

    Args:
        places: how many calls run at once; the others wait.
    """

    def __init__(self, places: int = PLACES) -> None:
        super().__init__(places, thread_name_prefix="skill")
        self._places = places
        self._callers: dict[Future[Any], asyncio.Task[Any] | None] = {}

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run a function in a thread, for the task that asks for it."""
        future = super().submit(fn, *args, **kwargs)
        self._callers[future] = _current_task()
        future.add_done_callback(self._forget)
        return future

    @property
    def are_stuck(self) -> bool:
        """Whether every place is taken by a call whose caller has ended: its time is up."""
        return self._given_up >= self._places

    @property
    def _given_up(self) -> int:
        return sum(
            future.running() and caller is not None and caller.done()
            for future, caller in list(self._callers.items())
        )

    def _forget(self, future: "Future[Any]") -> None:
        self._callers.pop(future, None)


def _current_task() -> "asyncio.Task[Any] | None":
    with suppress(RuntimeError):  # where no loop runs: a thread of a skill's own
        return asyncio.current_task()
    return None
