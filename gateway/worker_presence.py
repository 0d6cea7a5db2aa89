"""Whether workers are alive, so that a sender can be told that the answer comes late.

It also knows the skills that they could not load, which `/readyz` tells operators.

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
        read_presence: reads whether one is alive, and what they could not load.
        now_s: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        read_presence: Callable[[], Coroutine[Any, Any, Presence]],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_presence = read_presence
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
        presence = await self._presence()
        if presence.is_any_alive:
            self._seen_s, self.missing_skills = self._now_s(), presence.missing_skills
        were_gone = self.are_gone
        self.are_gone = self._now_s() - self._seen_s > GRACE_S
        if self.are_gone and not were_gone:
            logger.error("no worker is alive, so nothing is answered: start one with dingda worker")
        elif were_gone and not self.are_gone:
            logger.info("a worker is alive again, or Redis does not say")

    async def _presence(self) -> Presence:
        """Read it; while Redis does not say, workers count as alive and lack what they lacked."""
        try:
            return await within(_LOOK_TIMEOUT_S, self._read_presence())
        except (RedisError, OSError, TimeoutError):
            return Presence(is_any_alive=True, missing_skills=self.missing_skills)
