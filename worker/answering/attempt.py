"""One attempt at answering a message: the value that is passed from the lease to the outcome."""

import asyncio
from dataclasses import dataclass

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.states import Lease
from dingda.worker.answering.routing import Route


@dataclass(frozen=True, slots=True)
class Attempt:
    """A message, the lease on it, the way to its skill, and the deadline for its answer."""

    lease: Lease
    message: Message
    route: Route | None
    """To the skill; None where no skill wants the message."""
    deadline_s: float
    """The last moment at which an answer may be sent, in seconds of the event loop's clock."""

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it. Read it on the event loop."""
        return self.deadline_s - asyncio.get_running_loop().time()

    @property
    def since_s(self) -> float:
        """When the lease was taken, in seconds of the event loop's clock."""
        return self.deadline_s - self.lease.remaining_ms / 1000
