"""One person's messages in one conversation: in order unless they overtake, none left behind."""

from typing import Any

import pytest

from dingda.shared.dingtalk.message import Message
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.ledger import LONGEST_SESSION_MS, LONGEST_WAIT_MS, RECHECK_MS
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from tests.support.builders import KEYS, a_message
from tests.support.ledger_harness import ANSWERED, PREPARED, LedgerHarness

FIRST, SECOND, THIRD = (a_message(msgId=f"in-line-{number}") for number in range(3))
LINE = KEYS.line(FIRST.ordering_key)


async def taken(world: LedgerHarness, *messages: Message) -> list[Lease]:
    """Accept messages, take their jobs off the queue and lease them."""
    await world.accept(*messages)
    for _ in messages:
        await world.pop()
    return [await world.lease(message) for message in messages]


async def parked(world: LedgerHarness) -> Lease:
    """Lease the first of three, and park the others; returns the first one's lease."""
    first, *others = await taken(world, FIRST, SECOND, THIRD)
    for lease in others:
        assert await world.ledger.park(lease)
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
def test_another_person_conversation_or_robot_is_another_line(fields: Any) -> None:
    assert a_message(**fields).ordering_key != FIRST.ordering_key


def test_a_line_is_known_without_a_staff_id_and_names_nobody() -> None:
    outsiders = [a_message(senderStaffId="", msgId=each) for each in "ab"]
    assert len({each.ordering_key for each in outsiders}) == 1
    assert "$" not in outsiders[0].ordering_key


def test_who_has_no_id_at_all_stands_in_no_line() -> None:
    assert a_message(senderStaffId="", senderId="").ordering_key == ""


# Order --------------------------------------------------------------------------------------


async def test_a_lease_says_whether_its_message_is_the_first(world: LedgerHarness) -> None:
    leases = await taken(world, FIRST, SECOND)
    assert [lease.is_first for lease in leases] == [True, False]


async def test_another_persons_message_is_the_first_of_its_own_line(world: LedgerHarness) -> None:
    leases = await taken(world, FIRST, a_message(msgId="other", senderId="$:LWCP_v1:$other"))
    assert [lease.is_first for lease in leases] == [True, True]


async def test_a_message_of_nobody_waits_for_none(world: LedgerHarness) -> None:
    nobody: Any = {"senderId": "", "senderStaffId": ""}
    leases = await taken(world, *(a_message(msgId=each, **nobody) for each in "ab"))
    assert [lease.is_first for lease in leases] == [True, True]


async def test_a_parked_message_is_on_no_queue_until_the_one_before_it_ends(
    world: LedgerHarness,
) -> None:
    first = await parked(world)
    assert await world.waiting() == []
    await world.ledger.finish(first, ANSWERED)
    assert await world.waiting() == [SECOND.id]
    second = await world.lease(SECOND)
    assert (second.is_first, second.was_put_back, second.delivery_attempt) == (True, True, 1)
    await world.ledger.finish(second, ANSWERED)
    assert await world.waiting() == [SECOND.id, THIRD.id]


async def test_a_message_whose_turn_has_come_meanwhile_is_not_parked(world: LedgerHarness) -> None:
    first, second = await taken(world, FIRST, SECOND)
    await world.ledger.finish(first, ANSWERED)
    assert not await world.ledger.park(second)
    await world.ledger.renew(second)


async def test_parking_ends_a_lease_and_is_no_attempt(world: LedgerHarness) -> None:
    _, second = await taken(world, FIRST, SECOND)
    await world.ledger.park(second)
    with pytest.raises(LeaseLostError):
        await world.ledger.renew(second)
    with pytest.raises(LeaseLostError):
        await world.ledger.park(second)
    assert (await world.stored(SECOND))["leases"] == "0"


async def test_who_overtakes_does_not_free_those_behind_the_first(world: LedgerHarness) -> None:
    await taken(world, FIRST)
    await world.accept(SECOND, THIRD)
    await world.ledger.park(await world.lease(SECOND))
    await world.ledger.finish(await world.lease(THIRD), ANSWERED)
    assert SECOND.id not in (await world.waiting())[2:]
    assert (await world.stored(SECOND))["turn"] == "waiting"


# Whoever leaves gives the next its turn -----------------------------------------------------


@pytest.mark.parametrize(
    "completion", [Completion(Outcome.DECLINED), Completion(Outcome.DEAD, DeadReason.FAILED, "x")]
)
async def test_every_end_gives_the_next_its_turn(
    world: LedgerHarness, completion: Completion
) -> None:
    await world.ledger.finish(await parked(world), completion)
    assert await world.waiting() == [SECOND.id]


async def test_a_long_rest_lets_later_messages_pass(world: LedgerHarness) -> None:
    first = await parked(world)
    await world.ledger.retry(first, pause_ms=LONGEST_WAIT_MS + 1, prepared=PREPARED)
    assert await world.waiting() == [SECOND.id]


async def test_a_short_rest_keeps_its_place(world: LedgerHarness) -> None:
    first = await parked(world)
    await world.ledger.retry(first, pause_ms=LONGEST_WAIT_MS, prepared=PREPARED)
    assert await world.waiting() == []


async def test_a_message_that_is_handed_back_keeps_its_place(world: LedgerHarness) -> None:
    await world.ledger.release(await parked(world))
    await world.make_overdue(FIRST)
    await world.ledger.sweep()
    assert await world.waiting() == [FIRST.id]
    assert (await world.lease(FIRST)).is_first


async def test_a_dead_workers_message_keeps_its_place_and_is_taken_over(
    world: LedgerHarness,
) -> None:
    await parked(world)
    await world.make_overdue(FIRST)
    await world.ledger.sweep()
    assert await world.waiting() == [FIRST.id]
    await world.ledger.finish(await world.lease(FIRST), ANSWERED)
    assert await world.waiting() == [FIRST.id, SECOND.id]


async def test_a_first_one_that_expires_gives_the_next_its_turn(world: LedgerHarness) -> None:
    await parked(world)
    await world.end_session(FIRST)
    await world.make_overdue(FIRST)
    await world.ledger.sweep()
    assert await world.waiting() == [SECOND.id]


async def test_a_first_one_that_is_found_expired_when_leased_gives_the_next_its_turn(
    world: LedgerHarness,
) -> None:
    await world.ledger.release(await parked(world))
    await world.end_session(FIRST)
    assert await world.ledger.lease(FIRST.id) == "expired"
    assert await world.waiting() == [SECOND.id]


async def test_a_first_one_whose_worker_died_while_sending_gives_the_next_its_turn(
    world: LedgerHarness,
) -> None:
    await world.ledger.claim_send(await parked(world))
    await world.make_overdue(FIRST)
    await world.ledger.sweep()
    assert await world.waiting() == [SECOND.id]


async def test_a_parked_message_expires_with_its_session(world: LedgerHarness) -> None:
    await parked(world)
    await world.end_session(SECOND)
    await world.make_overdue(SECOND)
    await world.ledger.sweep()
    assert (await world.stored(SECOND))["reason"] == "expired"


# Nobody is left behind ----------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["gone", "unreadable", "ended by an earlier release"])
async def test_a_first_one_that_never_left_its_line_holds_nobody_up_for_long(
    world: LedgerHarness, broken: str
) -> None:
    await parked(world)
    key, stored = KEYS.message(FIRST.id), dict[Any, Any](await world.stored(FIRST))
    if broken == "ended by an earlier release":
        await world.redis.hset(key, "state", "answered")
    else:
        await world.redis.delete(key)
    if broken == "unreadable":
        await world.redis.set(key, "nonsense")
    due_ms = await world.due_in_ms(SECOND)
    assert due_ms is not None
    assert 0 < due_ms <= RECHECK_MS
    await world.make_overdue(SECOND)
    await world.ledger.sweep()
    assert await world.waiting() == [SECOND.id]
    await world.redis.delete(key)  # for the count at the end
    await world.redis.hset(key, mapping=stored)


async def test_a_line_that_is_gone_holds_nobody_up_for_long(world: LedgerHarness) -> None:
    await parked(world)
    await world.redis.delete(LINE)
    for message in (SECOND, THIRD):
        await world.make_overdue(message)
    await world.ledger.sweep()
    assert sorted(await world.waiting()) == sorted([SECOND.id, THIRD.id])


async def test_a_parked_message_that_is_looked_at_too_early_goes_on_waiting(
    world: LedgerHarness,
) -> None:
    await parked(world)
    for message in (SECOND, THIRD):
        await world.make_overdue(message)
    await world.ledger.sweep()
    assert await world.waiting() == []
    due_ms = [await world.due_in_ms(message) or 0 for message in (SECOND, THIRD)]
    assert [round(each / RECHECK_MS) for each in due_ms] == [1, 2]


async def test_a_turn_that_its_worker_could_not_hand_on_is_found_by_the_sweep(
    world: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> None:
        """Do nothing more."""

    first = await parked(world)
    monkeypatch.setattr(world.ledger, "_enqueue", die)
    await world.ledger.finish(first, ANSWERED)
    assert await world.waiting() == []
    await world.ledger.sweep()
    assert await world.waiting() == [SECOND.id]


async def test_what_a_gateway_of_an_earlier_release_accepted_is_answered(
    world: LedgerHarness,
) -> None:
    await world.accept(FIRST)
    await world.redis.hdel(KEYS.message(FIRST.id), "line")
    await world.redis.delete(LINE)
    await world.pop()
    lease = await world.lease(FIRST)
    assert lease.is_first
    await world.ledger.finish(lease, ANSWERED)


async def test_a_dead_letter_that_is_tried_again_stands_in_no_line(world: LedgerHarness) -> None:
    first = await parked(world)
    await world.ledger.finish(first, Completion(Outcome.DEAD, DeadReason.FAILED, "x"))
    assert await world.admin.retry_dead_letter(FIRST.id) == "accepted"
    lease = await world.lease(FIRST)
    assert lease.is_first
    await world.ledger.finish(lease, ANSWERED)
    await world.check_the_invariant()


async def test_an_empty_line_leaves_nothing_behind_and_a_forgotten_one_does_not_stay(
    world: LedgerHarness,
) -> None:
    first = await parked(world)
    assert 0 < await world.redis.pttl(LINE) <= 2 * LONGEST_SESSION_MS
    await world.ledger.finish(first, ANSWERED)
    for message in (SECOND, THIRD):
        await world.ledger.finish(await world.lease(message), ANSWERED)
    assert not await world.redis.exists(LINE)
    await world.check_the_invariant()


async def test_a_line_that_a_foreign_hand_has_spoilt_stops_nobody(world: LedgerHarness) -> None:
    await world.redis.set(LINE, "nonsense")
    for lease in await taken(world, FIRST, SECOND):
        assert lease.is_first
        await world.ledger.finish(lease, ANSWERED)
