"""Flood limits: who sends too much is told once a minute, and keeps nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import fakeredis
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.worker.answering.rate_limit import RateDecision, RateLimiter
from tests.support.builders import a_message

PASS, WARN, DROP = RateDecision.PASS, RateDecision.WARN, RateDecision.DROP
Limited = Callable[..., RateLimiter]


@pytest.fixture
async def redis() -> AsyncIterator[fakeredis.FakeAsyncRedis]:
    async with fakeredis.FakeAsyncRedis(decode_responses=True) as redis:
        yield redis


@pytest.fixture
def limited(redis: fakeredis.FakeAsyncRedis) -> Limited:
    def limited(now_s: Callable[[], float] = lambda: 0.0, **limits: Any) -> RateLimiter:
        given = {"per_sender": 0, "per_conversation": 0} | limits
        return RateLimiter(redis, prefix="dingda", now_s=now_s, **given)

    return limited


async def test_the_first_one_too_many_is_told_and_the_rest_dropped(limited: Limited) -> None:
    rate_limiter = limited(per_sender=2)
    assert [await rate_limiter.judge(a_message()) for _ in range(5)] == [
        PASS,
        PASS,
        WARN,
        DROP,
        DROP,
    ]


async def test_exactly_one_is_told_of_many_that_come_at_once(limited: Limited) -> None:
    rate_limiter = limited(per_sender=3)
    verdicts = await asyncio.gather(*(rate_limiter.judge(a_message()) for _ in range(20)))
    assert sorted(v.name for v in verdicts) == ["DROP"] * 16 + ["PASS"] * 3 + ["WARN"]


async def test_somebody_else_is_not_held_back(limited: Limited) -> None:
    rate_limiter = limited(per_sender=1)
    for _ in range(3):
        await rate_limiter.judge(a_message())
    assert await rate_limiter.judge(a_message(senderStaffId="0002")) is PASS


async def test_a_conversation_has_a_limit_of_its_own(limited: Limited) -> None:
    rate_limiter = limited(per_conversation=2)
    senders = ["1", "2", "3", "4"]
    verdicts = [await rate_limiter.judge(a_message(senderStaffId=each)) for each in senders]
    assert verdicts == [PASS, PASS, WARN, DROP]
    assert await rate_limiter.judge(a_message(conversationId="cidOTHER==")) is PASS


async def test_the_next_minute_starts_a_new_count(limited: Limited) -> None:
    minute = iter([0.0, 30.0, 60.0])
    rate_limiter = limited(per_sender=1, now_s=lambda: next(minute))
    assert [await rate_limiter.judge(a_message()) for _ in range(3)] == [PASS, WARN, PASS]


async def test_a_message_that_has_waited_counts_for_the_minute_in_which_it_came(
    limited: Limited,
) -> None:
    rate_limiter = limited(per_sender=1, now_s=lambda: 130.0)
    waited_s = [80.0, 75.0, 20.0, 0.0]
    verdicts = [await rate_limiter.judge(a_message(), age_s=each) for each in waited_s]
    assert verdicts == [PASS, WARN, PASS, PASS]


async def test_without_limits_nothing_is_counted(
    limited: Limited, redis: fakeredis.FakeAsyncRedis
) -> None:
    assert [await limited().judge(a_message()) for _ in range(50)] == [PASS] * 50
    assert await redis.keys() == []


async def test_a_sender_without_a_staff_id_is_counted_by_sender_id(
    limited: Limited,
) -> None:
    rate_limiter = limited(per_sender=1)
    outsider: Any = {"senderStaffId": "", "senderId": "$:LWCP_v1:$outsider"}
    verdicts = [await rate_limiter.judge(a_message(**outsider)) for _ in range(3)]
    assert verdicts == [PASS, WARN, DROP]
    assert (
        await rate_limiter.judge(a_message(senderStaffId="", senderId="$:LWCP_v1:$other")) is PASS
    )


async def test_senders_without_any_id_are_not_counted_as_one_person(limited: Limited) -> None:
    rate_limiter = limited(per_sender=1)
    nobody = a_message(senderStaffId="", senderId="")
    assert [await rate_limiter.judge(nobody) for _ in range(3)] == [PASS] * 3


async def test_the_counts_name_nobody_and_do_not_stay(
    limited: Limited, redis: fakeredis.FakeAsyncRedis
) -> None:
    await limited(per_sender=1, per_conversation=1).judge(a_message(senderStaffId="canary"))
    keys: Any = await redis.keys()
    assert len(keys) == 2
    for key in keys:
        assert "canary" not in key
        assert 0 < await redis.ttl(key) <= 120


async def test_an_outage_of_redis_lets_messages_pass(
    limited: Limited, redis: fakeredis.FakeAsyncRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise RedisConnectionError("away")

    rate_limiter = limited(per_sender=1)
    monkeypatch.setattr(redis.connection_pool, "get_connection", broken)
    assert await rate_limiter.judge(a_message()) is PASS


async def test_what_is_said_to_one_robot_is_not_counted_for_another(limited: Limited) -> None:
    first, second = limited(per_sender=1, robot="ding1"), limited(per_sender=1, robot="ding2")
    assert [await each.judge(a_message()) for each in (first, second, first)] == [PASS, PASS, WARN]
