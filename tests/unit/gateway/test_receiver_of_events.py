"""The receiver of events and card actions: what is stored of them, and as which message."""

from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.gateway.intake import Intake
from dingda.gateway.receiver import MAX_BODY_BYTES, Busy, Duplicate, Invalid, Receiver, Stored
from dingda.shared.dingtalk.message import Ignored
from dingda.shared.dingtalk.notification import parse_notification
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.times import REPEATED_PRESS_MS
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS, a_card_callback, an_event, event_headers

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
ROBOT, OTHER = Robot("dingrobot", "小钉"), Robot("dingother", "小白")


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    async with fakeredis.FakeAsyncRedis(decode_responses=True) as redis:
        yield redis


@pytest.fixture
async def receiver(redis: fakeredis.FakeAsyncRedis) -> AsyncIterator[Receiver]:
    ledger = Ledger(redis, QUEUE)
    intake = Intake(ledger, backlog_limit=20)
    async with intake.running():
        yield Receiver(intake, ledger)


async def records(redis: fakeredis.FakeAsyncRedis) -> list[dict[str, str]]:
    """What the ledger keeps of each message, in the order in which they were accepted."""
    found: list[Any] = [await redis.hgetall(key) for key in await redis.keys(KEYS.message("*"))]
    return sorted(found, key=lambda record: int(record["job"]))


async def away(*_: Any, **__: Any) -> None:
    raise RedisConnectionError("away")


# Events -------------------------------------------------------------------------------------


async def test_an_event_is_in_redis_when_it_is_called_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    ack = await receiver.receive_event(event_headers("chat_add_member"), an_event(), ROBOT)
    assert ack == Stored()
    (record,) = await records(redis)
    told = parse_notification(record["payload"].encode())
    assert (told.robot_code, told.title) == ("dingrobot", "event: chat_add_member")
    assert (await LedgerAdmin(redis, QUEUE).counts()).accepted == 1


async def test_an_event_that_is_pushed_again_in_another_frame_is_stored_once(
    receiver: Receiver,
) -> None:
    acks = [
        await receiver.receive_event(event_headers(messageId=frame), an_event(), ROBOT)
        for frame in ("frame1", "frame2")
    ]
    assert acks == [Stored(), Duplicate()]


@pytest.mark.parametrize(
    ("headers", "robot"),
    [(event_headers(eventId="e2"), ROBOT), (event_headers(), OTHER)],
    ids=["another event", "another robot"],
)
async def test_another_event_and_another_robots_are_stored_as_well(
    receiver: Receiver, headers: dict[str, str], robot: Robot
) -> None:
    await receiver.receive_event(event_headers(), an_event(), ROBOT)
    assert await receiver.receive_event(headers, an_event(), robot) == Stored()


async def test_an_event_over_the_quota_is_counted_and_not_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    data = b'{"errorCode": "20001", "errMsg": "paused"}'
    assert await receiver.receive_event(event_headers(), data, ROBOT) == Ignored("over_quota")
    assert (await LedgerAdmin(redis, QUEUE).counts()).ignored == {"over_quota": 1}
    assert await records(redis) == []


@pytest.mark.parametrize(
    ("headers", "data"),
    [
        ({}, b"{}"),
        (event_headers(eventId=""), b"{}"),
        (event_headers(eventType="x" * 129), b"{}"),
        (event_headers(), b'"canary"'),
        (event_headers(), b"\xffcanary"),
        (event_headers(), b'{"a":"' + b"x" * MAX_BODY_BYTES + b'"}'),
    ],
)
async def test_what_is_no_event_is_invalid_and_the_reason_quotes_nothing_of_it(
    receiver: Receiver, headers: dict[str, str], data: bytes
) -> None:
    ack = await receiver.receive_event(headers, data, ROBOT)
    assert isinstance(ack, Invalid)
    assert "canary" not in ack.reason
    assert "xxx" not in ack.reason


async def test_an_event_that_redis_does_not_store_is_to_be_pushed_again(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis.connection_pool, "get_connection", away)
    assert isinstance(await receiver.receive_event(event_headers(), an_event(), ROBOT), Busy)


# Card actions -------------------------------------------------------------------------------


async def test_a_card_action_is_in_redis_when_it_is_called_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    assert await receiver.receive_card_action(a_card_callback("approve"), ROBOT) == Stored()
    (record,) = await records(redis)
    told = parse_notification(record["payload"].encode())
    assert (told.robot_code, told.title) == ("dingrobot", "card action: approve")


async def test_a_press_that_is_delivered_again_is_stored_once(receiver: Receiver) -> None:
    acks = [await receiver.receive_card_action(a_card_callback(), ROBOT) for _ in range(2)]
    assert acks == [Stored(), Duplicate()]


async def test_a_press_that_could_not_be_stored_is_stored_when_it_is_delivered_again(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(redis.connection_pool, "get_connection", away)
        assert isinstance(await receiver.receive_card_action(a_card_callback(), ROBOT), Busy)
    assert await receiver.receive_card_action(a_card_callback(), ROBOT) == Stored()


@pytest.mark.parametrize(
    "second",
    [
        a_card_callback("reject"),
        a_card_callback(params={"jobId": "43"}),
        a_card_callback(userId="0002"),
        a_card_callback(outTrackId="card2"),
    ],
    ids=["another button", "other parameters", "another person", "another card"],
)
async def test_another_press_counts_as_well(receiver: Receiver, second: bytes) -> None:
    await receiver.receive_card_action(a_card_callback(), ROBOT)
    assert await receiver.receive_card_action(second, ROBOT) == Stored()


async def test_somebody_who_changes_their_mind_twice_is_heard_three_times(
    receiver: Receiver,
) -> None:
    acks = [
        await receiver.receive_card_action(a_card_callback(button), ROBOT)
        for button in ("approve", "reject", "approve")
    ]
    assert acks == [Stored(), Stored(), Stored()]


async def test_the_same_press_counts_again_once_no_delivery_of_the_first_can_come(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    await receiver.receive_card_action(a_card_callback(), ROBOT)
    (key,) = await redis.keys(KEYS.press("*"))
    assert 0 < await redis.pttl(key) <= REPEATED_PRESS_MS
    await redis.delete(key)
    assert await receiver.receive_card_action(a_card_callback(), ROBOT) == Stored()


async def test_the_presses_on_one_card_are_in_one_queue_and_those_on_others_are_not(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    for who, card in (("0001", "card1"), ("0002", "card1"), ("0001", "card2")):
        body = a_card_callback(userId=who, outTrackId=card)
        await receiver.receive_card_action(body, ROBOT)
    first, second, other = [record["line"] for record in await records(redis)]
    assert first == second != other


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        a_card_callback(userId=""),
        a_card_callback(outTrackId=7),
        b'{"userId":"0001","outTrackId":"c","value":'
        + b'{"cardPrivateData":{"params":' * 3
        + b'{"a":'
        + b"[" * 50_000
        + b"]" * 50_000
        + b"}}}" * 3
        + b"}",
    ],
    ids=["empty", "a list", "nobody", "no card", "nested"],
)
async def test_what_is_no_card_action_is_invalid(receiver: Receiver, data: bytes) -> None:
    assert isinstance(await receiver.receive_card_action(data, ROBOT), Invalid)
