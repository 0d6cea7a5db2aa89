"""Retry-After, whatever a server writes into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.worker.services.retry_after import parse_retry_after


@pytest.mark.parametrize(
    ("retry_after", "asked_s"),
    [
        ("", None),
        ("0", 0),
        ("30", 30),
        ("999999999999", 999_999_999),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("１", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 30),
        ("Wednesday, 21-Oct-26 07:28:00 GMT", 30),
        ("Wed Oct 21 07:27:00 2026", 0),
        ("Wed, 21 Oct 99999 07:28:00 GMT", None),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(
    retry_after: str, asked_s: float | None
) -> None:
    now_s = 1_792_567_650.0  # 07:27:30 that day
    assert parse_retry_after(retry_after, now_s=now_s) == asked_s


@given(st.text(max_size=60) | st.from_regex(r"\A\w{3}, \d+ \w{3} \d+ \d\d?:\d\d:\d\d \S+\Z"))
def test_any_retry_after_whatever_can_be_read(retry_after: str) -> None:
    asked_s = parse_retry_after(retry_after, now_s=0.0)
    assert asked_s is None or asked_s >= 0
