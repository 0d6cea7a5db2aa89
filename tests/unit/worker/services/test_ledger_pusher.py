"""Pushing where Redis does not take it."""

from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from dingda.skill import BackendUnavailableError, Group
from dingda.worker.services.ledger_pusher import LedgerPusher


class BrokenLedger:
    """A ledger that accepts nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def accept(self, *_: object, **__: object) -> Any:
        raise self._error


@pytest.mark.parametrize(
    "error", [OutOfMemoryError("maxmemory"), RedisConnectionError("gone"), TimeoutError()]
)
async def test_a_push_that_redis_does_not_take_is_a_backend_that_is_away(error: Exception) -> None:
    ledger: Any = BrokenLedger(error)
    pusher = LedgerPusher(ledger, "dingrobot", backlog_limit=100, why_not=lambda _: "")

    with pytest.raises(BackendUnavailableError) as raised:
        await pusher.push(Group("ops"), "咖啡好了", key="42")

    assert raised.value.reason == type(error).__name__
