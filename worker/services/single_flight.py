"""Concurrent equal calls are made once, and every caller gets the outcome."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from dingda.shared.errors import DingdaError
from dingda.worker.services.skill_clock import SharedClock, current_clock

T = TypeVar("T")


class SharedCallCancelledError(DingdaError):
    """The call that several waited for was cancelled; none of the waiting callers was."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class _Flight:
    task: "asyncio.Task[_Outcome]"
    clock: SharedClock = field(default_factory=SharedClock)


class SingleFlight:
    """The calls of one process that are under way.

    A call belongs to no caller: it continues when the caller that started it is cancelled, because
    others may wait for it. It must have a timeout of its own.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}

    async def run(self, key: Hashable, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call, or wait for an equal one that is under way.

        Args:
            key: equal for equal calls.
            call: makes it.

        Returns:
            What the call returned: the same object for every caller, so none may change it.

        Raises:
            SharedCallCancelledError: if the call was cancelled.
            BaseException: what the call raised, to every caller.
        """
        flight = self._flights.get(key)
        if flight is None or flight.task.done():
            flight = self._start(key, call)
        with flight.clock.joined():
            # Not `await task`: a caller's cancellation would cancel the call.
            await asyncio.wait({flight.task})
        if flight.task.cancelled():
            raise SharedCallCancelledError("the shared call was cancelled")
        outcome = flight.task.result()
        if outcome.error is not None:
            raise outcome.error
        return cast("T", outcome.value)

    def _start(self, key: Hashable, call: Callable[[], Awaitable[Any]]) -> _Flight:
        clock = SharedClock()
        flight = _Flight(asyncio.create_task(_outcome(call, clock)), clock)
        self._flights[key] = flight

        def forget(_: object) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]

        # Not at the end of the task's own code, which never runs if the task is cancelled at once.
        flight.task.add_done_callback(forget)
        return flight


async def _outcome(call: Callable[[], Awaitable[Any]], clock: SharedClock) -> _Outcome:
    with current_clock(clock):
        try:
            return _Outcome(await call())
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            return _Outcome(error=SharedCallCancelledError("the shared call gave up"))
        except BaseException as error:  # noqa: BLE001 - SystemExit in a task would end the worker
            return _Outcome(error=error)
