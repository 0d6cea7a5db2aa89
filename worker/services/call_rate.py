"""The rate at which one application calls an API, kept for all workers together.

DingTalk counts the calls of an application by the second, whichever process they come from. What
waits for its turn here waits behind the calls of all workers; what need not be made at all asks for
a turn at once, and is left out.
"""

import asyncio
import logging
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.runtime.lua_source import lua_source
from dingda.worker.services.skill_clock import skill_clock_paused

logger = logging.getLogger(__name__)

PER_S = 15
AT_ONCE = 5
"""DingTalk allows about 20 calls a second for an application and an API: these, and 15 more."""
PAUSE_S = 2.0
"""How long nobody calls once DingTalk has refused a call for the rate: its window is a second."""
FORGET_MS = 60_000


class TakeCallArguments(NamedTuple):
    """Take a turn."""

    interval_ms: float
    burst_ms: float
    longest_ms: int


class PauseCallsArguments(NamedTuple):
    """Let nobody call for a while."""

    pause_ms: int


class CallRate:
    """A token bucket in Redis, by whose clock it fills.

    Without Redis every call has its turn at once: the API's own limit holds then.

    Args:
        redis: holds it.
        key: names what is counted.
        per_s: calls a second.
        at_once: how many may come at once where there were few before.
    """

    def __init__(
        self, redis: Redis, key: str, *, per_s: float = PER_S, at_once: int = AT_ONCE
    ) -> None:
        self._key = key
        self._interval_ms = 1000 / per_s
        self._burst_ms = (at_once - 1) * self._interval_ms
        package = "dingda.worker.services"
        self._take_call = redis.register_script(lua_source(package, "take_call"))
        self._pause_calls = redis.register_script(lua_source(package, "pause_calls"))

    async def wait(self, *, longest_s: float) -> bool:
        """Wait for the turn of one call.

        Args:
            longest_s: how long; 0 for a call that need not be made.

        Returns:
            Whether it is its turn; False at once where that would come later.
        """
        arguments = TakeCallArguments(self._interval_ms, self._burst_ms, round(longest_s * 1000))
        wait_ms = await self._run(self._take_call, arguments)
        if wait_ms is None:
            return True
        if wait_ms > 0:
            with skill_clock_paused():
                await asyncio.sleep(wait_ms / 1000)
        return bool(wait_ms >= 0)

    async def pause(self, pause_s: float = PAUSE_S) -> None:
        """Let nobody call for so many seconds."""
        await self._run(self._pause_calls, PauseCallsArguments(round(pause_s * 1000)))

    async def _run(self, script: Any, arguments: tuple[float, ...]) -> Any:
        try:
            return await script(keys=[self._key], args=[FORGET_MS, *arguments])
        except (RedisError, OSError) as error:
            logger.warning("the rate of calls: not counted (%s)", type(error).__name__)
            return None
