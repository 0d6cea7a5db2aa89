"""Tests of waiting that do not wait: when nothing else is to be done, the loop's clock jumps."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


_SETTLE_S = 0.05
"""How long what one socket has sent to another on this machine may be on its way."""


class _Selector(selectors.DefaultSelector):
    now_s = 0.0
    settle_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(min(self.settle_s, timeout or 0))
        if not events and timeout:
            self.now_s += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s

    def skip_s(self, seconds: float) -> None:
        self._clock.now_s += seconds


class _LoopWithSockets(_Loop):
    def __init__(self) -> None:
        super().__init__()
        self._clock.settle_s = _SETTLE_S


def virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a loop of its own whose clock counts only what is slept."""

    return _run_on(_Loop, test)


def virtual_time_with_sockets(
    test: Callable[P, Coroutine[Any, Any, None]],
) -> Callable[P, None]:
    """Run a test whose both ends of each socket are on its loop: the clock lets bytes arrive first.

    No other process and no thread may have a part in it.
    """
    return _run_on(_LoopWithSockets, test)


def skip_s(seconds: float) -> None:
    """Let time pass while nothing of the running test can run, as if its process were stopped."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    loop.skip_s(seconds)


def _run_on(loop: type[_Loop], test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(*args, **kwargs))

    return run
