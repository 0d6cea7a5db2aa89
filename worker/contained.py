"""Running a skill's code so that whatever it does ends as a value or as an `Exception`.

A skill may raise what is no `Exception`: `SystemExit`, `KeyboardInterrupt`, the `PanicException` of
libraries written in Rust. It may be cancelled though nobody cancelled its message, because it
awaited what somebody else cancelled; or it may cancel its own task. None of that may end the
worker.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

from dingda.shared.errors import DingdaError
from dingda.shared.runtime.cancel_reason import CancelReason
from dingda.shared.runtime.logs import class_name, trace

logger = logging.getLogger(__name__)
T = TypeVar("T")

LAST_WORDS_S = 1.0
"""How long what was cancelled may take to end; then it is left behind."""
STOPPED = CancelReason("stopped by an operator")
"""Why a message's task is cancelled when RQ's stop-job names its job.

Such a message is over. Without this reason the worker is ending, and another one goes on with it.
"""


class AbortedError(DingdaError):
    """What was run raised something that is no `Exception`; `name` is its class's."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


async def contained(work: Coroutine[Any, Any, T]) -> T:
    """Await something in a task of its own, and return what it returns.

    Raises:
        Exception: what it raises.
        AbortedError: if it raises what is no `Exception`, or was cancelled by another than the
            caller.
        asyncio.CancelledError: if the caller is cancelled, and only then; a moment later, since
            what it runs may have something to tidy up, or refuse to end at all.
    """
    task = asyncio.create_task(_settled(work))
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=LAST_WORDS_S)
        raise
    if task.cancelled():
        raise AbortedError("CancelledError")
    value, error = task.result()
    if error is None:
        return value  # type: ignore[return-value] # it is a T where there is no error
    # Not isinstance(), which asks the object itself for its class.
    if issubclass(type(error), Exception):
        raise error
    raise AbortedError(class_name(error)) from error


def is_cancelled(error: BaseException) -> bool:
    """Whether an exception is the cancellation of the running task, asked for from outside.

    Otherwise a CancelledError comes from something that the task awaited.
    """
    task = asyncio.current_task()
    cancelled = issubclass(type(error), asyncio.CancelledError)
    return cancelled and task is not None and task.cancelling() > 0


def settle(call: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Call something in a thread, and return its result or what it raised.

    A future can't carry every exception: with a StopIteration it would never be done.
    """
    try:
        return call(), None
    except BaseException as error:  # noqa: BLE001 - it goes to where the result goes
        return None, error


async def _settled(work: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    try:
        return await work, None
    except BaseException as error:  # noqa: BLE001 - asyncio would end the loop with some of them
        return None, error


class Subject(NamedTuple):
    """Whom a task works for."""

    message_id: str
    skill: str = ""

    def __str__(self) -> str:
        return f"message {self.message_id:.8}" + (f" in the skill {self.skill}" * bool(self.skill))


_subject: ContextVar[Subject | None] = ContextVar("subject", default=None)


class _Task(asyncio.Task[Any]):
    """A task that others can ask whom it works for; so can those that it starts."""

    def __init__(self, work: Coroutine[Any, Any, Any], **traits: Any) -> None:
        self.subject = _subject.get()
        super().__init__(work, **traits)


def work_for(subject: Subject) -> None:
    """Say whom the running task works for, and those that it starts from here on."""
    _subject.set(subject)
    task = asyncio.current_task()
    if isinstance(task, _Task):
        task.subject = subject


def subject_of(task: "asyncio.Task[Any]") -> Subject | None:
    """Whom a task works for; None if for no message."""
    return task.subject if isinstance(task, _Task) else None


def contain_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Keep tasks that skills start from ending the loop, and their words out of the log."""
    loop.set_task_factory(_create_task)
    loop.set_exception_handler(_log_failure)


def _create_task(loop: asyncio.AbstractEventLoop, work: Any, **traits: Any) -> "asyncio.Task[Any]":
    return _Task(_without_exits(work), loop=loop, **traits)


async def _without_exits(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        # asyncio lets these two out of a task, through the loop, to the end of the process.
        raise AbortedError(class_name(error)) from error


def _log_failure(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody awaited; asyncio's own handler shows the exception's words."""
    error = context.get("exception")
    # Of a callback the message shows the arguments.
    what = "a callback failed" if "handle" in context else context["message"]
    logger.error("%s%s", what, f": {trace(error)}" if error else "")
