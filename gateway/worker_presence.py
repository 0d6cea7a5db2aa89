"""Whether workers are alive, so that a sender can be told that the answer comes late.

And what skills they lack, which `/readyz` tells operators.

A background task looks every few seconds: a callback costs no more for it. It says that workers are
alive when it cannot tell, and until none has been seen for a while, so that a rolling restart of
all of them goes unnoticed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from redis.exceptions import RedisError

from dingda.shared.ledger.worker_report import Presence
from dingda.shared.runtime.deadline import within

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
GRACE_S = 30.0
"""How long all may be away unnoticed, from when a worker was seen last or the gateway started. One
that was killed counts as alive for a while besides."""
_LOOK_TIMEOUT_S = 1.0


class WorkerPresence:
    """Whether all workers are gone.

    Args:
        look: looks what there is of them.
        now_s: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        look: Callable[[], Coroutine[Any, Any, Presence]],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._now_s = now_s
        self._seen_s = now_s()
        self.are_gone = False
        """Whether no worker has been seen for longer than the grace."""
        self.missing_skills: tuple[str, ...] = ()
        """The modules of skills that a worker could not load, when one was seen last."""

    async def watch(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once; within a second."""
        if await self._may_be_alive():
            self._seen_s = self._now_s()
        were_gone = self.are_gone
        self.are_gone = self._now_s() - self._seen_s > GRACE_S
        if self.are_gone and not were_gone:
            logger.error("no worker is alive, so nothing is answered: start one with dingda worker")
        elif were_gone and not self.are_gone:
            logger.info("a worker is alive again, or Redis does not say")

    async def _may_be_alive(self) -> bool:
        try:
            presence = await within(_LOOK_TIMEOUT_S, self._look())
        except (RedisError, OSError, TimeoutError):
            return True
        if presence.is_any_alive:
            self.missing_skills = presence.missing_skills
        return presence.is_any_alive
