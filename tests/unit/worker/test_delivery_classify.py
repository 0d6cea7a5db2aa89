"""What DingTalk's answer to a reply means: shown, not shown, perhaps next time, or nobody knows."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.delivery import (
    MAX_ANSWER_BYTES,
    Delivered,
    Outcome,
    Refused,
    Retry,
    Unknown,
    again,
    classify,
    parse_object,
)

LONGEST_PAUSE_MS = 2 * 60_000 * 1.2


def answered(
    fields: Any, *, status: int = 200, retry_after: str | None = None, attempt: int = 1
) -> Outcome:
    body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return classify(status, retry_after, body, attempt)


def errcode(code: Any, attempt: int = 1) -> Outcome:
    return answered({"errcode": code, "errmsg": "…"}, attempt=attempt)


@pytest.mark.parametrize("code", [0, "0"])
def test_errcode_zero_is_delivered_as_a_number_and_as_a_string(code: Any) -> None:
    assert errcode(code) == Delivered()


@pytest.mark.parametrize("status", [200, 201, 204])
def test_success_is_what_the_errcode_says_whatever_the_2xx(status: int) -> None:
    assert answered({"errcode": 0}, status=status) == Delivered()
    assert answered({"errcode": 300001}, status=status) == Refused("errcode 300001")


@pytest.mark.parametrize("code", [-1, "-1", 34015])
def test_a_busy_dingtalk_is_tried_again_three_times_in_all(code: Any) -> None:
    assert isinstance(errcode(code, attempt=1), Retry)
    assert isinstance(errcode(code, attempt=2), Retry)
    assert errcode(code, attempt=3) == Refused(f"errcode {int(code)}")


@pytest.mark.parametrize("code", [130101, 410100, 660026])
def test_too_many_messages_rest_a_minute_and_then_ten(code: int) -> None:
    assert errcode(code, attempt=1) == Retry(60_000, f"errcode {code}")
    assert errcode(code, attempt=2) == Retry(600_000, f"errcode {code}")


def test_flood_protection_without_an_errcode_is_a_throttle() -> None:
    answer = {"status": 1111, "wait": 5, "source": "x5", "punish": "deny"}
    assert answered(answer) == Retry(60_000, "flood protection")


@pytest.mark.parametrize(
    "code",
    [34016, 40035, 101002, 310000, 400105, 460101, 430101, 430102, 430103, 430104],
)
def test_what_is_wrong_with_the_content_may_pass_as_a_plainer_text(code: int) -> None:
    assert errcode(code) == Refused(f"errcode {code}", for_content=True)


@pytest.mark.parametrize(
    "code",
    [300001, 300005, 400013, 400101, 400102, 400106, 43002, 43004, 88, 90020, 90030, 430105, 12345],
)
def test_what_is_refused_for_good_is_not_tried_again(code: int) -> None:
    assert errcode(code) == Refused(f"errcode {code}")


def test_a_call_that_timed_out_behind_dingtalks_gateway_may_have_been_shown() -> None:
    assert errcode(15) == Unknown("errcode 15")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"errcode":0',
        b"[0]",
        b"0",
        b"null",
        b"\xff\xfe",
        b"[" * 15_000,
        b'{"errcode":0,"pad":"' + b"x" * MAX_ANSWER_BYTES + b'"}',
    ],
)
def test_an_answer_that_is_no_json_object_leaves_the_outcome_unknown(body: bytes) -> None:
    assert answered(body) == Unknown("the answer is not a JSON object of at most 16 KiB")


@pytest.mark.parametrize(
    "fields", [{}, {"errcode": None}, {"errcode": "ok"}, {"errcode": []}, {"errmsg": "ok"}]
)
def test_an_answer_without_an_errcode_leaves_the_outcome_unknown(fields: Any) -> None:
    assert answered(fields) == Unknown("the answer has no errcode")


@pytest.mark.parametrize("code", ["1e999", "NaN", "0.5", "false", '"0_0"', '" 0"', '"٠"', "[0]"])
def test_what_is_no_whole_number_is_not_success(code: str) -> None:
    assert answered(f'{{"errcode": {code}}}'.encode()) == Unknown("the answer has no errcode")


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_without_room_is_tried_again_for_as_long_as_the_session_is_open(
    status: int,
) -> None:
    for attempt in (1, 2, 8, 90):
        outcome = answered(b"", status=status, attempt=attempt)
        assert isinstance(outcome, Retry)
        assert outcome.reason == f"HTTP {status}"


def test_an_internal_error_is_tried_again_once() -> None:
    assert isinstance(answered(b"", status=500), Retry)
    assert answered(b"", status=500, attempt=2) == Refused("HTTP 500")


@pytest.mark.parametrize("status", [501, 502, 504, 520, 599])
def test_what_a_gateway_in_front_of_dingtalk_says_leaves_the_outcome_unknown(status: int) -> None:
    assert answered({"errcode": 0}, status=status) == Unknown(f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 401, 403, 404, 405, 413, 418])
def test_redirects_and_refusals_are_final_whatever_the_body(status: int) -> None:
    assert answered({"errcode": 0}, status=status) == Refused(f"HTTP {status}")


@pytest.mark.parametrize(
    ("retry_after", "least_ms", "most_ms"),
    [
        (None, 400, 600),
        ("0", 400, 600),
        ("1", 800, 1_200),
        ("120", 800, 1_200),
        ("999999999999", 800, 1_200),
        ("-5", 400, 600),
        ("soon", 400, 600),
        ("１", 400, 600),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 400, 600),
    ],
)
def test_retry_after_is_heeded_up_to_twice_our_own_pause(
    retry_after: str | None, least_ms: int, most_ms: int
) -> None:
    for _ in range(20):
        outcome = answered(b"", status=503, retry_after=retry_after)
        assert isinstance(outcome, Retry)
        assert least_ms <= outcome.pause_ms <= most_ms


def test_pauses_grow_and_are_spread_by_a_fifth() -> None:
    means = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
    for attempt, mean_ms in enumerate(means, 1):
        pauses = [again("busy", attempt) for _ in range(50)]
        found = {pause.pause_ms for pause in pauses if isinstance(pause, Retry)}
        assert len(found) > 1
        assert all(0.8 * mean_ms <= pause_ms <= 1.2 * mean_ms for pause_ms in found)


@given(
    st.integers(100, 999),
    st.none() | st.text(max_size=30),
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(["errcode", "punish", "x"]), st.from_type(object)).map(
        lambda fields: json.dumps(fields, default=str, skipkeys=True).encode()
    ),
    st.integers(1, 20),
)
def test_any_answer_whatever_has_an_outcome(
    status: int, retry_after: str | None, body: bytes, attempt: int
) -> None:
    outcome = classify(status, retry_after, body, attempt)
    assert isinstance(outcome, Delivered | Retry | Refused | Unknown)
    if isinstance(outcome, Retry):
        assert 0 < outcome.pause_ms <= max(LONGEST_PAUSE_MS, 600_000)
    if isinstance(outcome, Delivered):
        assert 200 <= status < 300
        assert b"errcode" in body


@given(st.integers(1, 100), st.integers(1, 10))
def test_there_are_no_more_attempts_than_were_allowed(attempt: int, allowed: int) -> None:
    outcome = again("busy", attempt, max_attempts=allowed)
    assert isinstance(outcome, Retry) is (attempt < allowed)


def test_pauses_stop_growing_at_a_minute() -> None:
    for attempt in (7, 8, 90):
        outcome = again("busy", attempt)
        assert isinstance(outcome, Retry)
        assert 48_000 <= outcome.pause_ms <= 72_000


def test_no_outcome_repeats_what_dingtalk_wrote() -> None:
    outcome = answered({"errcode": 300001, "errmsg": "session=canary does not exist"})
    assert "canary" not in str(outcome)


@pytest.mark.parametrize("size", [MAX_ANSWER_BYTES, MAX_ANSWER_BYTES + 1])
def test_an_answer_is_read_up_to_its_bound_and_not_one_byte_further(size: int) -> None:
    body = b"{}" + b" " * (size - 2)
    assert (parse_object(body) is None) is (size > MAX_ANSWER_BYTES)
