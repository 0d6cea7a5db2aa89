"""The ledger on a fake Redis, as operators see it."""

from collections.abc import AsyncIterator

import fakeredis
import pytest

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from tests.unit.worker.operations.messages import QUEUE


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
def ledger(redis: fakeredis.FakeAsyncRedis) -> Ledger:
    return Ledger(redis, QUEUE)


@pytest.fixture
def admin(redis: fakeredis.FakeAsyncRedis) -> LedgerAdmin:
    return LedgerAdmin(redis, QUEUE)
