"""One message, open or ended, found by the ledger's id or by DingTalk's."""

from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.message_trace import MessageTrace, read_message
from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.ledger_harness import ANSWERED, PREPARED, LedgerHarness

FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "KeyError in the skill")
MSG_ID = "msg+/1=="
IDS = MessageFacts(msg_id=MSG_ID, robot="dingrobot", sender="0001", conversation="cidAAAA==")


@pytest.fixture
def message() -> Message:
    return a_message(msgId=MSG_ID)


async def accept(harness: LedgerHarness, message: Message, **fields: Any) -> None:
    body = a_callback(**{"msgId": MSG_ID, **fields})
    await harness.ledger.accept([(message, body)], backlog_limit=10)


async def trace(harness: LedgerHarness, wanted: str) -> MessageTrace | None:
    return await read_message(harness.redis, harness.queue, wanted)


async def end(harness: LedgerHarness, message: Message, completion: Completion) -> None:
    lease = await harness.lease(message)
    await harness.ledger.claim_send(lease)
    facts = MessageFacts.of(message, skill="weather").to_json()
    await harness.ledger.finish(lease, completion, facts=facts)


def wanted_of(message: Message) -> dict[str, str]:
    return {"id": message.id, "prefix": message.id[:8], "msgId": MSG_ID}


by = pytest.mark.parametrize("by", ["id", "prefix", "msgId"])


@by
async def test_an_open_message_is_found_with_its_ids(
    harness: LedgerHarness, message: Message, by: str
) -> None:
    await accept(harness, message)
    found = await trace(harness, wanted_of(message)[by])
    assert found is not None
    assert (found.id, found.timeline.state, found.facts) == (message.id, "accepted", IDS)


@by
async def test_a_message_that_waits_for_another_attempt_is_found_with_what_was_noted(
    harness: LedgerHarness, message: Message, by: str
) -> None:
    await accept(harness, message)
    facts = MessageFacts.of(message, skill="weather")
    await harness.ledger.retry(
        await harness.lease(message), pause_ms=5_000, prepared=PREPARED, facts=facts.to_json()
    )
    found = await trace(harness, wanted_of(message)[by])
    assert found is not None
    assert (found.timeline.state, found.facts, found.delivery_attempts) == ("accepted", facts, 1)
    assert found.timeline.retry_at_ms is not None


@by
@pytest.mark.parametrize("completion", [ANSWERED, FAILED])
@pytest.mark.parametrize("forgotten", [False, True])
async def test_an_ended_message_is_found_also_when_its_record_is_gone(
    harness: LedgerHarness, message: Message, completion: Completion, by: str, *, forgotten: bool
) -> None:
    await accept(harness, message)
    await end(harness, message, completion)
    if forgotten:
        kept: Any = await harness.redis.hgetall(KEYS.message(message.id))
        await harness.redis.delete(KEYS.message(message.id))
    found = await trace(harness, wanted_of(message)[by])
    assert found is not None
    assert (found.id, found.timeline.state) == (message.id, completion.outcome)
    assert found.timeline.reason == completion.full_reason
    assert (found.facts.skill, found.facts.sender) == ("weather", "0001")
    assert (found.delivery_attempts, found.timeline.lease_count) == (1, 1)
    assert None not in (found.timeline.leased_ms, found.timeline.sending_ms)
    if forgotten:
        await harness.redis.hset(KEYS.message(message.id), mapping=kept)


@by
async def test_a_dead_letter_is_found_when_the_journal_has_lost_it(
    harness: LedgerHarness, message: Message, by: str
) -> None:
    await accept(harness, message)
    await end(harness, message, FAILED)
    await harness.redis.delete(KEYS.journal)
    found = await trace(harness, wanted_of(message)[by])
    assert found is not None
    assert (found.timeline.reason, found.facts.skill) == (FAILED.full_reason, "weather")


async def test_of_a_message_that_only_its_state_is_left_of_that_is_told(
    harness: LedgerHarness, message: Message
) -> None:
    await accept(harness, message)
    await end(harness, message, ANSWERED)
    await harness.redis.delete(KEYS.journal, KEYS.message(message.id))
    found = await trace(harness, message.id)
    assert found is not None
    assert (found.timeline.state, found.facts) == ("answered", MessageFacts())


async def test_a_revived_message_is_open_whatever_the_journal_says(
    harness: LedgerHarness, message: Message
) -> None:
    await accept(harness, message)
    await end(harness, message, FAILED)
    await harness.admin.retry_dead_letter(message.id)
    found = await trace(harness, message.id)
    assert found is not None
    assert (found.timeline.state, found.facts) == ("accepted", IDS)


@pytest.mark.parametrize("wanted", ["", "abc", "abcd", "f" * 64, "msgBBBB==", "*", "\n"])
async def test_nothing_is_found_of_what_is_not_there(
    harness: LedgerHarness, message: Message, wanted: str
) -> None:
    await accept(harness, message)
    assert await trace(harness, wanted) is None


async def test_two_messages_that_fit_are_none(harness: LedgerHarness, message: Message) -> None:
    """Two robots that are mentioned in one message share DingTalk's id of it."""
    other = a_message(msgId=MSG_ID, robotCode="other")
    await accept(harness, message)
    await accept(harness, other, robotCode="other")
    assert await trace(harness, MSG_ID) is None
    assert await trace(harness, message.id) is not None


async def test_records_of_another_type_are_passed_over(
    harness: LedgerHarness, message: Message
) -> None:
    await accept(harness, message)
    await harness.redis.zadd(KEYS.dead, {"f" * 64: 1})
    await harness.redis.set(KEYS.message("f" * 64), "foreign")
    found = await trace(harness, MSG_ID)
    assert found is not None
    assert found.id == message.id
    assert await trace(harness, "f" * 64) is None
    await harness.redis.delete(KEYS.message("f" * 64))
