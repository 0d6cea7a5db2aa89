"""What follows from what became of a reply: an end, a next part, another attempt, a plain text."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.shared.ledger.states import Completion, DeadReason, Failures, Outcome, PreparedReply
from dingda.shared.texts import ASK_PRIVATELY, REJECTED, REST_REJECTED, SENT_PRIVATELY
from dingda.worker.answering.outgoing import OutgoingReply
from dingda.worker.answering.response import ANSWERED, DECLINED
from dingda.worker.answering.settlement import (
    LAST_TRY_MS,
    Finish,
    RetryLater,
    SendFallback,
    SendNext,
    Settlement,
    settle,
)
from dingda.worker.delivery.channel import Channel
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    OutOfTime,
    Rejected,
    Retry,
    Unknown,
)

LONG_MS = 90 * 60_000.0
GROWING = (FailureKind.CONNECTION, FailureKind.CERTIFICATE, FailureKind.BUSY)
WHOLE = OutgoingReply(PreparedReply(b"1", ANSWERED))
FIRST_OF_TWO = OutgoingReply(PreparedReply(b"1", ANSWERED, (b"2",)))
LAST_OF_TWO = FIRST_OF_TWO.next
PRIVATE = OutgoingReply(PreparedReply(b"1", ANSWERED), channel=Channel.PRIVATE, persist=False)
SECRET = OutgoingReply(PreparedReply(b"1", ANSWERED), persist=False)
NO = OutgoingReply(PreparedReply(b"1", DECLINED))
FALLBACK = OutgoingReply(
    PreparedReply(b"1", Completion(Outcome.DEAD, DeadReason.FAILED, "errcode 430102"))
)
EXHAUSTED = {"token": 2}


def settled(
    outcome: DeliveryOutcome | OutOfTime,
    reply: OutgoingReply = WHOLE,
    failures: Mapping[str, int] | None = None,
    *,
    remaining_ms: float = LONG_MS,
) -> Settlement:
    return settle(outcome, reply, Failures(failures or {}), remaining_ms=remaining_ms)


def pause(
    kind: FailureKind, failures: Mapping[str, int] | None = None, *, remaining_ms: float = LONG_MS
) -> float:
    settlement = settled(Retry(kind, "why"), failures=failures, remaining_ms=remaining_ms)
    assert isinstance(settlement, RetryLater)
    assert (settlement.kind, settlement.reason) == (kind, "why")
    return settlement.pause_ms


def dead(reason: str) -> Completion:
    return Completion.from_full_reason(Outcome.DEAD, reason)


# The end ------------------------------------------------------------------------------------


def test_a_delivered_reply_ends_the_message_as_the_reply_says() -> None:
    assert settled(Delivered(), WHOLE) == Finish(ANSWERED)
    assert settled(Delivered(), NO) == Finish(DECLINED)
    assert settled(Delivered(), FALLBACK) == Finish(FALLBACK.completion)


def test_a_delivered_part_is_followed_by_the_next_and_the_last_one_ends_the_message() -> None:
    assert settled(Delivered(), FIRST_OF_TWO) == SendNext()
    assert settled(Delivered(), LAST_OF_TWO) == Finish(ANSWERED)


def test_after_a_private_reply_the_conversation_is_told_where_it_is() -> None:
    assert settled(Delivered(), PRIVATE) == Finish(ANSWERED, follow_up=SENT_PRIVATELY)
    assert settled(Delivered(), SECRET) == Finish(ANSWERED)


@pytest.mark.parametrize("reply", [WHOLE, PRIVATE, SECRET, NO, FALLBACK])
@pytest.mark.parametrize("remaining_ms", [LONG_MS, 0, -5])
def test_what_may_have_been_shown_is_never_sent_again(
    reply: OutgoingReply, remaining_ms: float
) -> None:
    settlement = settled(Unknown("ReadError"), reply, remaining_ms=remaining_ms)
    assert settlement == Finish(dead("unknown: ReadError"))


def test_what_found_no_place_on_the_wire_in_time_is_expired() -> None:
    assert settled(OutOfTime(), remaining_ms=0) == Finish(dead("expired"))


def test_a_dead_letter_says_which_part_it_was() -> None:
    assert settled(Unknown("x"), LAST_OF_TWO) == Finish(dead("unknown: x (part 2 of 2)"))
    assert settled(OutOfTime(), LAST_OF_TWO) == Finish(dead("expired: part 2 of 2"))
    assert settled(Rejected("x"), FIRST_OF_TWO) == Finish(dead("failed: x (part 1 of 2)"))


# A plain text in place of what was rejected -------------------------------------------------


@pytest.mark.parametrize("reply", [WHOLE, SECRET, NO, FALLBACK])
def test_what_is_rejected_for_good_is_failed(reply: OutgoingReply) -> None:
    assert settled(Rejected("no"), reply) == Finish(dead("failed: no"))


@pytest.mark.parametrize("reply", [WHOLE, SECRET])
def test_an_answer_that_is_rejected_for_its_content_is_followed_by_a_plain_text(
    reply: OutgoingReply,
) -> None:
    rejected = Rejected("no", content_rejected=True)
    assert settled(rejected, reply) == SendFallback(REJECTED, dead("failed: no"))


def test_where_a_part_was_shown_the_plain_text_speaks_of_the_rest() -> None:
    rejected = Rejected("no", content_rejected=True)
    assert settled(rejected, LAST_OF_TWO) == SendFallback(
        REST_REJECTED, dead("failed: no (part 2 of 2)")
    )


@pytest.mark.parametrize("content_rejected", [False, True])
def test_a_private_answer_that_is_rejected_leads_to_asking_in_private(
    content_rejected: bool,  # noqa: FBT001
) -> None:
    rejected = Rejected("no", content_rejected=content_rejected)
    assert settled(rejected, PRIVATE) == SendFallback(ASK_PRIVATELY, dead("failed: no"))


@pytest.mark.parametrize("reply", [NO, FALLBACK])
def test_only_an_answer_is_followed_by_a_plain_text(reply: OutgoingReply) -> None:
    rejected = Rejected("no", content_rejected=True)
    assert settled(rejected, reply) == Finish(dead("failed: no"))


def test_a_private_answer_whose_token_stays_bad_leads_to_asking_in_private_too() -> None:
    retry = Retry(FailureKind.TOKEN, "why")
    assert settled(retry, PRIVATE, EXHAUSTED) == SendFallback(ASK_PRIVATELY, dead("failed: why"))


# Another attempt ----------------------------------------------------------------------------


def test_a_pause_is_its_steps_own_times_what_is_drawn() -> None:
    drawn: list[tuple[float, float]] = []

    def most(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    retry = Retry(FailureKind.BUSY, "why")
    settlement = settle(retry, WHOLE, Failures({"busy": 1}), remaining_ms=LONG_MS, draw=most)
    assert settlement == RetryLater(1_200, FailureKind.BUSY, "why")
    assert drawn == [(0.8, 1.2), (1.0, 1.2)]


@pytest.mark.parametrize("kind", GROWING)
def test_pauses_grow_to_a_minute_and_are_spread_by_a_fifth(kind: FailureKind) -> None:
    means = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 60_000, 60_000)
    for before, mean_ms in enumerate(means):
        found = {pause(kind, {kind: before}) for _ in range(50)}
        assert len(found) > 1
        assert all(0.8 * mean_ms <= pause_ms <= 1.2 * mean_ms for pause_ms in found)


def test_a_throttle_rests_a_minute_and_then_ten_each_time() -> None:
    for before, least_ms in enumerate((60_000, 600_000, 600_000)):
        for _ in range(20):
            pause_ms = pause(FailureKind.THROTTLED, {FailureKind.THROTTLED: before})
            assert least_ms <= pause_ms <= 1.1 * least_ms


@pytest.mark.parametrize("kind", FailureKind)
def test_what_went_wrong_before_in_another_way_lengthens_no_pause(kind: FailureKind) -> None:
    others: dict[str, int] = {other: 50 for other in FailureKind if other is not kind}
    longest_ms = 1.2 * (60_000 if kind is FailureKind.THROTTLED else 1_000)
    assert pause(kind, others) <= longest_ms


@pytest.mark.parametrize("kind", GROWING)
def test_there_are_as_many_attempts_as_the_session_has_room_for(kind: FailureKind) -> None:
    assert pause(kind, {kind: 1_000}) <= 72_000


def test_a_token_that_no_new_one_mends_is_given_up_after_three_attempts() -> None:
    retry = Retry(FailureKind.TOKEN, "why")
    for before in (0, 1):
        assert isinstance(settled(retry, failures={"token": before}), RetryLater)
    assert settled(retry, failures=EXHAUSTED) == Finish(dead("failed: why"))


@pytest.mark.parametrize(
    ("retry_after_s", "least_ms", "most_ms"),
    [
        (0, 400, 600),
        (0.1, 400, 600),
        (7, 7_000, 8_400),
        (60, 60_000, 72_000),
        (1e9, 60_000, 72_000),
    ],
)
def test_a_server_is_left_alone_as_long_as_it_asks_up_to_a_minute(
    retry_after_s: float, least_ms: int, most_ms: int
) -> None:
    for _ in range(20):
        decision = settled(Retry(FailureKind.BUSY, "why", retry_after_s))
        assert isinstance(decision, RetryLater)
        assert least_ms <= decision.pause_ms <= most_ms


def test_a_server_that_asks_for_less_does_not_shorten_our_pause() -> None:
    decision = settled(Retry(FailureKind.BUSY, "why", 1), failures={"busy": 5})
    assert isinstance(decision, RetryLater)
    assert decision.pause_ms >= 24_000


# The last try -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "before", "remaining_ms"),
    [
        (FailureKind.THROTTLED, 0, 30_000),
        (FailureKind.THROTTLED, 0, 60_000),
        (FailureKind.THROTTLED, 1, 474_000),
        (FailureKind.BUSY, 8, 50_000),
        (FailureKind.CERTIFICATE, 5, 20_000),
    ],
)
def test_a_pause_beyond_the_sessions_end_is_cut_for_a_last_try(
    kind: FailureKind, before: int, remaining_ms: int
) -> None:
    assert pause(kind, {kind: before}, remaining_ms=remaining_ms) == remaining_ms - LAST_TRY_MS


def test_after_the_last_try_it_is_too_late() -> None:
    retry = Retry(FailureKind.BUSY, "why")
    for remaining_ms in (LAST_TRY_MS + 100, LAST_TRY_MS, 3_000, 0, -5):
        settlement = settled(retry, failures={"busy": 5}, remaining_ms=remaining_ms)
        assert settlement == Finish(dead("expired: why"))


def test_a_short_pause_fits_even_after_the_last_try() -> None:
    assert pause(FailureKind.CONNECTION, {"busy": 9}, remaining_ms=2_000) <= 600


@given(
    st.sampled_from(list(FailureKind)),
    st.integers(0, 100),
    st.floats(0, 1e6),
    st.floats(-10_000, 1e8),
)
def test_no_attempt_is_due_after_the_end_and_none_is_given_up_with_time_left(
    kind: FailureKind, before: int, retry_after_s: float, remaining_ms: float
) -> None:
    retry = Retry(kind, "why", retry_after_s)
    settlement = settled(retry, failures={kind: before}, remaining_ms=remaining_ms)
    match settlement:
        case RetryLater(pause_ms):
            assert 0 < pause_ms <= remaining_ms
        case Finish(Completion(Outcome.DEAD, DeadReason.EXPIRED, "why")):
            assert remaining_ms < LAST_TRY_MS + 500
        case _:
            assert kind is FailureKind.TOKEN
            assert settlement == Finish(dead("failed: why"))


@given(st.floats(15_000, 5_400_000), st.lists(st.sampled_from((*GROWING, FailureKind.THROTTLED))))
def test_whatever_goes_wrong_the_last_attempt_is_just_before_the_end(
    remaining_ms: float, kinds: list[FailureKind]
) -> None:
    failures, attempts = Failures(), 0
    while True:
        kind = kinds[attempts % len(kinds)] if kinds else FailureKind.BUSY
        decision = settle(Retry(kind, "why"), WHOLE, failures, remaining_ms=remaining_ms)
        if not isinstance(decision, RetryLater):
            break
        failures, attempts = failures.plus(decision.kind), attempts + 1
        remaining_ms -= decision.pause_ms
    assert decision == Finish(dead("expired: why"))
    assert remaining_ms < LAST_TRY_MS + 500
    assert attempts >= 1
