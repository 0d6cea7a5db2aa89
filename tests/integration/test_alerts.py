"""Dead letters that nobody looks after are told of once, on a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.ledger.untold import PAUSE_MS, claim_untold
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from dingda.worker.maintenance.alerts import tell_of_dead_letters
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import SessionWebhook, Valkey, gateway, post_callback, valkey, worker

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
WORDS = "我的工资是多少"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    async with create_worker_redis(RedisAddress(server.url)) as client:
        await client.flushall()
        yield client


class Operators:
    """A group of operators: what they are told, and whether that reaches them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.told: list[str] = []
        self.why_not = ""

    async def tell(self, text: str) -> str:
        if not self.why_not:
            self.told.append(text)
        return self.why_not

    async def look(self, *, after_s: float = 0.0) -> None:
        await tell_of_dead_letters(self._redis, QUEUE, self.tell, after_s=after_s)

    async def wait(self, ms: int = PAUSE_MS) -> None:
        """Let the time go by until the next may be told."""
        next_ms: Any = await self._redis.hget(KEYS.alerts, "next_ms")
        await self._redis.hset(KEYS.alerts, "next_ms", int(next_ms) - ms)


@pytest.fixture
def operators(redis: Redis) -> Operators:
    return Operators(redis)


async def dies(redis: Redis, msg_id: str, detail: str = "errcode 300001") -> str:
    """Let a message end as a dead letter."""
    ledger = Ledger(redis, QUEUE)
    message = a_message(WORDS, msgId=msg_id, senderId=msg_id)
    body = a_callback(WORDS, msgId=msg_id, senderId=msg_id)
    await ledger.accept([(message, body)], backlog_limit=100)
    lease = await ledger.lease(message.id)
    assert isinstance(lease, Lease)
    await ledger.finish(lease, Completion(Outcome.DEAD, DeadReason.FAILED, detail))
    await asyncio.sleep(0.002)  # another millisecond
    return message.id


async def test_all_that_died_are_told_of_in_one_message_without_what_people_wrote(
    redis: Redis, operators: Operators
) -> None:
    for number in range(3):
        await dies(redis, f"msg{number}", detail="errcode 300001" if number else "HTTP 404")
    await operators.look()
    (text,) = operators.told
    assert "3 条消息" in text
    assert "failed: errcode 300001：2 条" in text
    assert "failed: HTTP 404：1 条" in text
    assert "dingda dead list" in text
    assert WORDS not in text
    assert "测试群" not in text


async def test_nothing_is_told_twice(redis: Redis, operators: Operators) -> None:
    await dies(redis, "one")
    for _ in range(3):
        await operators.look()
        await operators.wait()
    assert len(operators.told) == 1


async def test_one_that_died_since_is_told_of_by_itself(redis: Redis, operators: Operators) -> None:
    await dies(redis, "one")
    await operators.look()
    await dies(redis, "two")
    await operators.wait()
    await operators.look()
    assert ["1 条消息" in text for text in operators.told] == [True, True]


async def test_between_two_messages_there_is_a_minute(redis: Redis, operators: Operators) -> None:
    await dies(redis, "one")
    await operators.look()
    await dies(redis, "two")
    await operators.look()
    await operators.wait(PAUSE_MS - 5_000)
    await operators.look()
    assert len(operators.told) == 1
    await operators.wait(5_000)
    await operators.look()
    assert len(operators.told) == 2


async def test_one_that_died_a_moment_ago_is_left_to_the_operators(
    redis: Redis, operators: Operators
) -> None:
    await dies(redis, "one")
    await operators.look(after_s=60)
    assert operators.told == []


async def test_one_that_was_retried_or_dropped_in_time_is_not_told_of(
    redis: Redis, operators: Operators
) -> None:
    await redis.zrem(KEYS.dead, await dies(redis, "one"))
    await operators.look()
    assert operators.told == []


async def test_of_many_workers_one_tells(redis: Redis, operators: Operators) -> None:
    for number in range(5):
        await dies(redis, f"msg{number}")
    await asyncio.gather(*(operators.look() for _ in range(20)))
    assert len(operators.told) == 1


async def test_a_worker_that_dies_while_it_tells_has_told(
    redis: Redis, operators: Operators
) -> None:
    await dies(redis, "one")
    assert await claim_untold(redis, QUEUE, after_s=0)
    await operators.wait()
    await operators.look()
    assert operators.told == []


async def test_what_could_not_be_told_is_told_later_with_what_died_since(
    redis: Redis, operators: Operators
) -> None:
    await dies(redis, "one")
    operators.why_not = "not connected: ConnectionRefusedError"
    await operators.look()
    await dies(redis, "two")
    operators.why_not = ""
    await operators.look()
    assert operators.told == []
    await operators.wait()
    await operators.look()
    (text,) = operators.told
    assert "2 条消息" in text


async def test_each_failure_in_a_row_doubles_the_pause_up_to_an_hour(
    redis: Redis, operators: Operators, caplog: pytest.LogCaptureFixture
) -> None:
    await dies(redis, "one")
    operators.why_not = "errcode 310000"
    for _ in range(9):
        await operators.look()
        await operators.wait(3_600_000)
    pauses = [record.args[-1] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    operators.why_not = ""
    await operators.look()
    assert await redis.hget(KEYS.alerts, "failures") is None


async def test_a_claim_that_another_has_taken_over_is_not_given_back(
    redis: Redis, operators: Operators
) -> None:
    await dies(redis, "one")

    async def tells_meanwhile(_: str) -> str:
        await dies(redis, "two")
        await operators.wait()
        await operators.look()
        return "not connected"

    await tell_of_dead_letters(redis, QUEUE, tells_meanwhile, after_s=0)
    await operators.wait(3_600_000)
    await operators.look()
    assert ["1 条消息" in text for text in operators.told] == [True]


async def test_a_hundred_thousand_cost_no_more_than_their_number(
    redis: Redis, operators: Operators
) -> None:
    await redis.zadd(KEYS.dead, {f"{number:064x}": number + 1 for number in range(100_000)})
    await operators.look()
    (text,) = operators.told
    assert "100000 条消息" in text
    assert "还有别的原因" in text


async def test_a_record_that_is_spoilt_is_counted_all_the_same(
    redis: Redis, operators: Operators
) -> None:
    await redis.set(KEYS.message("a" * 64), "x")
    await redis.zadd(KEYS.dead, {"a" * 64: 1})
    await operators.look()
    assert len(operators.told) == 1


def test_a_worker_tells_a_custom_robot_and_signs(server: Valkey) -> None:
    with server.client() as client:
        client.flushall()
    with SessionWebhook() as dingtalk, gateway(server.url) as (_, address):
        settings = {
            "DINGDA_SKILLS": "dingda.worker.skills.demo",
            "DINGDA_ALERT_WEBHOOK": f"{dingtalk.origin}/robot/send?access_token=t0ken-canary",
            "DINGDA_ALERT_SECRET": "SEC-canary",
            "DINGDA_ALERT_AFTER": "0",
            "DINGDA_LOG_LEVEL": "DEBUG",
        }
        with worker(server.url, dingtalk.origin, **settings) as works:
            origin_of_nobody = {"sessionWebhook": "https://elsewhere.example/?session=x"}
            post_callback(address, a_callback("text", **origin_of_nobody))
            works.wait_for("told the operators of 1 dead letter", within_s=30)
    (post,) = dingtalk.posts
    assert post.path.startswith("/robot/send?access_token=t0ken-canary&timestamp=")
    assert "&sign=" in post.path
    assert post.payload["msgtype"] == "text"
    assert "1 条消息" in post.payload["text"]["content"]
    assert "canary" not in works.output
