"""What every attempt has: a lease, and a deadline that follows from it."""

import asyncio

from dingda.shared.ledger.states import Lease


class Leased:
    """The times of an attempt, whatever it is made at."""

    __slots__ = ()

    lease: Lease
    deadline_s: float
    """The last moment at which it may go on, in seconds of the event loop's clock."""

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it. Read it on the event loop."""
        return self.deadline_s - asyncio.get_running_loop().time()

    @property
    def since_s(self) -> float:
        """When the lease was taken, in seconds of the event loop's clock."""
        return self.deadline_s - self.lease.remaining_ms / 1000
