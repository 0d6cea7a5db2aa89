"""A skill's timeout, whose clock pauses while the skill waits for a slot of ours.

The time is for the skill's own work and for the backends'. Heavy traffic is neither's fault, so
waiting behind other calls uses up none of it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar


class Clock:
    """Paused while anybody holds it: a skill may wait for several calls at once."""

    def __init__(self) -> None:
        self._pauses = 0

    def pause(self) -> None:
        """Pause the clock; each call needs its own `resume`."""
        self._pauses += 1
        if self._pauses == 1:
            self._on_pause()

    def resume(self) -> None:
        """Undo one `pause`; the clock runs again once none is left."""
        self._pauses -= 1
        if self._pauses == 0:
            self._on_resume()

    def _on_pause(self) -> None:
        raise NotImplementedError

    def _on_resume(self) -> None:
        raise NotImplementedError


class SkillClock(Clock):
    """Moves one skill's deadline by the time that the skill spends waiting.

    Args:
        timeout: cancels the skill.
        latest_s: when the skill is cancelled in any case, by the loop's clock.
    """

    def __init__(self, timeout: asyncio.Timeout, *, latest_s: float) -> None:
        super().__init__()
        self._timeout: asyncio.Timeout | None = timeout
        self._latest_s = latest_s
        self._remaining_s = 0.0

    def end(self) -> None:
        """Forget the timeout, which background tasks of the skill may outlive."""
        self._timeout = None

    def _on_pause(self) -> None:
        when_s = self._timeout.when() if self._timeout else None
        if when_s is not None:
            self._remaining_s = max(0.0, when_s - _now_s())
            self._move(self._latest_s)

    def _on_resume(self) -> None:
        self._move(min(self._latest_s, _now_s() + self._remaining_s))

    def _move(self, when_s: float) -> None:
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(when_s)


class SharedClock(Clock):
    """Pauses the clocks of all skills that wait for one shared call."""

    def __init__(self) -> None:
        super().__init__()
        self._clocks: list[Clock] = []

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Pause the current skill's clock, if there is one, whenever this one is paused."""
        clock = _current.get()
        if clock is None:
            yield
            return
        self._clocks.append(clock)
        if self._pauses:
            clock.pause()
        try:
            yield
        finally:
            self._clocks.remove(clock)
            if self._pauses:
                clock.resume()

    def _on_pause(self) -> None:
        for clock in self._clocks:
            clock.pause()

    def _on_resume(self) -> None:
        for clock in self._clocks:
            clock.resume()


_current: ContextVar[Clock | None] = ContextVar("skill_clock", default=None)


@asynccontextmanager
async def skill_time(timeout_s: float, *, latest_s: float) -> AsyncIterator[None]:
    """Run a skill inside the context, within `timeout_s` seconds of its own.

    Args:
        timeout_s: seconds, not counting those in `skill_clock_paused`.
        latest_s: seconds, counting them.

    Raises:
        TimeoutError: when either is over.
    """
    async with asyncio.timeout(min(timeout_s, latest_s)) as timeout:
        clock = SkillClock(timeout, latest_s=_now_s() + latest_s)
        with current_clock(clock):
            try:
                yield
            finally:
                clock.end()


@contextmanager
def current_clock(clock: Clock) -> Iterator[None]:
    """Set the clock that `skill_clock_paused` pauses, here and in tasks started here."""
    token = _current.set(clock)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def skill_clock_paused() -> Iterator[None]:
    """Pause the current skill's clock, if there is one, while waiting inside the context."""
    clock = _current.get()
    if clock is None:
        yield
        return
    clock.pause()
    try:
        yield
    finally:
        clock.resume()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
