"""One attempt at answering a message: the value that travels with it from the lease to the end."""

import asyncio
from dataclasses import dataclass

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.states import Lease


@dataclass(frozen=True, slots=True)
class Attempt:
    """A message in hand, the hold on it, and until when it may be answered."""

    lease: Lease
    message: Message
    deadline_s: float
    """The last moment at which an answer may be sent, in seconds of the event loop's clock."""

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it. To be read on the event loop."""
        return self.deadline_s - asyncio.get_running_loop().time()
