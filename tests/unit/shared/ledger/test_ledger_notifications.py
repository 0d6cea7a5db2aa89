"""Events and card actions in the ledger: what is known of them by their payload, and presses."""

from typing import Any

import pytest

from dingda.shared.dingtalk.message import Envelope
from dingda.shared.dingtalk.notification import (
    LIFE_MS,
    Press,
    card_action_payload,
    event_payload,
)
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.journal import read_journal
from dingda.shared.ledger.message_trace import read_message
from dingda.shared.ledger.states import Lease
from dingda.shared.ledger.times import REPEATED_PRESS_MS
from tests.support.builders import KEYS, a_card_callback, an_event, event_headers, now_ms
from tests.support.ledger_harness import LedgerHarness

ID = "e" * 64
EVENT = event_payload("dingrobot", event_headers(), an_event(title="canary"))
CARD_ACTION = card_action_payload("dingrobot", a_card_callback(params={"why": "canary"}))
PRESS = Press("by", "what")


async def accept(harness: LedgerHarness, payload: bytes) -> None:
    envelope = Envelope(ID, "", now_ms() + LIFE_MS)
    await harness.ledger.accept([(envelope, payload)], backlog_limit=10)


async def expire(harness: LedgerHarness) -> None:
    """End what was accepted, without a worker that could note anything."""
    await harness.redis.hset(KEYS.message(ID), "expires_ms", 1)
    assert await harness.ledger.lease(ID) == "expired"


@pytest.mark.parametrize(
    ("payload", "facts"),
    [
        (EVENT, MessageFacts(msg_id="e1", kind="event: chat_add_member", robot="dingrobot")),
        (
            CARD_ACTION,
            MessageFacts(msg_id="card1", kind="card action", robot="dingrobot", sender="0001"),
        ),
        (b'["event"]', MessageFacts(kind="event: ")),
        (b'["card action",7,[],{}]', MessageFacts(kind="card action")),
        (b'["card action","r",{},"["]', MessageFacts(kind="card action", robot="r")),
    ],
)
async def test_what_ends_without_a_worker_is_named_in_the_journal_by_its_payload(
    harness: LedgerHarness, payload: bytes, facts: MessageFacts
) -> None:
    await accept(harness, payload)
    await expire(harness)
    (entry,) = await read_journal(harness.redis, harness.queue)
    assert entry.facts == facts
    assert "canary" not in str(await harness.redis.xrange(KEYS.journal))


@pytest.mark.parametrize(
    ("payload", "wanted", "kind"),
    [(EVENT, "e1", "event: chat_add_member"), (CARD_ACTION, "card1", "card action: approve")],
)
async def test_what_is_open_is_found_by_dingtalks_id_and_named(
    harness: LedgerHarness, payload: bytes, wanted: str, kind: str
) -> None:
    await accept(harness, payload)
    trace = await read_message(harness.redis, harness.queue, wanted)
    assert trace is not None
    assert (trace.id, trace.facts.kind, trace.facts.robot) == (ID, kind, "dingrobot")


async def test_it_may_be_handled_for_a_day(harness: LedgerHarness) -> None:
    await accept(harness, EVENT)
    lease = await harness.ledger.lease(ID)
    assert isinstance(lease, Lease)
    assert LIFE_MS - 60_000 < lease.remaining_ms <= LIFE_MS


# Presses ------------------------------------------------------------------------------------


async def test_a_press_that_repeats_the_last_one_has_its_name(harness: LedgerHarness) -> None:
    first = await harness.ledger.name_press(PRESS)
    assert await harness.ledger.name_press(PRESS) == first


async def test_any_other_press_has_a_name_of_its_own(harness: LedgerHarness) -> None:
    presses = [PRESS, Press("by", "other"), PRESS, Press("another", "what")]
    names = [await harness.ledger.name_press(press) for press in presses]
    assert len(set(names)) == 4


async def test_a_repetition_does_not_lengthen_the_time_in_which_it_is_one(
    harness: LedgerHarness,
) -> None:
    await harness.ledger.name_press(PRESS)
    await harness.redis.pexpire(KEYS.press("by"), 10_000)
    await harness.ledger.name_press(PRESS)
    assert await harness.redis.pttl(KEYS.press("by")) <= 10_000 < REPEATED_PRESS_MS


@pytest.mark.parametrize("foreign", ["text", {"what": "what"}])
async def test_a_foreign_value_in_the_place_of_the_last_press_stops_nobody(
    harness: LedgerHarness, foreign: Any
) -> None:
    key = KEYS.press("by")
    if isinstance(foreign, str):
        await harness.redis.set(key, foreign)
    else:
        await harness.redis.hset(key, mapping=foreign)
    assert await harness.ledger.name_press(PRESS) == await harness.ledger.name_press(PRESS)
