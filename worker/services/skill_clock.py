"""A skill's time, which stands still while the skill waits in a line of ours.

Its time is for its own work and for the backends'. That many others are asking is neither's fault,
so waiting for them uses up none of it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar


class Clock:
    """Stands still as long as somebody holds it: skills may wait for several calls at once."""

    def __init__(self) -> None:
        self._holds = 0

    def hold(self) -> None:
        """Let it stand still; each hold wants its own `release`."""
        self._holds += 1
        if self._holds == 1:
            self._stop()

    def release(self) -> None:
        """Let it go on, when nobody else holds it."""
        self._holds -= 1
        if self._holds == 0:
            self._go_on()

    def _stop(self) -> None:
        raise NotImplementedError

    def _go_on(self) -> None:
        raise NotImplementedError


class SkillClock(Clock):
    """Moves the end of one skill's time.

    Args:
        timeout: cancels the skill.
        latest_s: when it is cancelled whatever happens, by the loop's clock.
    """

    def __init__(self, timeout: asyncio.Timeout, *, latest_s: float) -> None:
        super().__init__()
        self._timeout: asyncio.Timeout | None = timeout
        self._latest_s = latest_s
        self._left_s = 0.0

    def end(self) -> None:
        """Forget the timeout: what the skill left behind in the background has no time any more."""
        self._timeout = None

    def _stop(self) -> None:
        when_s = self._timeout.when() if self._timeout else None
        if when_s is not None:
            self._left_s = max(0.0, when_s - _now_s())
            self._move(self._latest_s)

    def _go_on(self) -> None:
        self._move(min(self._latest_s, _now_s() + self._left_s))

    def _move(self, when_s: float) -> None:
        if self._timeout and not self._timeout.expired():
            self._timeout.reschedule(when_s)


class SharedClock(Clock):
    """The clocks of all skills that wait for one shared call; they stand still together."""

    def __init__(self) -> None:
        super().__init__()
        self._clocks: list[Clock] = []

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Let the present skill's clock, if there is one, stand still whenever this one does."""
        clock = _current.get()
        if clock is None:
            yield
            return
        self._clocks.append(clock)
        if self._holds:
            clock.hold()
        try:
            yield
        finally:
            self._clocks.remove(clock)
            if self._holds:
                clock.release()

    def _stop(self) -> None:
        for clock in self._clocks:
            clock.hold()

    def _go_on(self) -> None:
        for clock in self._clocks:
            clock.release()


_current: ContextVar[Clock | None] = ContextVar("skill_clock", default=None)


@asynccontextmanager
async def skill_time(timeout_s: float, *, latest_s: float) -> AsyncIterator[None]:
    """Give what runs inside it `timeout_s` seconds of its own.

    Args:
        timeout_s: seconds, without those of `standing_still`.
        latest_s: seconds, with them.

    Raises:
        TimeoutError: when either is over.
    """
    async with asyncio.timeout(min(timeout_s, latest_s)) as timeout:
        clock = SkillClock(timeout, latest_s=_now_s() + latest_s)
        with keeping(clock):
            try:
                yield
            finally:
                clock.end()


@contextmanager
def keeping(clock: Clock) -> Iterator[None]:
    """Make a clock the one that `standing_still` holds, here and in the tasks that begin here."""
    token = _current.set(clock)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def standing_still() -> Iterator[None]:
    """Let the time of the skill, if this is one's, stand still while it waits inside."""
    clock = _current.get()
    if clock is None:
        yield
        return
    clock.hold()
    try:
        yield
    finally:
        clock.release()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
