"""Messages to a robot that this worker does not know: left to a worker that does.

In a rolling deploy the gateway may know a robot before all workers do, and a robot may be removed
while messages to it wait. Such a message goes back to the ledger until a worker with other settings
takes it, or its session closes; no other robot answers it.
"""

import asyncio
import logging

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Lease
from dingda.shared.runtime.logs import printable
from dingda.worker.answering.metrics import AnsweringMetrics

logger = logging.getLogger(__name__)

UNKNOWN_ROBOT = "no worker that took it knows its robot (DINGDA_ROBOTS)"
"""What the dead letter says if the session closes first."""
_SHORTEST_PAUSE_MS, _LONGEST_PAUSE_MS = 2_000, 60_000
_SHARE_OF_AGE = 8
"""A pause is an eighth of the message's age. Which worker takes it next is chance: a minute needs a
score of tries even where every other worker knows the robot."""
_LOG_EVERY_S = 60.0
_MAX_CODE_CHARS = 80


class UnknownRobots:
    """Puts messages back whose robot this worker does not know, and says so once a minute.

    Args:
        ledger: the one that leased them.
        metrics: counts them.
    """

    def __init__(self, ledger: Ledger, metrics: AnsweringMetrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._quiet_until_s = 0.0

    async def put_back(self, lease: Lease, robot_code: str) -> None:
        """Put a message back for a pause that grows with its age, to a minute at the most.

        Raises:
            LeaseLostError: if it is somebody else's by now.
        """
        self._metrics.robot_unknown()
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._quiet_until_s:
            self._quiet_until_s = now_s + _LOG_EVERY_S
            logger.warning(
                "this worker knows no robot %s, and leaves its messages to others (DINGDA_ROBOTS)",
                printable(robot_code, _MAX_CODE_CHARS) or "without a code",
            )
        pause_ms = max(_SHORTEST_PAUSE_MS, min(lease.age_ms // _SHARE_OF_AGE, _LONGEST_PAUSE_MS))
        await self._ledger.release(
            lease, pause_ms=min(pause_ms, lease.remaining_ms), reason=UNKNOWN_ROBOT
        )
