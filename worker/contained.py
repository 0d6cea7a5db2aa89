"""Run a skill's code so that whatever it does ends as a value or as an `Exception`.

A skill may raise something other than an `Exception`: `SystemExit`, `KeyboardInterrupt`, the
`PanicException` of libraries written in Rust. It may be cancelled although its message was not,
because it awaited something that was cancelled elsewhere; or it may cancel its own task. None of
that may end the worker.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.cancel_reason import CancelReason
from dingda.shared.runtime.logs import class_name, trace
from dingda.shared.runtime.task_owner import TaskOwner, current_owner

logger = logging.getLogger(__name__)
T = TypeVar("T")

CANCEL_TIMEOUT_S = 1.0
"""How long a cancelled task may take to end; then it is left behind."""
STOPPED = CancelReason("stopped by an operator")
"""Why a message's task is cancelled when RQ's stop-job names its job.

Such a message is over. Without this reason the worker is ending, and another one takes over.
"""


class AbortedError(DingdaError):
    """The code raised something other than an `Exception`; `name` is its class's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


async def contained(work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine in a task of its own, and return its result.

    Raises:
        Exception: if the coroutine raises one.
        AbortedError: if it raises anything else, or is cancelled by anything but the caller.
        asyncio.CancelledError: if the caller is cancelled, and only then; up to `CANCEL_TIMEOUT_S`
            later, since the coroutine may have to tidy up, or refuse to end at all.
    """
    task = asyncio.create_task(_captured(work))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=CANCEL_TIMEOUT_S)
        raise
    if task.cancelled():
        raise AbortedError("CancelledError")
    value, error = task.result()
    if error is None:
        return value  # type: ignore[return-value] # a T where there is no error
    # Not isinstance(), which asks the object itself for its class.
    if issubclass(type(error), Exception):
        raise error
    raise AbortedError(class_name(error)) from error


def is_cancelled(error: BaseException) -> bool:
    """Whether an exception is the cancellation of the running task, requested from outside.

    Otherwise a CancelledError comes from something that the task awaited.
    """
    task = asyncio.current_task()
    cancelled = issubclass(type(error), asyncio.CancelledError)
    return cancelled and task is not None and task.cancelling() > 0


def capture(call: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Call something in a thread, and return its result or what it raised.

    A future can't carry every exception: with a StopIteration it would never be done.
    """
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - returned like a result
        return None, error


async def _captured(work: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    try:
        return await work, None
    except BaseException as error:  # noqa: BLE001 - asyncio would end the loop with some of them
        return None, error


class _OwnedTask(asyncio.Task[Any]):
    """A task that carries its owner, and passes it on to the tasks that it starts."""

    def __init__(self, work: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.owner = current_owner.get()
        self._work = work
        super().__init__(_without_exits(work), **options)

    def cancel(self, msg: Any = None) -> bool:
        # Cancelled before it begins, it never awaits its work, and Python would warn of that.
        work = self._work
        if inspect.iscoroutine(work) and inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
            work.close()
        return super().cancel(msg)


def set_task_owner(owner: TaskOwner) -> None:
    """Set the owner of the running task, and of the tasks that it starts from here on."""
    current_owner.set(owner)
    task = asyncio.current_task()
    if isinstance(task, _OwnedTask):
        task.owner = owner


def task_owner(task: "asyncio.Future[Any]") -> TaskOwner | None:
    """The owner of a task; None if it works for no message."""
    return task.owner if isinstance(task, _OwnedTask) else None


def contain_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Keep tasks that skills start from ending the loop, and their error texts out of the log."""
    loop.set_task_factory(_create_task)
    loop.set_exception_handler(_log_failure)


def _create_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
    return _OwnedTask(work, loop=loop, **options)


async def _without_exits(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio lets these two out of a task, through the loop, to the end of the process.
        raise AbortedError(class_name(error)) from error


def _log_failure(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody awaited; asyncio's own handler shows the exception's text."""
    error = context.get("exception")
    # For a callback, asyncio's message shows its arguments.
    what = "a callback failed" if "handle" in context else context["message"]
    # What fails is logged from outside its task, often when that is collected as garbage.
    failed = context.get("task") or context.get("future")
    owner = task_owner(failed) if failed else None
    words, caused = ("%s", ()) if error is None else ("%s: %s", (trace(error),))
    logger.error(words, what, *caused, extra={"task_owner": owner})
