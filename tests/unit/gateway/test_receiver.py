"""The receiver: what becomes of a body, whichever transport brought it."""

from collections.abc import AsyncIterator
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.gateway.intake import Intake
from dingda.gateway.receiver import (
    Ack,
    Busy,
    Delayed,
    Duplicate,
    Invalid,
    Misdirected,
    Receiver,
    Stored,
)
from dingda.gateway.worker_presence import WorkerPresence
from dingda.shared.dingtalk.message import Envelope, Ignored, Message, parse_message
from dingda.shared.dingtalk.robots import ANY_ROBOT, Robot, Robots
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.worker_report import Presence
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS, a_callback, a_message

(ROBOT,) = ANY_ROBOT
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
    assert await receiver.receive(a_callback(), ROBOT) == Stored()
    assert await queued(redis) == 1


async def test_the_same_message_from_two_transports_is_stored_once(
    receiver: Receiver, ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    other_intake = Intake(ledger, backlog_limit=2)
    async with other_intake.running():
        acks = [
            await receiver.receive(a_callback(), ROBOT),
            await Receiver(other_intake, ledger).receive(a_callback(), ROBOT),
        ]
    assert acks == [Stored(), Duplicate()]
    assert await queued(redis) == 1


async def test_a_delivery_without_anything_to_answer_is_counted_and_not_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    assert await receiver.receive(b"{}", ROBOT) == Ignored("probe")
    assert (await LedgerAdmin(redis, QUEUE).counts()).ignored == {"probe": 1}
    assert await queued(redis) == 0


async def test_a_delivery_that_cannot_be_counted_is_ignored_all_the_same(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    monkeypatch.setattr(redis.connection_pool, "get_connection", away)
    assert await receiver.receive(b"{}", ROBOT) == Ignored("probe")


async def test_a_body_that_is_no_message_is_invalid_and_the_reason_quotes_nothing_of_it(
    receiver: Receiver,
) -> None:
    ack = await receiver.receive(b'{"canary": canary}', ROBOT)
    assert isinstance(ack, Invalid)
    assert "JSON" in ack.reason
    assert "canary" not in ack.reason


async def test_a_message_beyond_the_backlogs_limit_finds_us_busy(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    acks = [await receiver.receive(a_callback(msgId=f"m{number}"), ROBOT) for number in range(3)]
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
    assert await receiver.receive(a_callback(), ROBOT) == Busy("the message was not stored")


async def test_a_transport_may_check_a_messages_envelope_before_it_is_stored(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis
) -> None:
    checked: list[str] = []

    def forbid(envelope: Envelope) -> None:
        checked.append(envelope.id)
        raise PermissionError

    with pytest.raises(PermissionError):
        await receiver.receive(a_callback(msgId="m1"), ROBOT, check=forbid)
    assert checked == [a_message(msgId="m1").id]
    assert await queued(redis) == 0


# Without workers ----------------------------------------------------------------------------


def gone() -> WorkerPresence:
    presence = WorkerPresence(never)
    presence.are_gone = True
    return presence


async def never() -> Presence:
    return Presence(is_any_alive=False)


async def test_a_message_that_comes_while_no_worker_is_alive_is_stored_and_delayed(
    ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    intake = Intake(ledger, backlog_limit=2)
    async with intake.running():
        receiver = Receiver(intake, ledger, workers=gone())
        assert await receiver.receive(a_callback(), ROBOT) == Delayed()
        assert await receiver.receive(a_callback(), ROBOT) == Duplicate()
    assert await queued(redis) == 1


async def test_it_is_not_stored_where_senders_hear_that_the_bot_is_busy(
    ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    intake = Intake(ledger, backlog_limit=2)
    async with intake.running():
        receiver = Receiver(intake, ledger, workers=gone(), stores_without_workers=False)
        assert isinstance(await receiver.receive(a_callback(), ROBOT), Busy)
    assert await queued(redis) == 0


# Several robots.


SALES, STAFF = Robot("dingsales", name="小钉"), Robot("dingstaff")


class Heard:
    """A receiver for two robots, and what it has stored."""

    def __init__(self, receiver: Receiver, redis: fakeredis.FakeAsyncRedis) -> None:
        self._receiver = receiver
        self._redis = redis

    async def __call__(self, robot: Robot, **fields: Any) -> Ack:
        return await self._receiver.receive(a_callback(**fields), robot)

    async def stored(self) -> Message:
        """The one message, as the worker reads it."""
        (key,) = await self._redis.keys("dingda:message:*")
        payload: Any = await self._redis.hget(key, "payload")
        message = parse_message(payload.encode())
        assert isinstance(message, Message)
        assert key == f"dingda:message:{message.id}"
        return message


@pytest.fixture
async def heard(ledger: Ledger, redis: fakeredis.FakeAsyncRedis) -> AsyncIterator[Heard]:
    intake = Intake(ledger, backlog_limit=9)
    async with intake.running():
        yield Heard(Receiver(intake, ledger, robots=Robots((SALES, STAFF))), redis)


async def test_a_message_to_the_robot_that_it_names_is_stored(heard: Heard) -> None:
    assert await heard(STAFF, robotCode="dingstaff") == Stored()
    assert (await heard.stored()).robot_code == "dingstaff"


@pytest.mark.parametrize("code", ["dingstaff", "DINGSALES", "dingsales ", "nobodys", "小钉"])
async def test_a_message_that_names_another_robot_is_not_stored(
    heard: Heard, redis: fakeredis.FakeAsyncRedis, code: str
) -> None:
    ack = await heard(SALES, robotCode=code)
    assert ack == Misdirected("it came to 小钉, and its robotCode is another's")
    assert await queued(redis) == 0


@pytest.mark.parametrize("code", ["", "normal", None, 5, ["dingstaff"]])
async def test_a_message_that_names_none_is_stored_as_said_to_the_one_that_it_came_to(
    heard: Heard, code: object
) -> None:
    assert await heard(STAFF, robotCode=code) == Stored()
    assert await heard(STAFF, robotCode=code) == Duplicate()
    assert (await heard.stored()).robot_code == "dingstaff"


async def test_the_same_message_that_names_none_is_another_one_to_another_robot(
    heard: Heard,
) -> None:
    assert await heard(SALES, robotCode="normal") == Stored()
    assert await heard(STAFF, robotCode="normal") == Stored()


async def test_what_else_a_message_says_of_its_robot_does_not_count(heard: Heard) -> None:
    fields = {"robotCode": "normal", "robot_code": "dingstaff", "code": "dingstaff"}
    assert await heard(SALES, **fields) == Stored()
    assert (await heard.stored()).robot_code == "dingsales"


async def test_of_two_codes_in_one_message_the_last_counts_for_all_who_read_it(
    ledger: Ledger, redis: fakeredis.FakeAsyncRedis
) -> None:
    intake = Intake(ledger, backlog_limit=9)
    async with intake.running():
        receiver = Receiver(intake, ledger, robots=Robots((SALES, STAFF)))
        body = a_callback(robotCode="dingsales")[:-1] + b',"robotCode":"dingstaff"} \n'
        assert isinstance(await receiver.receive(body, SALES), Misdirected)
        nameless = a_callback(robotCode="dingstaff")[:-1] + b',"robotCode":"normal"} \r\n\t '
        assert await receiver.receive(nameless, SALES) == Stored()
    assert (await Heard(receiver, redis).stored()).robot_code == "dingsales"


@pytest.mark.parametrize("code", ["", "normal", "whatever"])
async def test_to_the_robot_of_the_plain_settings_a_body_is_stored_as_it_came(
    receiver: Receiver, redis: fakeredis.FakeAsyncRedis, code: str
) -> None:
    body = a_callback(robotCode=code)
    assert await receiver.receive(body, ROBOT) == Stored()
    key = KEYS.message(a_message(robotCode=code).id)
    assert await redis.hget(key, "payload") == body.decode()
