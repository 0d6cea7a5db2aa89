"""Threads for blocking skills, which count the calls that nobody waits for any more.

A thread can't be stopped: a call whose time is up keeps its thread until it returns, if ever.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 32
"""How many calls of skills may block at once."""


class SkillThreads(ThreadPoolExecutor):
    """A pool for functions that are not `async`, and for what skills give to `asyncio.to_thread`.

    Args:
        count: how many calls run at once; the others wait.
    """

    def __init__(self, count: int = THREADS) -> None:
        super().__init__(count, thread_name_prefix="skill")
        self._count = count
        self._callers: dict[Future[Any], asyncio.Task[Any] | None] = {}

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Run a function in a thread for the current task, with its context variables."""
        future = super().submit(copy_context().run, fn, *args, **kwargs)
        self._callers[future] = _current_task()
        future.add_done_callback(self._forget)
        return future

    @property
    def are_stuck(self) -> bool:
        """Whether every thread is taken by a call whose caller has ended: its time is up."""
        return self._abandoned >= self._count

    @property
    def _abandoned(self) -> int:
        return sum(
            future.running() and caller is not None and caller.done()
            for future, caller in list(self._callers.items())
        )

    def _forget(self, future: "Future[Any]") -> None:
        self._callers.pop(future, None)


def _current_task() -> "asyncio.Task[Any] | None":
    with suppress(RuntimeError):  # no running loop: a thread that a skill started
        return asyncio.current_task()
    return None
