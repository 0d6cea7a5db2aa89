"""When a reply that was not shown is tried again: each kind of trouble has its own pauses."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.shared.states import Failures
from dingda.worker.outcome import (
    LAST_TRY_MS,
    Again,
    Delivered,
    Outcome,
    Refused,
    Retry,
    TooLate,
    Trouble,
    Unknown,
    decide,
)

LONG_MS = 90 * 60_000.0
GROWING = (Trouble.CONNECTION, Trouble.CERTIFICATE, Trouble.BUSY)


def pause(
    trouble: Trouble, failures: Mapping[str, int] | None = None, *, left_ms: float = LONG_MS
) -> float:
    decision = decide(Retry(trouble, "why"), Failures(failures or {}), left_ms)
    assert isinstance(decision, Again)
    assert (decision.trouble, decision.reason) == (trouble, "why")
    return decision.pause_ms


@pytest.mark.parametrize("outcome", [Delivered(), Refused("no"), Unknown("who knows")])
def test_what_is_no_trouble_for_now_stays_as_it_is(outcome: Outcome) -> None:
    assert decide(outcome, Failures(), 0) == outcome


@pytest.mark.parametrize("trouble", GROWING)
def test_pauses_grow_to_a_minute_and_are_spread_by_a_fifth(trouble: Trouble) -> None:
    means = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 60_000, 60_000)
    for before, mean_ms in enumerate(means):
        found = {pause(trouble, {trouble: before}) for _ in range(50)}
        assert len(found) > 1
        assert all(0.8 * mean_ms <= pause_ms <= 1.2 * mean_ms for pause_ms in found)


def test_a_throttle_rests_a_minute_and_then_ten_each_time() -> None:
    for before, least_ms in enumerate((60_000, 600_000, 600_000)):
        for _ in range(20):
            pause_ms = pause(Trouble.THROTTLED, {Trouble.THROTTLED: before})
            assert least_ms <= pause_ms <= 1.1 * least_ms


@pytest.mark.parametrize("trouble", Trouble)
def test_what_went_wrong_before_in_another_way_lengthens_no_pause(trouble: Trouble) -> None:
    others: dict[str, int] = {other: 50 for other in Trouble if other is not trouble}
    longest_ms = 1.2 * (60_000 if trouble is Trouble.THROTTLED else 1_000)
    assert pause(trouble, others) <= longest_ms


@pytest.mark.parametrize("trouble", GROWING)
def test_there_are_as_many_attempts_as_the_session_has_room_for(trouble: Trouble) -> None:
    assert pause(trouble, {trouble: 1_000}) <= 72_000


def test_a_token_that_no_new_one_mends_is_given_up_after_three_attempts() -> None:
    retry = Retry(Trouble.TOKEN, "why")
    for before in (0, 1):
        assert isinstance(decide(retry, Failures({"token": before}), LONG_MS), Again)
    assert decide(retry, Failures({"token": 2}), LONG_MS) == Refused("why")


@pytest.mark.parametrize(
    ("asked_s", "least_ms", "most_ms"),
    [
        (0, 400, 600),
        (0.1, 400, 600),
        (7, 7_000, 8_400),
        (60, 60_000, 72_000),
        (1e9, 60_000, 72_000),
    ],
)
def test_a_server_is_left_alone_as_long_as_it_asks_up_to_a_minute(
    asked_s: float, least_ms: int, most_ms: int
) -> None:
    for _ in range(20):
        decision = decide(Retry(Trouble.BUSY, "why", asked_s), Failures(), LONG_MS)
        assert isinstance(decision, Again)
        assert least_ms <= decision.pause_ms <= most_ms


def test_a_server_that_asks_for_less_does_not_shorten_our_pause() -> None:
    decision = decide(Retry(Trouble.BUSY, "why", 1), Failures({"busy": 5}), LONG_MS)
    assert isinstance(decision, Again)
    assert decision.pause_ms >= 24_000


# The last try -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "before", "left_ms"),
    [
        (Trouble.THROTTLED, 0, 30_000),
        (Trouble.THROTTLED, 0, 60_000),
        (Trouble.THROTTLED, 1, 474_000),
        (Trouble.BUSY, 8, 50_000),
        (Trouble.CERTIFICATE, 5, 20_000),
    ],
)
def test_a_pause_beyond_the_sessions_end_is_cut_for_a_last_try(
    trouble: Trouble, before: int, left_ms: int
) -> None:
    assert pause(trouble, {trouble: before}, left_ms=left_ms) == left_ms - LAST_TRY_MS


def test_after_the_last_try_it_is_too_late() -> None:
    retry = Retry(Trouble.BUSY, "why")
    for left_ms in (LAST_TRY_MS + 100, LAST_TRY_MS, 3_000, 0, -5):
        assert decide(retry, Failures({"busy": 5}), left_ms) == TooLate("why")


def test_a_short_pause_fits_even_after_the_last_try() -> None:
    assert pause(Trouble.CONNECTION, {"busy": 9}, left_ms=2_000) <= 600


@given(
    st.sampled_from(list(Trouble)),
    st.integers(0, 100),
    st.floats(0, 1e6),
    st.floats(-10_000, 1e8),
)
def test_no_attempt_is_due_after_the_end_and_none_is_given_up_with_time_left(
    trouble: Trouble, before: int, asked_s: float, left_ms: float
) -> None:
    retry = Retry(trouble, "why", asked_s)
    decision = decide(retry, Failures({trouble: before}), left_ms)
    match decision:
        case Again(pause_ms):
            assert 0 < pause_ms <= left_ms
        case TooLate():
            assert left_ms < LAST_TRY_MS + 500
        case _:
            assert trouble is Trouble.TOKEN


@given(st.floats(15_000, 5_400_000), st.lists(st.sampled_from((*GROWING, Trouble.THROTTLED))))
def test_whatever_goes_wrong_the_last_attempt_is_just_before_the_end(
    left_ms: float, troubles: list[Trouble]
) -> None:
    failures, attempts = Failures(), 0
    while True:
        trouble = troubles[attempts % len(troubles)] if troubles else Trouble.BUSY
        decision = decide(Retry(trouble, "why"), failures, left_ms)
        if not isinstance(decision, Again):
            break
        failures, attempts = failures.plus(decision.trouble), attempts + 1
        left_ms -= decision.pause_ms
    assert isinstance(decision, TooLate)
    assert left_ms < LAST_TRY_MS + 500
    assert attempts >= 1
