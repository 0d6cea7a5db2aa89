"""Records in Redis that a foreign hand has spoilt, on a real server: they hold up nobody else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.histograms import Stage
from dingda.shared.ledger.journal import read_journal
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.message_trace import read_message
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome, PreparedReply
from dingda.shared.ledger.timeline import read_timelines
from dingda.shared.queue import JobQueue, job_id_of, message_of_job
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from dingda.worker.operations.cluster_state import read_cluster_state
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import Valkey, valkey

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
SPOILT, HEALTHY = a_message(msgId="spoilt"), a_message(msgId="healthy")
KEY = KEYS.message(SPOILT.id)
FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "KeyError in the skill")
Spoil = Callable[[Redis], Awaitable[Any]]


def field(name: str, value: str | bytes) -> Spoil:
    return lambda redis: redis.hset(KEY, name, value)


def without(*names: str) -> Spoil:
    return lambda redis: redis.hdel(KEY, *names)


def replaced(*command: str) -> Spoil:
    async def spoil(redis: Redis) -> None:
        await redis.delete(KEY)
        await redis.execute_command(*command)  # type: ignore[no-untyped-call]

    return spoil


ENDS: dict[str, Spoil] = {
    "no expiry": without("expires_ms"),
    "no payload": without("payload"),
    "no state": without("state"),
    "an unknown state": field("state", "lost"),
    "an empty expiry": field("expires_ms", ""),
    "words for an expiry": field("expires_ms", "tomorrow"),
    "an expiry that is no number": field("expires_ms", "nan"),
    "an endless expiry": field("expires_ms", "inf"),
    "an expiry beyond all numbers": field("expires_ms", "9" * 400),
    "a negative expiry": field("expires_ms", "-5"),
    "a string": replaced("SET", KEY, "x"),
    "a list": replaced("RPUSH", KEY, "x"),
    "a set": replaced("SADD", KEY, "x"),
    "a sorted set": replaced("ZADD", KEY, "1", "x"),
    "a hash of something else": replaced("HSET", KEY, "name", "value", "payload", "{}"),
}
"""What leaves nothing to answer: the message ends as a dead letter."""
GOES_ON: dict[str, Spoil] = {
    "words for the deaths": field("deaths", "x"),
    "words for the leases": field("leases", "x"),
    "words for the attempts": field("attempts", "x"),
    "words for the pause": field("not_before_ms", "soon"),
    "words for its age": field("accepted_ms", "x"),
    "a prepared reply that is no JSON": field("prepared", "{"),
    "a prepared reply of another shape": field("prepared", "[1]"),
    "failures that are no JSON": field("failures", "{"),
    "failures that are no counts": field("failures", '{"busy": "x"}'),
    "failures beyond counting": field("failures", '{"busy": 1e999}'),
    "failures of another shape": field("failures", "[1]"),
    "a payload that is no UTF-8": field("payload", b"\xff\xfe"),
    "a payload that is no JSON": field("payload", "{"),
}
"""What the message can be leased with all the same: its worker decides what becomes of it."""


def by_name(spoils: dict[str, Spoil]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spoil", spoils.values(), ids=spoils)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
async def redis(server: Valkey) -> AsyncIterator[Redis]:
    client = create_worker_redis(RedisAddress(server.url))
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def ledger(redis: Redis) -> Ledger:
    """A ledger with two messages in it, both off the queue and overdue."""
    ledger = Ledger(redis, QUEUE, handover_ms=0)
    await ledger.accept(
        [(SPOILT, a_callback(msgId="spoilt")), (HEALTHY, a_callback(msgId="healthy"))],
        backlog_limit=10,
    )
    await redis.delete(QUEUE.keys[1])
    await ledger.sweep()  # hands both over
    return ledger


@pytest.fixture
async def admin(ledger: Ledger, redis: Redis) -> LedgerAdmin:  # noqa: ARG001 - with its messages
    return LedgerAdmin(redis, QUEUE)


async def reason(admin: LedgerAdmin) -> str:
    (letter,) = await admin.dead_letters()
    assert letter.id == SPOILT.id
    return letter.reason


@by_name(ENDS)
async def test_a_sweep_ends_what_is_spoilt_and_enqueues_the_others(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin, spoil: Spoil
) -> None:
    await spoil(redis)
    assert await ledger.sweep() == 1
    assert await redis.lrange(QUEUE.keys[1], 0, -1) == [f"{HEALTHY.id}-3"]
    assert await reason(admin) in ("failed: its record is spoilt", "expired")
    assert (await admin.counts()).open == 1
    assert await redis.zcard(KEYS.due) == 0


@by_name(ENDS)
async def test_a_lease_ends_what_is_spoilt(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin, spoil: Spoil
) -> None:
    await spoil(redis)
    refused, granted = await asyncio.gather(ledger.lease(SPOILT.id), ledger.lease(HEALTHY.id))
    assert refused in ("spoilt", "expired")
    assert isinstance(granted, Lease)
    assert await reason(admin) in ("failed: its record is spoilt", "expired")


@by_name(GOES_ON)
async def test_a_message_that_can_still_be_answered_is_leased_and_retried_and_ends(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin, spoil: Spoil
) -> None:
    await spoil(redis)
    lease, other = await asyncio.gather(ledger.lease(SPOILT.id), ledger.lease(HEALTHY.id))
    assert isinstance(lease, Lease)
    assert isinstance(other, Lease)
    await ledger.renew(lease)
    await ledger.claim_send(lease)
    await ledger.retry(lease, pause_ms=0, prepared=PreparedReply(b"{}", FAILED), kinds=("busy",))
    again = await ledger.lease(SPOILT.id)
    assert isinstance(again, Lease)
    await ledger.finish(again, FAILED)
    assert await reason(admin) == FAILED.full_reason


@by_name(ENDS)
async def test_a_record_spoilt_during_a_lease_still_comes_to_an_end(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin, spoil: Spoil
) -> None:
    assert isinstance(await ledger.lease(SPOILT.id), Lease)
    await spoil(redis)
    await redis.zadd(KEYS.due, {SPOILT.id: 1})
    await ledger.sweep()
    assert (await admin.counts()).open == 1


@by_name(ENDS | GOES_ON)
async def test_a_line_goes_on_although_a_record_in_it_is_spoilt(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin, spoil: Spoil
) -> None:
    first, other = await ledger.lease(HEALTHY.id), await ledger.lease(SPOILT.id)
    assert isinstance(first, Lease)
    assert isinstance(other, Lease)
    await spoil(redis)
    with suppress(LeaseLostError):
        await ledger.park(first)
    with suppress(LeaseLostError):
        await ledger.park(other)
    await redis.zadd(KEYS.due, {SPOILT.id: 1, HEALTHY.id: 1})
    await ledger.sweep()
    for _ in range(2):
        lease = await ledger.lease(HEALTHY.id)
        if isinstance(lease, Lease):
            await ledger.finish(lease, Completion(Outcome.ANSWERED))
    assert (await admin.counts()).answered == 1


async def test_deaths_are_counted_although_their_number_was_spoilt(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await redis.hset(KEY, "deaths", "x")
    for _ in range(3):
        assert isinstance(await ledger.lease(SPOILT.id), Lease)
        await redis.zadd(KEYS.due, {SPOILT.id: 1})
        await ledger.sweep()
    assert await reason(admin) == "failed: workers died over it"


@by_name(ENDS | GOES_ON)
async def test_a_record_that_is_spoilt_accepts_nobody_else_twice_and_stops_no_acceptance(
    redis: Redis, ledger: Ledger, spoil: Spoil
) -> None:
    await spoil(redis)
    third = a_message(msgId="third")
    pairs = [(SPOILT, b"{}"), (third, a_callback(msgId="third"))]
    outcomes = await ledger.accept(pairs, backlog_limit=10)
    assert [str(outcome) for outcome in outcomes] == ["duplicate", "accepted"]


@by_name(ENDS | GOES_ON)
async def test_a_record_that_is_spoilt_is_listed_and_stops_no_listing(
    redis: Redis, admin: LedgerAdmin, spoil: Spoil
) -> None:
    await spoil(redis)
    await redis.zadd(KEYS.dead, {SPOILT.id: 5, "nobody\n": 6})
    await redis.rpush(KEYS.dead_letter_payload(SPOILT.id), "x")
    await redis.rpush(QUEUE.keys[1], f"{SPOILT.id}-1")
    await redis.hset(KEYS.count, "dead:failed", "x")
    assert {letter.id for letter in await admin.dead_letters()} == {SPOILT.id, "nobody\n"}
    assert (await read_cluster_state(redis, admin, QUEUE)).queued == 1
    timelines = await read_timelines(redis, QUEUE, [SPOILT.id, HEALTHY.id])
    assert timelines[1] is not None
    await admin.retry_dead_letter(SPOILT.id)


async def test_a_spoilt_record_is_named_once_and_escaped(
    redis: Redis, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    planted = "forged\n2026-01-01 ERROR all is lost\x1b[2J"
    await redis.hset(KEYS.message(planted), mapping={"state": "accepted", "payload": "{}"})
    await redis.zadd(KEYS.due, {planted: 1, "gone": 1})
    for _ in range(3):
        await ledger.sweep()
    named = [record.getMessage() for record in caplog.records if "spoilt" in record.getMessage()]
    assert len(named) == 1
    assert r"forged\n2026-01-01 ERROR all is lost\x1b[2J" in named[0]
    assert named[0].isprintable()


@pytest.mark.parametrize(
    "key", [KEYS.queued, KEYS.count, *QUEUE.keys], ids=["queued", "count", "queues", "queue"]
)
async def test_a_key_of_another_type_leaves_no_message_half_accepted(
    redis: Redis, ledger: Ledger, key: str
) -> None:
    third = a_message(msgId="third")
    await redis.delete(key)
    await redis.set(key, "foreign")
    with pytest.raises(ResponseError):
        await ledger.accept([(third, a_callback(msgId="third"))], backlog_limit=10)
    assert not await redis.exists(KEYS.message(third.id))


async def test_a_foreign_value_in_the_place_of_the_histograms_stops_no_end_and_is_removed(
    redis: Redis, ledger: Ledger, admin: LedgerAdmin
) -> None:
    await redis.set(KEYS.histograms, "foreign")
    first, second = await ledger.lease(SPOILT.id), await ledger.lease(HEALTHY.id)
    assert isinstance(first, Lease)
    assert isinstance(second, Lease)
    await ledger.finish(first, FAILED)
    assert (await admin.histograms())[Stage.TOTAL].count == 0
    await ledger.sweep()
    await ledger.finish(second, Completion(Outcome.ANSWERED))
    assert (await admin.counts()).open == 0
    assert (await admin.histograms())[Stage.TOTAL].count == 1


async def test_a_foreign_value_in_the_place_of_the_journal_stops_no_end_and_is_removed(
    redis: Redis, admin: LedgerAdmin
) -> None:
    ledger = Ledger(redis, QUEUE, journal=10)
    await redis.set(KEYS.journal, "foreign")
    first, second = await ledger.lease(SPOILT.id), await ledger.lease(HEALTHY.id)
    assert isinstance(first, Lease)
    assert isinstance(second, Lease)
    await ledger.finish(first, FAILED)
    assert await read_journal(redis, QUEUE) == []
    await ledger.sweep()
    await ledger.finish(second, Completion(Outcome.ANSWERED))
    assert (await admin.counts()).open == 0
    assert [entry.id for entry in await read_journal(redis, QUEUE)] == [HEALTHY.id]


@by_name(ENDS | GOES_ON)
async def test_a_record_that_is_spoilt_is_noted_in_the_journal_and_stops_no_reading(
    redis: Redis,
    admin: LedgerAdmin,  # noqa: ARG001 - with its messages
    spoil: Spoil,
) -> None:
    ledger = Ledger(redis, QUEUE, journal=10, handover_ms=0)
    await spoil(redis)
    lease = await ledger.lease(SPOILT.id)
    if isinstance(lease, Lease):
        await ledger.finish(lease, FAILED)
    await ledger.sweep()
    (entry,) = await read_journal(redis, QUEUE)
    assert (entry.id, entry.outcome) == (SPOILT.id, Outcome.DEAD)
    assert await read_message(redis, QUEUE, SPOILT.id) is not None


async def test_ids_that_are_no_utf8_stop_no_reading_of_the_journal(
    redis: Redis,
    admin: LedgerAdmin,  # noqa: ARG001 - with its messages
) -> None:
    ledger = Ledger(redis, QUEUE, journal=10)
    payload = b'{"msgId": "\xff\xfe", "senderStaffId": "0001"}'
    await redis.hset(KEY, mapping={"payload": payload, "expires_ms": "1"})
    assert await ledger.lease(SPOILT.id) == "expired"
    (entry,) = await read_journal(redis, QUEUE)
    assert entry.facts.sender == "0001"


async def test_the_journal_keeps_about_to_its_bound(redis: Redis, ledger: Ledger) -> None:
    lease = await ledger.lease(HEALTHY.id)
    assert isinstance(lease, Lease)
    async with redis.pipeline(transaction=False) as pipeline:
        for _ in range(2_000):
            pipeline.xadd(KEYS.journal, {"id": "0" * 64, "facts": "x" * 300})
        await pipeline.execute()
    await Ledger(redis, QUEUE, journal=1_000).finish(lease, FAILED)
    # Redis removes whole nodes, of a hundred entries at the most.
    assert 1_000 <= await redis.xlen(KEYS.journal) <= 1_100


async def test_a_foreign_value_in_the_place_of_a_job_stops_no_other_message_and_its_own_goes_on(
    redis: Redis, ledger: Ledger
) -> None:
    third, fourth = a_message(msgId="third"), a_message(msgId="fourth")
    numbers: Any = await redis.hget(KEYS.count, "enqueued")
    await redis.set(QUEUE.job_key(job_id_of(third.id, int(numbers) + 1)), "foreign")
    pairs = [(third, a_callback(msgId="third")), (fourth, a_callback(msgId="fourth"))]
    outcomes = await ledger.accept(pairs, backlog_limit=10)
    assert [str(outcome) for outcome in outcomes] == ["accepted", "accepted"]
    assert await redis.hget(QUEUE.job_key(job_id_of(fourth.id, int(numbers) + 2)), "data")
    await redis.delete(QUEUE.keys[1])  # a worker takes both jobs, and cannot read the first
    await ledger.sweep()
    await ledger.sweep()
    queued: Any = await redis.lrange(QUEUE.keys[1], 0, -1)
    assert third.id in map(message_of_job, queued)
