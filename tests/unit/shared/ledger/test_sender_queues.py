"""One person's messages in one conversation: in order unless they overtake, none left behind."""

from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.ledger import MOST_QUEUED
from dingda.shared.ledger.states import AcceptResult, Completion, DeadReason, Lease, Outcome
from dingda.shared.ledger.times import LONGEST_SESSION_MS, LONGEST_WAIT_MS, RECHECK_MS
from tests.support.builders import KEYS, a_message
from tests.support.ledger_harness import ANSWERED, PREPARED, LedgerHarness

FIRST, SECOND, THIRD = (a_message(msgId=f"in-line-{number}") for number in range(3))
LINE = KEYS.line(FIRST.ordering_key)


async def taken(harness: LedgerHarness, *messages: Message) -> list[Lease]:
    """Accept messages, take their jobs off the queue and lease them."""
    await harness.accept(*messages)
    for _ in messages:
        await harness.pop()
    return [await harness.lease(message) for message in messages]


async def parked(harness: LedgerHarness) -> Lease:
    """Lease the first of three, and park the others; returns the first one's lease."""
    first, *others = await taken(harness, FIRST, SECOND, THIRD)
    for lease in others:
        assert await harness.ledger.park(lease)
    return first


# Who shares a line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"conversationId": "cidOTHER=="},
        {"senderId": "$:LWCP_v1:$other"},
        {"senderStaffId": "0002"},
        {"robotCode": "other"},
    ],
)
def test_another_person_conversation_or_robot_has_another_ordering_key(fields: Any) -> None:
    assert a_message(**fields).ordering_key != FIRST.ordering_key


def test_an_ordering_key_needs_no_staff_id_and_names_nobody() -> None:
    outsiders = [a_message(senderStaffId="", msgId=each) for each in "ab"]
    assert len({each.ordering_key for each in outsiders}) == 1
    assert "$" not in outsiders[0].ordering_key


def test_a_sender_without_any_id_has_no_ordering_key() -> None:
    assert a_message(senderStaffId="", senderId="").ordering_key == ""


# Order --------------------------------------------------------------------------------------


async def test_a_lease_says_whether_its_message_is_the_first(harness: LedgerHarness) -> None:
    leases = await taken(harness, FIRST, SECOND)
    assert [lease.is_first for lease in leases] == [True, False]


async def test_another_persons_message_is_the_first_of_its_own_queue(
    harness: LedgerHarness,
) -> None:
    leases = await taken(harness, FIRST, a_message(msgId="other", senderId="$:LWCP_v1:$other"))
    assert [lease.is_first for lease in leases] == [True, True]


async def test_a_message_of_nobody_waits_for_none(harness: LedgerHarness) -> None:
    nobody: Any = {"senderId": "", "senderStaffId": ""}
    leases = await taken(harness, *(a_message(msgId=each, **nobody) for each in "ab"))
    assert [lease.is_first for lease in leases] == [True, True]


async def test_a_parked_message_is_on_no_queue_until_the_one_before_it_ends(
    harness: LedgerHarness,
) -> None:
    first = await parked(harness)
    assert await harness.waiting() == []
    await harness.ledger.finish(first, ANSWERED)
    assert await harness.waiting() == [SECOND.id]
    second = await harness.lease(SECOND)
    assert (second.is_first, second.was_put_back, second.delivery_attempt) == (True, True, 1)
    await harness.ledger.finish(second, ANSWERED)
    assert await harness.waiting() == [SECOND.id, THIRD.id]


async def test_a_message_whose_turn_has_come_meanwhile_is_not_parked(
    harness: LedgerHarness,
) -> None:
    first, second = await taken(harness, FIRST, SECOND)
    await harness.ledger.finish(first, ANSWERED)
    assert not await harness.ledger.park(second)
    await harness.ledger.renew(second)


async def test_parking_ends_a_lease_and_is_no_attempt(harness: LedgerHarness) -> None:
    _, second = await taken(harness, FIRST, SECOND)
    await harness.ledger.park(second)
    with pytest.raises(LeaseLostError):
        await harness.ledger.renew(second)
    with pytest.raises(LeaseLostError):
        await harness.ledger.park(second)
    assert (await harness.stored(SECOND))["leases"] == "0"


async def test_a_message_that_overtakes_does_not_free_those_behind_the_first(
    harness: LedgerHarness,
) -> None:
    await taken(harness, FIRST)
    await harness.accept(SECOND, THIRD)
    await harness.ledger.park(await harness.lease(SECOND))
    await harness.ledger.finish(await harness.lease(THIRD), ANSWERED)
    assert SECOND.id not in (await harness.waiting())[2:]
    assert (await harness.stored(SECOND))["turn"] == "waiting"


# A flood ------------------------------------------------------------------------------------

FLOOD = [a_message(msgId=f"flood-{number}") for number in range(MOST_QUEUED + 5)]
OTHER = a_message(msgId="other", senderId="$:LWCP_v1:$other")


async def test_of_one_senders_flood_only_so_many_are_before_anothers_message(
    harness: LedgerHarness,
) -> None:
    await harness.accept(*FLOOD, OTHER)
    on_queue = [message.id for message in (*FLOOD[:MOST_QUEUED], OTHER)]
    assert await harness.waiting() == on_queue
    await harness.accept(a_message(msgId="later"))
    assert await harness.waiting() == on_queue


async def test_a_flood_is_answered_one_by_one_in_its_order(harness: LedgerHarness) -> None:
    await harness.accept(*FLOOD)
    answered = list[str]()
    while await harness.pop():
        message = FLOOD[len(answered)]
        lease = await harness.lease(message)
        assert lease.is_first
        await harness.ledger.finish(lease, ANSWERED)
        answered.append(message.id)
        assert len(await harness.waiting()) <= MOST_QUEUED
    assert answered == [message.id for message in FLOOD]
    assert not await harness.redis.exists(LINE, KEYS.resting)
    await harness.check_the_invariant()


async def test_what_was_parked_at_once_has_not_been_put_back_and_is_counted_by_the_rate_limit(
    harness: LedgerHarness,
) -> None:
    await harness.accept(*FLOOD)
    for message in FLOOD[:MOST_QUEUED]:
        await harness.ledger.finish(await harness.lease(message), ANSWERED)
    assert not (await harness.lease(FLOOD[MOST_QUEUED])).was_put_back


async def test_what_was_parked_at_once_counts_as_waiting(harness: LedgerHarness) -> None:
    await harness.accept(*FLOOD)
    (full,) = await harness.accept(OTHER, backlog_limit=len(FLOOD))
    assert full is AcceptResult.FULL


async def test_messages_that_ended_without_leaving_their_queue_are_no_flood(
    harness: LedgerHarness,
) -> None:
    ended = {f"ended-{number}": number - MOST_QUEUED for number in range(MOST_QUEUED)}
    await harness.redis.zadd(LINE, ended)
    await harness.accept(FIRST)
    assert await harness.waiting() == [FIRST.id]


async def test_what_was_parked_at_once_is_found_again_when_its_queue_is_gone(
    harness: LedgerHarness,
) -> None:
    await harness.accept(*FLOOD)
    await harness.redis.delete(LINE, "rq:queue:dingda")
    await harness.make_overdue(FLOOD[-1])
    await harness.ledger.sweep()
    assert await harness.waiting() == [FLOOD[-1].id]


# Whoever leaves gives the next its turn -----------------------------------------------------


@pytest.mark.parametrize(
    "completion", [Completion(Outcome.DECLINED), Completion(Outcome.DEAD, DeadReason.FAILED, "x")]
)
async def test_every_end_gives_the_next_its_turn(
    harness: LedgerHarness, completion: Completion
) -> None:
    await harness.ledger.finish(await parked(harness), completion)
    assert await harness.waiting() == [SECOND.id]


async def test_a_long_rest_lets_later_messages_pass(harness: LedgerHarness) -> None:
    first = await parked(harness)
    await harness.ledger.retry(first, pause_ms=LONGEST_WAIT_MS + 1, prepared=PREPARED)
    assert await harness.waiting() == [SECOND.id]


async def test_a_short_rest_keeps_its_place(harness: LedgerHarness) -> None:
    first = await parked(harness)
    await harness.ledger.retry(first, pause_ms=LONGEST_WAIT_MS, prepared=PREPARED)
    assert await harness.waiting() == []


async def test_a_released_message_keeps_its_place(harness: LedgerHarness) -> None:
    await harness.ledger.release(await parked(harness))
    await harness.make_overdue(FIRST)
    await harness.ledger.sweep()
    assert await harness.waiting() == [FIRST.id]
    assert (await harness.lease(FIRST)).is_first


async def test_a_dead_workers_message_keeps_its_place_and_is_taken_over(
    harness: LedgerHarness,
) -> None:
    await parked(harness)
    await harness.make_overdue(FIRST)
    await harness.ledger.sweep()
    assert await harness.waiting() == [FIRST.id]
    await harness.ledger.finish(await harness.lease(FIRST), ANSWERED)
    assert await harness.waiting() == [FIRST.id, SECOND.id]


async def test_a_first_one_that_expires_gives_the_next_its_turn(harness: LedgerHarness) -> None:
    await parked(harness)
    await harness.end_session(FIRST)
    await harness.make_overdue(FIRST)
    await harness.ledger.sweep()
    assert await harness.waiting() == [SECOND.id]


async def test_a_first_one_that_is_found_expired_when_leased_gives_the_next_its_turn(
    harness: LedgerHarness,
) -> None:
    await harness.ledger.release(await parked(harness))
    await harness.end_session(FIRST)
    assert await harness.ledger.lease(FIRST.id) == "expired"
    assert await harness.waiting() == [SECOND.id]


async def test_a_first_one_whose_worker_died_while_sending_gives_the_next_its_turn(
    harness: LedgerHarness,
) -> None:
    await harness.ledger.claim_send(await parked(harness))
    await harness.make_overdue(FIRST)
    await harness.ledger.sweep()
    assert await harness.waiting() == [SECOND.id]


async def test_a_parked_message_expires_with_its_session(harness: LedgerHarness) -> None:
    await parked(harness)
    await harness.end_session(SECOND)
    await harness.make_overdue(SECOND)
    await harness.ledger.sweep()
    assert (await harness.stored(SECOND))["reason"] == "expired"


# Nobody is left behind ----------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["gone", "unreadable", "ended by an earlier release"])
async def test_a_first_one_that_never_left_its_queue_holds_nobody_up_for_long(
    harness: LedgerHarness, broken: str
) -> None:
    await parked(harness)
    key, stored = KEYS.message(FIRST.id), dict[Any, Any](await harness.stored(FIRST))
    if broken == "ended by an earlier release":
        await harness.redis.hset(key, "state", "answered")
    else:
        await harness.redis.delete(key)
    if broken == "unreadable":
        await harness.redis.set(key, "nonsense")
    due_ms = await harness.due_in_ms(SECOND)
    assert due_ms is not None
    assert 0 < due_ms <= RECHECK_MS
    await harness.make_overdue(SECOND)
    await harness.ledger.sweep()
    assert await harness.waiting() == [SECOND.id]
    await harness.redis.delete(key)  # for the count at the end
    await harness.redis.hset(key, mapping=stored)


async def test_a_queue_that_is_gone_holds_nobody_up_for_long(harness: LedgerHarness) -> None:
    await parked(harness)
    await harness.redis.delete(LINE)
    for message in (SECOND, THIRD):
        await harness.make_overdue(message)
    await harness.ledger.sweep()
    assert sorted(await harness.waiting()) == sorted([SECOND.id, THIRD.id])


async def test_a_parked_message_that_is_looked_at_too_early_goes_on_waiting(
    harness: LedgerHarness,
) -> None:
    await parked(harness)
    for message in (SECOND, THIRD):
        await harness.make_overdue(message)
    await harness.ledger.sweep()
    assert await harness.waiting() == []
    due_ms = [await harness.due_in_ms(message) or 0 for message in (SECOND, THIRD)]
    assert [round(each / RECHECK_MS) for each in due_ms] == [1, 2]


async def test_a_turn_that_its_worker_could_not_hand_on_is_found_by_the_sweep(
    harness: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        """Do nothing more."""

    first = await parked(harness)
    monkeypatch.setattr(harness.ledger, "_enqueue", die)
    await harness.ledger.finish(first, ANSWERED)
    assert await harness.waiting() == []
    await harness.ledger.sweep()
    assert await harness.waiting() == [SECOND.id]


async def test_what_a_gateway_of_an_earlier_release_accepted_is_answered(
    harness: LedgerHarness,
) -> None:
    await harness.accept(FIRST)
    await harness.redis.hdel(KEYS.message(FIRST.id), "line")
    await harness.redis.delete(LINE)
    await harness.pop()
    lease = await harness.lease(FIRST)
    assert lease.is_first
    await harness.ledger.finish(lease, ANSWERED)


async def test_a_retried_dead_letter_is_in_no_queue(harness: LedgerHarness) -> None:
    first = await parked(harness)
    await harness.ledger.finish(first, Completion(Outcome.DEAD, DeadReason.FAILED, "x"))
    assert await harness.admin.retry_dead_letter(FIRST.id) == "accepted"
    lease = await harness.lease(FIRST)
    assert lease.is_first
    await harness.ledger.finish(lease, ANSWERED)
    await harness.check_the_invariant()


async def test_an_empty_queue_leaves_nothing_behind_and_a_forgotten_one_does_not_stay(
    harness: LedgerHarness,
) -> None:
    first = await parked(harness)
    assert 0 < await harness.redis.pttl(LINE) <= 2 * LONGEST_SESSION_MS
    await harness.ledger.finish(first, ANSWERED)
    for message in (SECOND, THIRD):
        await harness.ledger.finish(await harness.lease(message), ANSWERED)
    assert not await harness.redis.exists(LINE)
    await harness.check_the_invariant()


async def test_a_queue_that_a_foreign_hand_has_spoilt_stops_nobody(harness: LedgerHarness) -> None:
    await harness.redis.set(LINE, "nonsense")
    for lease in await taken(harness, FIRST, SECOND):
        assert lease.is_first
        await harness.ledger.finish(lease, ANSWERED)
