"""Calling a skill's function, which may be `async` or may block, and may raise anything."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any

from pydantic_settings import BaseSettings

from dingda.worker.contained import AbortedError, capture
from dingda.worker.errors import BackendConfigError
from dingda.worker.sdk.services import Services
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.skill_clock import skill_clock_paused


def blocks(function: Callable[..., Any]) -> bool:
    """Whether a skill's function runs in a thread."""
    return not inspect.iscoroutinefunction(function)


async def call_function(
    function: Callable[..., Any], arguments: Mapping[str, Any], threads: Executor
) -> Any:
    """Call a skill's function, and return what it returned.

    Args:
        function: the skill's.
        arguments: by their names.
        threads: runs it if it blocks.
    """
    call = partial(function, **arguments)
    returned: Any
    if blocks(function):
        returned, error = await _in_thread(threads, call)
        if error is not None:
            raise error
    else:
        returned = call()
    # A function that is not `async` may return an awaitable: a wrapped one does.
    return await returned if inspect.isawaitable(returned) else returned


def check_settings(kinds: Iterable[type[BaseSettings]], skill: Skill, services: Services) -> None:
    """See that the settings of a function could be read; the log of the start names what is wrong.

    Raises:
        BackendConfigError: if not.
    """
    for kind in kinds:
        if kind not in services.settings:
            reason = f"{kind.__name__} is missing or wrong; see dingda settings"
            raise BackendConfigError(f"「{skill.title}」", reason)


def raised_by_skill(error: BaseException) -> BaseException:
    """What the skill raised itself, where that is no `Exception`."""
    # Not isinstance(), which asks the error itself for its class.
    return error.__cause__ or error if issubclass(type(error), AbortedError) else error


async def _in_thread(
    threads: Executor, call: Callable[[], Any]
) -> tuple[Any, BaseException | None]:
    """Call something in a thread; the skill's clock stops until one is free."""
    loop = asyncio.get_running_loop()
    begun = asyncio.Event()

    def run() -> tuple[Any, BaseException | None]:
        loop.call_soon_threadsafe(begun.set)
        return capture(call)

    future = loop.run_in_executor(threads, run)
    try:
        with skill_clock_paused():
            await begun.wait()
        return await future
    finally:
        future.cancel()
