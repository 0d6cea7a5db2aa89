"""The journal: what is known of the messages that ended last, written where each one ends."""

import json
from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.facts import BackendCall, MessageFacts, read_facts
from dingda.shared.ledger.journal import JournalEntry, read_journal
from dingda.shared.ledger.ledger import MAX_DEATHS, Ledger
from dingda.shared.ledger.states import Completion, Lease, Outcome
from dingda.shared.ledger.times import JOURNAL_MS
from dingda.shared.queue import job_id_of
from tests.support.builders import KEYS, a_callback, a_message, now_ms
from tests.support.ledger_harness import ANSWERED, COMPLETIONS, LONG, PREPARED, LedgerHarness

CALL = BackendCall("api.open-meteo.com", "200", 123)
NOTED = MessageFacts(
    msg_id="msgAAAA==",
    robot="dingrobot",
    sender="0001",
    conversation="cidAAAA==",
    skill="weather",
    arguments={"place": "Place", "day": "Day"},
    calls=(CALL, BackendCall("库存", "TimeoutError", 8000)),
    error="KeyError",
    place="/app/acme/weather.py:12 in forecast",
)
IDS = MessageFacts(msg_id="msgAAAA==", robot="dingrobot", sender="0001", conversation="cidAAAA==")


async def journal(harness: LedgerHarness, **wanted: Any) -> list[JournalEntry]:
    return await read_journal(harness.redis, harness.queue, **wanted)


async def only_entry(harness: LedgerHarness) -> JournalEntry:
    (entry,) = await journal(harness)
    return entry


async def only_row(harness: LedgerHarness) -> dict[Any, Any]:
    """The fields of the only entry as they are stored."""
    rows: Any = await harness.redis.xrange(KEYS.journal)
    ((_, fields),) = rows
    return dict(fields)


async def accepted(harness: LedgerHarness, message: Message, **fields: Any) -> None:
    """Accept a message with the body that it was read from."""
    await harness.ledger.accept([(message, a_callback(**fields))], backlog_limit=10)


async def leased(harness: LedgerHarness, message: Message, **fields: Any) -> Lease:
    await accepted(harness, message, **fields)
    return await harness.lease(message)


async def finished(
    harness: LedgerHarness, completion: Completion = ANSWERED, **facts: Any
) -> Message:
    message = a_message(msgId=facts.get("msg_id", "msgAAAA=="))
    await harness.ledger.finish(
        await leased(harness, message), completion, facts=MessageFacts(**facts).to_json()
    )
    return message


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_every_end_is_noted_with_what_the_worker_noted(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    began_ms = now_ms()
    lease = await leased(harness, message)
    await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, completion, facts=NOTED.to_json())
    entry = await only_entry(harness)
    assert (entry.id, entry.outcome, entry.reason, entry.detail) == (
        message.id,
        completion.outcome,
        completion.reason or "",
        completion.detail,
    )
    assert entry.facts == NOTED
    times = [entry.accepted_ms, entry.leased_ms, entry.sending_ms, entry.ended_ms]
    assert began_ms <= times[0] <= times[1] <= times[2] <= times[3] <= now_ms()  # type: ignore[operator]
    assert (entry.lease_count, entry.delivery_attempts) == (1, 1)


async def test_a_message_that_has_not_ended_is_not_noted(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await leased(harness, message)
    await harness.ledger.claim_send(lease, facts=NOTED.to_json())
    await harness.ledger.retry(lease, pause_ms=0, prepared=PREPARED, facts=NOTED.to_json())
    assert await journal(harness) == []


async def test_what_an_attempt_noted_when_it_claimed_is_there_although_its_worker_died(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.claim_send(await leased(harness, message), facts=NOTED.to_json())
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    entry = await only_entry(harness)
    assert (entry.full_reason, entry.facts) == ("unknown: the worker died while sending", NOTED)
    assert entry.delivery_attempts == 1


async def test_what_the_first_attempt_noted_is_there_when_a_later_one_delivers(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await leased(harness, message)
    await harness.ledger.retry(
        lease, pause_ms=0, prepared=PREPARED, kinds=("busy",), facts=NOTED.to_json()
    )
    second = await harness.lease(message)
    await harness.ledger.claim_send(second)
    await harness.ledger.finish(second, ANSWERED)
    entry = await only_entry(harness)
    assert (entry.facts, entry.delivery_attempts, entry.lease_count) == (NOTED, 2, 2)


async def test_what_was_noted_at_the_first_part_is_there_after_the_last(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await leased(harness, message)
    await harness.ledger.claim_send(lease, facts=NOTED.to_json())
    lease = await harness.ledger.next_part(lease, LONG.next)
    await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, ANSWERED)
    assert (await only_entry(harness)).facts == NOTED


@pytest.mark.parametrize("by", ["lease", "sweep"])
async def test_a_message_that_expires_is_noted_with_its_ids(
    harness: LedgerHarness, message: Message, by: str
) -> None:
    await accepted(harness, message)
    await harness.end_session(message)
    if by == "lease":
        assert await harness.ledger.lease(message.id) == "expired"
    else:
        await harness.redis.zadd(KEYS.due, {message.id: 0})
        await harness.ledger.sweep()
    entry = await only_entry(harness)
    assert (entry.outcome, entry.reason, entry.facts) == (Outcome.DEAD, "expired", IDS)
    assert (entry.leased_ms, entry.worker, entry.delivery_attempts) == (None, "", 0)


async def test_a_message_that_kills_its_workers_is_noted_with_the_last_of_them(
    harness: LedgerHarness, message: Message
) -> None:
    await accepted(harness, message)
    for _ in range(MAX_DEATHS):
        await harness.lease(message)
        job_id = job_id_of(message.id, (await harness.stored(message))["job"])
        await harness.redis.hset(harness.queue.job_key(job_id), "worker_name", "w1")
        await harness.redis.hdel(KEYS.message(message.id), "not_before_ms")
        await harness.make_overdue(message)
        await harness.ledger.sweep()
        if await harness.redis.zscore(KEYS.due, message.id) is not None:  # its last chance rests
            await harness.redis.hdel(KEYS.message(message.id), "not_before_ms")
            await harness.make_overdue(message)
            await harness.ledger.sweep()
    entry = await only_entry(harness)
    assert (entry.full_reason, entry.worker) == ("failed: workers died over it", "w1")
    assert entry.facts == IDS


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        "[1]",
        "null",
        '"x"',
        "[" * 5000,
        '{"msgId": 5, "senderStaffId": [], "robotCode": {}}',
    ],
)
async def test_a_body_that_cannot_be_read_leaves_the_ids_out_and_stops_nothing(
    harness: LedgerHarness, message: Message, payload: str
) -> None:
    await accepted(harness, message)
    await harness.redis.hset(KEYS.message(message.id), "payload", payload)
    await harness.end_session(message)
    assert await harness.ledger.lease(message.id) == "expired"
    assert (await only_entry(harness)).facts == MessageFacts()


async def test_a_sender_without_a_staff_id_is_noted_by_the_encrypted_one(
    harness: LedgerHarness,
) -> None:
    message = a_message(senderStaffId="")
    await accepted(harness, message, senderStaffId="")
    await harness.end_session(message)
    await harness.ledger.lease(message.id)
    entry = await only_entry(harness)
    assert entry.facts.sender == "$:LWCP_v1:$u0" == MessageFacts.of(message).sender


async def test_an_id_that_is_too_long_is_left_out(harness: LedgerHarness, message: Message) -> None:
    await accepted(harness, message, senderStaffId="0" * 5000)
    await harness.end_session(message)
    await harness.ledger.lease(message.id)
    assert (await only_entry(harness)).facts.sender == "$:LWCP_v1:$u0"


async def test_nothing_that_was_written_is_in_the_journal(
    harness: LedgerHarness, message: Message
) -> None:
    body = a_callback("我的绩效", senderNick="王小明", conversationTitle="秘密项目")
    await harness.ledger.accept([(message, body)], backlog_limit=10)
    await harness.end_session(message)
    await harness.ledger.lease(message.id)
    stored = str(await harness.redis.xrange(KEYS.journal))
    for word in ("绩效", "王小明", "秘密", "session=", json.dumps("绩效").strip('"')):
        assert word not in stored


async def test_a_revived_message_is_noted_at_each_of_its_ends(
    harness: LedgerHarness, message: Message
) -> None:
    failed = next(c for c in COMPLETIONS if c.outcome is Outcome.DEAD)
    await harness.ledger.finish(await leased(harness, message), failed, facts=NOTED.to_json())
    await harness.admin.retry_dead_letter(message.id)
    await harness.ledger.finish(await harness.lease(message), ANSWERED, facts=IDS.to_json())
    entries = await journal(harness, id_prefix=message.id)
    assert [entry.outcome for entry in entries] == [Outcome.ANSWERED, Outcome.DEAD]
    assert [entry.facts for entry in entries] == [IDS, NOTED]


async def test_a_retry_forgets_what_was_noted_of_the_dead_letter(
    harness: LedgerHarness, message: Message
) -> None:
    failed = next(c for c in COMPLETIONS if c.outcome is Outcome.DEAD)
    await harness.ledger.finish(await leased(harness, message), failed, facts=NOTED.to_json())
    await harness.admin.retry_dead_letter(message.id)
    await harness.ledger.finish(await harness.lease(message), ANSWERED)
    assert (await journal(harness))[0].facts == MessageFacts()


async def test_without_a_journal_nothing_is_noted(harness: LedgerHarness, message: Message) -> None:
    harness.ledger = Ledger(harness.redis, harness.queue)
    await harness.ledger.finish(await leased(harness, message), ANSWERED, facts=NOTED.to_json())
    assert not await harness.redis.exists(KEYS.journal)


async def test_the_sweeper_drops_what_is_older_than_a_day(harness: LedgerHarness) -> None:
    await finished(harness)
    row = await only_row(harness)
    await harness.redis.delete(KEYS.journal)
    for age_ms in (JOURNAL_MS + 60_000, JOURNAL_MS - 60_000):
        await harness.redis.xadd(KEYS.journal, row, id=f"{now_ms() - age_ms}-0")
    await harness.ledger.sweep()
    assert len(await journal(harness)) == 1


async def test_entries_are_found_by_what_is_known_of_the_message(harness: LedgerHarness) -> None:
    first = await finished(harness, msg_id="1", sender="0001", conversation="c1", skill="weather")
    second = await finished(
        harness, COMPLETIONS[3], msg_id="2", sender="0002", conversation="c1", skill="coupons"
    )
    third = await finished(harness, msg_id="3", sender="0002", conversation="c2", skill="weather")
    for wanted, found in (
        ({}, [third, second, first]),
        ({"limit": 2}, [third, second]),
        ({"limit": 0}, []),
        ({"sender": "0002"}, [third, second]),
        ({"conversation": "c1"}, [second, first]),
        ({"msg_id": "2"}, [second]),
        ({"id_prefix": first.id[:8]}, [first]),
        ({"skill": "weather"}, [third, first]),
        ({"skill": "weather", "sender": "0002"}, [third]),
        ({"outcome": "answered"}, [third, first]),
        ({"outcome": "dead"}, [second]),
        ({"outcome": "failed"}, [second]),
        ({"sender": "nobody"}, []),
        ({"since_ms": now_ms() + 60_000}, []),
        ({"until_ms": now_ms() - 60_000}, []),
        ({"since_ms": now_ms() - 60_000, "until_ms": now_ms() + 60_000}, [third, second, first]),
    ):
        entries = await journal(harness, **wanted)
        assert [entry.id for entry in entries] == [message.id for message in found], wanted


async def test_a_journal_is_read_a_part_at_a_time(harness: LedgerHarness) -> None:
    await finished(harness)
    row = await only_row(harness)
    for number in range(1200):
        await harness.redis.xadd(KEYS.journal, row | {"id": f"{number:04}"})
    entries = await journal(harness, limit=5000)
    assert [entry.id for entry in entries[:-1]] == [f"{n:04}" for n in reversed(range(1200))]


async def test_an_entry_that_cannot_be_read_is_passed_over(harness: LedgerHarness) -> None:
    message = await finished(harness)
    row = await only_row(harness)
    spoilt_rows: list[dict[Any, Any]] = [{"foreign": "x"}, row | {"state": "lost"}]
    for spoilt in spoilt_rows:
        await harness.redis.xadd(KEYS.journal, spoilt)
    await harness.redis.xadd(KEYS.journal, row | {"facts": "{", "leases": "x", "leased_ms": ""})
    first, second = await journal(harness)
    assert (first.facts, first.lease_count, first.leased_ms) == (MessageFacts(), 0, None)
    assert second.id == message.id


async def test_something_else_in_its_place_is_an_empty_journal(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.redis.set(KEYS.journal, "foreign")
    await harness.ledger.finish(await leased(harness, message), ANSWERED)
    assert await journal(harness) == []


def test_facts_are_read_as_they_were_written() -> None:
    assert read_facts(NOTED.to_json()) == NOTED
    assert MessageFacts().to_json() == "{}"


ENDLESS_CALL = f'{{"calls": [{{"host": "h", "result": "200", "took_ms": {10**400}}}]}}'


@pytest.mark.parametrize(
    "stored", [None, "", "{", "[1]", '{"calls": 5}', b"x", "9" * 5000, ENDLESS_CALL]
)
def test_facts_that_cannot_be_read_are_none(stored: object) -> None:
    assert read_facts(stored) == MessageFacts()


def test_facts_of_a_later_version_are_read_as_far_as_they_are_known() -> None:
    assert read_facts('{"skill": "weather", "mood": "good"}') == MessageFacts(skill="weather")
