"""Speaking first: a push is accepted into the ledger, and a worker sends it like an answer."""

from collections.abc import Callable

from redis.exceptions import RedisError

from dingda.shared.dingtalk.push import Push, Target
from dingda.shared.dingtalk.reply import Reply, Text
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.worker.errors import (
    BackendBusyError,
    BackendConfigError,
    BackendUnavailableError,
)

_NAME = "主动消息"


class LedgerPusher:
    """A `Pusher` that accepts into the ledger.

    Args:
        ledger: the truth about everything that is to be sent.
        robot_code: the robot that speaks.
        backlog_limit: how many messages may wait.
        why_not: why nothing can be pushed to a target; "" if it can.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(
        self,
        ledger: Ledger,
        robot_code: str,
        *,
        backlog_limit: int,
        why_not: Callable[[Target], str],
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._ledger = ledger
        self._robot_code = robot_code
        self._backlog_limit = backlog_limit
        self._why_not = why_not
        self._now_ms = now_ms

    async def push(self, target: Target, reply: Reply | str, *, key: str) -> bool:
        """Accept a push; see `Pusher.push`."""
        if reason := self._why_not(target):
            raise BackendConfigError(_NAME, reason)
        push = Push(target, key, Text(reply) if isinstance(reply, str) else reply)
        envelope = push.envelope(self._robot_code, now_ms=self._now_ms())
        accepted = [(envelope, push.to_payload(self._robot_code))]
        try:
            (result,) = await self._ledger.accept(accepted, backlog_limit=self._backlog_limit)
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise BackendUnavailableError(_NAME, type(error).__name__) from error
        if result is AcceptResult.FULL:
            raise BackendBusyError(_NAME, "the backlog is full (DINGDA_BACKLOG_LIMIT)")
        return result is AcceptResult.ACCEPTED
