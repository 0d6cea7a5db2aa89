"""The receiver: what becomes of a body, whichever transport brought it."""

from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.gateway.intake import Intake
from dingda.gateway.receiver import Busy, Delayed, Duplicate, Invalid, Receiver, Stored
from dingda.gateway.worker_presence import WorkerPresence
from dingda.shared.dingtalk.message import Ignored
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.queue import JobQueue
from tests.support.builders import a_callback, a_message

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    async with fakeredis.FakeAsyncRedis(decode_responses=True) as redis:
        yield redis


@pytest.fixture
def ledger(redis: fakeredis.FakeAsyncRedis) -> Ledger:
    return Ledger(redis, QUEUE)


@pytest.fixture
async def receiver(ledger: Ledger) -> AsyncIterator[Receiver]:
    intake = Intake(ledger, backlog_limit=2)
    async with intake.running():
        yield Receiver(intake, ledger)


async def queued(redis: fakeredis.FakeAsyncRedis) -> int:
    length: Any = await redis.llen("rq:queue:dingda")
    return int(length)


async def test_a_message_is_in_redis_when_it_is_called_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    assert await receiver.receive(a_callback()) == Stored()
    assert await queued(redis) == 1


async def test_the_same_message_from_two_transports_is_stored_once(
    receiver: Receiver, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    other_intake = Intake(ledger, backlog_limit=2)
    async with other_intake.running():
        acks = [
            await receiver.receive(a_callback()),
            await Receiver(other_intake, ledger).receive(a_callback()),
        ]
    assert acks == [Stored(), Duplicate()]
    assert await queued(redis) == 1


async def test_a_delivery_without_anything_to_answer_is_counted_and_not_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    assert await receiver.receive(b"{}") == Ignored("probe")
    assert (await LedgerAdmin(redis, QUEUE).counts()).ignored == {"probe": 1}
    assert await queued(redis) == 0


async def test_a_delivery_that_cannot_be_counted_is_ignored_all_the_same(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(redis.connection_pool, "get_connection", away)
    assert await receiver.receive(b"{}") == Ignored("probe")


async def test_a_body_that_is_no_message_is_invalid_and_the_reason_quotes_nothing_of_it(
    receiver: Receiver,
) -> None:
    ack = await receiver.receive(b'{"canary": canary}')
    assert isinstance(ack, Invalid)
    assert "JSON" in ack.reason
    assert "canary" not in ack.reason


async def test_a_message_beyond_the_backlogs_limit_finds_us_busy(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    acks = [await receiver.receive(a_callback(msgId=f"m{number}")) for number in range(3)]
    assert acks[:2] == [Stored(), Stored()]
    assert isinstance(acks[2], Busy)
    assert "DINGDA_BACKLOG_LIMIT" in acks[2].reason
    assert await queued(redis) == 2


async def test_a_message_that_redis_does_not_store_finds_us_busy(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(redis.connection_pool, "get_connection", away)
    assert await receiver.receive(a_callback()) == Busy("the message was not stored")


async def test_a_transport_may_check_a_messages_id_before_it_is_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    checked: list[str] = []

    def forbid(message_id: str) -> None:
        checked.append(message_id)
        raise PermissionError

    with pytest.raises(PermissionError):
        await receiver.receive(a_callback(msgId="m1"), check=forbid)
    assert checked == [a_message(msgId="m1").id]
    assert await queued(redis) == 0


# Without workers ----------------------------------------------------------------------------


def gone() -> WorkerPresence:
    presence = WorkerPresence(never)
    presence.are_gone = True
    return presence


async def never() -> bool:
    return False


async def test_a_message_that_comes_while_no_worker_is_alive_is_stored_and_delayed(
    ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    intake = Intake(ledger, backlog_limit=2)
    async with intake.running():
        receiver = Receiver(intake, ledger, workers=gone())
        assert await receiver.receive(a_callback()) == Delayed()
        assert await receiver.receive(a_callback()) == Duplicate()
    assert await queued(redis) == 1


async def test_it_is_not_stored_where_senders_hear_that_the_bot_is_busy(
    ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    intake = Intake(ledger, backlog_limit=2)
    async with intake.running():
        receiver = Receiver(intake, ledger, workers=gone(), stores_without_workers=False)
        assert isinstance(await receiver.receive(a_callback()), Busy)
    assert await queued(redis) == 0
