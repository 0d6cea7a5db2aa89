"""What the tests of the ledger and of the settings begin with."""

from collections.abc import AsyncIterator

import fakeredis
import pytest

from dingda.shared.dingtalk.message import Message
from tests.support.builders import a_message
from tests.support.environment import Environment
from tests.support.ledger_harness import LedgerHarness


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
async def harness(server: fakeredis.FakeServer) -> AsyncIterator[LedgerHarness]:
    """A ledger of its own for each test; the invariant must hold whatever the test did."""
    harness = LedgerHarness(server)
    yield harness
    await harness.check_the_invariant()
    await harness.redis.aclose()


@pytest.fixture
def message() -> Message:
    return a_message()


@pytest.fixture
def other() -> Message:
    return a_message(msgId="msgBBBB==")


@pytest.fixture
def dingda(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)
