"""Values as people read them."""

import time

import pytest

from dingda.worker.operations.formats import (
    clock,
    duration,
    iso,
    local_time,
    number,
    outside,
    rate,
    size,
)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (-1, "0 ms"),
        (0, "0 ms"),
        (0.0384, "38 ms"),
        (2.44, "2.4 s"),
        (59.6, "60 s"),
        (61, "1.0 min"),
        (5400, "1.5 h"),
        (604_800, "7 d"),
    ],
)
def test_a_span_of_time_has_its_unit(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (6_900_000, "6.9 MB"),
        (10**16, "10000 TB"),
    ],
)
def test_a_number_of_bytes_has_its_unit(count: int | None, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("per_s", "shown"), [(None, "–"), (0.0, "0"), (0.25, "0.25"), (3.14, "3.1"), (120.4, "120")]
)
def test_a_rate_is_short(per_s: float | None, shown: str) -> None:
    assert rate(per_s) == shown


def test_times_that_are_not_known_are_a_dash() -> None:
    assert (clock(None), clock(0), iso(None)) == ("–", "–", "")
    assert iso(1_000) == "1970-01-01T00:00:01.000+00:00"


@pytest.mark.parametrize("at_ms", [10**16 - 1, 10**30, -(10**15)])
def test_times_that_no_calendar_has_are_a_dash(at_ms: int) -> None:
    assert (clock(at_ms), iso(at_ms)) == ("–", "")


def test_thousands_are_apart() -> None:
    assert number(1234567) == "1\u202f234\u202f567"


def test_text_from_outside_is_one_line_and_cut() -> None:
    assert outside("a\nb\u202e") == "a\\nb\\u202e"
    assert len(outside("群" * 500)) < 200


def test_a_moment_that_no_calendar_has_here_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    last_second_in_utc_ms = 253_402_300_799_000
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        shown = clock(last_second_in_utc_ms), local_time(last_second_in_utc_ms)
    time.tzset()
    assert shown == ("–", "")
    assert iso(last_second_in_utc_ms) == "9999-12-31T23:59:59.000+00:00"
