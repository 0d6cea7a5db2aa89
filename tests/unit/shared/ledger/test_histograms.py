"""How long ended messages took, by stage: written where they end, read as a histogram."""

import math
import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.histograms import BUCKETS_S, Histogram, Stage, read_histograms
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from tests.support.builders import KEYS, now_ms
from tests.support.ledger_harness import (
    ANSWERED,
    COMPLETIONS,
    LONG,
    PREPARED,
    STEPS,
    LedgerHarness,
)

FAILED = Completion(Outcome.DEAD, DeadReason.FAILED, "ValueError in the skill")
NONE = dict.fromkeys(Stage, 0)


async def counts(harness: LedgerHarness) -> dict[Stage, int]:
    histograms = await harness.admin.histograms()
    return {stage: histogram.count for stage, histogram in histograms.items()}


async def set_times(harness: LedgerHarness, message: Message, **ago_s: float) -> None:
    """Let a message have entered its states so many seconds ago."""
    times: Any = {f"{state}_ms": now_ms() - round(s * 1000) for state, s in ago_s.items()}
    await harness.redis.hset(KEYS.message(message.id), mapping=times)


async def sent(harness: LedgerHarness, message: Message) -> Lease:
    lease = await harness.leased(message)
    await harness.ledger.claim_send(lease)
    return lease


def of(*durations_s: float) -> Histogram:
    """The histogram of some durations, made by counting alone."""
    cumulative = [sum(s <= bound for s in durations_s) for bound in (*BUCKETS_S, math.inf)]
    return Histogram(tuple(cumulative), sum(durations_s))


def test_the_buckets_have_the_same_bounds_in_lua() -> None:
    part = resources.files("dingda.shared.ledger") / "lua" / "parts" / "histograms.lua"
    (listed,) = re.findall(r"^local BUCKETS_MS = \{(.*)\}$", part.read_text("utf-8"), re.MULTILINE)
    assert [int(bound) / 1000 for bound in listed.split(",")] == list(BUCKETS_S)


async def test_at_the_beginning_no_stage_has_a_message(harness: LedgerHarness) -> None:
    assert await harness.admin.histograms() == dict.fromkeys(Stage, Histogram())


async def test_an_answered_message_is_counted_in_every_stage(
    harness: LedgerHarness, message: Message
) -> None:
    lease = await sent(harness, message)
    await set_times(harness, message, accepted=100, leased=60, sending=3)
    await harness.ledger.finish(lease, ANSWERED)
    found = await harness.admin.histograms()
    assert await counts(harness) == dict.fromkeys(Stage, 1)
    sums = {stage: round(histogram.sum_s) for stage, histogram in found.items()}
    assert sums == {Stage.QUEUE: 40, Stage.SKILL: 57, Stage.DELIVERY: 3, Stage.TOTAL: 100}
    # 40 s and 57 s are up to a minute, 3 s up to five, 100 s up to five minutes.
    firsts = {stage: BUCKETS_S[h.cumulative.index(1)] for stage, h in found.items()}
    assert firsts == {Stage.QUEUE: 60, Stage.SKILL: 60, Stage.DELIVERY: 5, Stage.TOTAL: 300}


@pytest.mark.parametrize("completion", COMPLETIONS)
async def test_every_end_is_counted(
    harness: LedgerHarness, message: Message, completion: Completion
) -> None:
    await harness.ledger.finish(await sent(harness, message), completion)
    assert await counts(harness) == dict.fromkeys(Stage, 1)


async def test_a_message_to_which_nothing_was_sent_has_no_skill_and_no_delivery(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.ledger.finish(await harness.leased(message), Completion(Outcome.UNMATCHED))
    assert await counts(harness) == NONE | {Stage.QUEUE: 1, Stage.TOTAL: 1}


async def test_a_message_that_expired_before_anybody_took_it_has_a_total_alone(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.accept(message)
    await harness.end_session(message)
    assert await harness.ledger.lease(message.id) == "expired"
    assert await counts(harness) == NONE | {Stage.TOTAL: 1}


async def test_what_the_sweeper_ends_is_counted(harness: LedgerHarness, message: Message) -> None:
    await sent(harness, message)
    await harness.make_overdue(message)
    await harness.ledger.sweep()
    assert await counts(harness) == dict.fromkeys(Stage, 1)


@pytest.mark.parametrize("step", ["renew", "claim_send", "retry", "release", "next_part"])
async def test_a_message_that_has_not_ended_is_not_counted(
    harness: LedgerHarness, message: Message, step: str
) -> None:
    lease = await harness.leased(message)
    if step == "next_part":
        await harness.ledger.claim_send(lease)
    await STEPS[step](harness.ledger, lease)
    assert await counts(harness) == NONE


async def test_a_message_leased_twice_waited_until_the_second_time(
    harness: LedgerHarness, message: Message
) -> None:
    first = await sent(harness, message)
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    second = await harness.lease(message)
    await harness.ledger.claim_send(second)
    await set_times(harness, message, accepted=100, leased=2, sending=1)
    await harness.ledger.finish(second, ANSWERED)
    found = await harness.admin.histograms()
    assert round(found[Stage.QUEUE].sum_s) == 98
    stages = (Stage.QUEUE, Stage.SKILL, Stage.DELIVERY)
    assert sum(found[s].sum_s for s in stages) == pytest.approx(found[Stage.TOTAL].sum_s)


async def test_a_claim_by_an_earlier_attempt_is_no_step_of_this_one(
    harness: LedgerHarness, message: Message
) -> None:
    first = await sent(harness, message)
    await harness.ledger.retry(first, pause_ms=0, prepared=PREPARED)
    second = await harness.lease(message)
    await set_times(harness, message, accepted=100, sending=50, leased=2)
    await harness.ledger.finish(second, FAILED)
    assert await counts(harness) == NONE | {Stage.QUEUE: 1, Stage.TOTAL: 1}


async def test_a_reply_in_parts_is_one_message(harness: LedgerHarness, message: Message) -> None:
    lease = await sent(harness, message)
    lease = await harness.ledger.next_part(lease, LONG.next)
    await harness.ledger.claim_send(lease)
    await harness.ledger.finish(lease, ANSWERED)
    assert await counts(harness) == dict.fromkeys(Stage, 1)


async def test_a_retried_dead_letter_is_counted_again_at_its_next_end(
    harness: LedgerHarness, message: Message
) -> None:
    await harness.die(message)
    await harness.admin.retry_dead_letter(message.id)
    await harness.ledger.finish(await harness.lease(message), ANSWERED)
    assert (await counts(harness))[Stage.TOTAL] == 2


@pytest.mark.parametrize("field", ["accepted_ms", "leased_ms", "sending_ms"])
@pytest.mark.parametrize("spoilt", ["", "x", "nan", "inf", "-inf", "9" * 400, "1e300"])
async def test_a_time_that_was_spoilt_leaves_its_stages_out(
    harness: LedgerHarness, message: Message, field: str, spoilt: str
) -> None:
    lease = await sent(harness, message)
    await harness.redis.hset(KEYS.message(message.id), field, spoilt)
    await harness.ledger.finish(lease, ANSWERED)
    found = await counts(harness)
    assert (await harness.counts()).answered == 1
    assert sum(found.values()) == 2
    assert all(histogram.sum_s < 60 for histogram in (await harness.admin.histograms()).values())


async def test_a_time_to_come_leaves_its_stages_out(
    harness: LedgerHarness, message: Message
) -> None:
    """After a failover another machine's clock decides."""
    lease = await harness.leased(message)
    await set_times(harness, message, accepted=-60)
    await harness.ledger.finish(lease, ANSWERED)
    assert await counts(harness) == NONE


async def test_a_field_that_was_spoilt_begins_again(
    harness: LedgerHarness, message: Message
) -> None:
    for stage in Stage:
        for bucket in range(len(BUCKETS_S) + 1):
            await harness.redis.hset(KEYS.histograms, f"{stage}:{bucket}", "x")
    await harness.ledger.finish(await sent(harness, message), ANSWERED)
    assert await counts(harness) == dict.fromkeys(Stage, 1)


@given(st.lists(st.floats(0, 4000), max_size=40))
def test_what_is_stored_is_read_as_it_was_counted(durations_s: list[float]) -> None:
    stored: dict[str, str] = {}
    for took_s in durations_s:
        bucket = sum(took_s > bound for bound in BUCKETS_S)
        field = f"total:{bucket}"
        stored[field] = str(int(stored.get(field, "0")) + 1)
    assert Histogram.from_fields(Stage.TOTAL, stored).cumulative == of(*durations_s).cumulative


def test_unreadable_fields_count_as_nothing() -> None:
    stored = {"total:0": "x", "total:1": "-3", "total:2": "2", "total:sum_ms": "much", "other": "1"}
    assert read_histograms(stored)[Stage.TOTAL] == Histogram((0, 0, *[2] * 11), 0.0)


@pytest.mark.parametrize(
    ("durations_s", "q", "expected_s"),
    [
        # As Prometheus evaluates histogram_quantile (promql/quantile.go).
        ((0.2, 0.2, 0.2, 0.2), 0.5, 0.175),
        ((0.01,) * 10, 0.9, 0.045),
        ((0.2, 0.7, 0.7, 2.0), 0.5, 0.75),
        ((0.2, 0.7, 0.7, 2.0), 0.99, 2.44),
        ((4000.0,), 0.5, 1800.0),
        ((0.2, 4000.0), 0.99, 1800.0),
        ((0.2,), 1.0, 0.25),
    ],
)
def test_a_quantile_is_interpolated_within_its_bucket(
    durations_s: tuple[float, ...], q: float, expected_s: float
) -> None:
    assert of(*durations_s).quantile(q) == pytest.approx(expected_s)


def test_nothing_has_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None


@given(st.lists(st.floats(0, 1800), min_size=1), st.floats(0, 1))
def test_a_quantile_is_in_the_bucket_of_its_rank(durations_s: list[float], q: float) -> None:
    estimate = of(*durations_s).quantile(q)
    ranked = sorted(durations_s)
    true_s = ranked[max(0, math.ceil(q * len(ranked)) - 1)]
    upper = next(bound for bound in BUCKETS_S if true_s <= bound)
    lower = max((bound for bound in (0, *BUCKETS_S) if bound < upper), default=0)
    assert estimate is not None
    assert lower <= estimate <= upper * (1 + 1e-9)
