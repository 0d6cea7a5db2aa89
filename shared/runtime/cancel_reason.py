"""Cancelling a task for a reason that the task can recognise."""

import asyncio
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class CancelReason:
    """Why a task is cancelled, where it must tell that from any other cancellation.

    asyncio hands what `Task.cancel` is given to the `CancelledError` as its only argument. That is
    the task's only way to know who cancelled it: a time-out, a shutdown and a command look the same
    otherwise.
    """

    text: str

    def cancel(self, task: asyncio.Task[Any]) -> None:
        """Cancel a task for this reason."""
        task.cancel(self)

    def explains(self, error: BaseException) -> bool:
        """Whether the error is that of a task that was cancelled for this reason."""
        return error.args == (self,)
