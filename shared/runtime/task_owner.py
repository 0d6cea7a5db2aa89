"""The message that the running code works for: tasks, threads and log lines carry it."""

import time
from contextvars import ContextVar
from typing import NamedTuple

SHORT_ID_CHARS = 12
"""How much of a message's id a line for people shows; commands take that for the id."""


class TaskOwner(NamedTuple):
    """The message that a task works for, and the skill once it is known."""

    message_id: str
    skill: str = ""
    attempt: int = 0
    """The number of the attempt to deliver its answer, from 1; 0 before it is leased."""
    since_s: float = 0.0
    """When this worker took it, in seconds of `time.monotonic`."""

    sending_s: float = 0.0
    """When it claimed the right to send the reply, on the same clock; 0 before."""
    trace_id: str = ""
    """Of the span that traces it (`tracing`), in hex digits; "" where none does."""
    span_id: str = ""

    def __str__(self) -> str:
        return f"message {self.message_id:.8}" + (f" in the skill {self.skill}" * bool(self.skill))

    @property
    def duration_s(self) -> float:
        """Seconds since this worker took the message; 0 where nobody noted when it did."""
        return time.monotonic() - self.since_s if self.since_s else 0.0


current_owner: ContextVar[TaskOwner | None] = ContextVar("owner", default=None)
"""The owner of the running task or thread; None if it works for no message."""
