"""Cron expressions: the ticks before and after a moment, in time zones and on workdays."""

import re
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dingda.worker.language.workdays import is_workday, knows_holidays_of
from dingda.worker.sdk.cron import Cron

SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"


def ms(text: str, zone: str = SHANGHAI) -> int:
    """A local time in ms since 1970."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def after(cron: Cron, text: str, number: int) -> list[str]:
    """The ticks after a local time, as people there read them."""
    shown, at_ms = [], ms(text, cron.zone.key)
    for _ in range(number):
        next_ms = cron.next_ms(at_ms)
        assert next_ms is not None
        assert cron.latest_ms(next_ms) == next_ms
        assert cron.latest_ms(next_ms - 1) in (at_ms, cron.latest_ms(at_ms))
        at_ms = next_ms
        shown.append(f"{datetime.fromtimestamp(at_ms / 1000, cron.zone):%m-%d %H:%M %z}")
    return shown


def cron(expression: str, zone: str = SHANGHAI, *, workdays: bool = False) -> Cron:
    return Cron.parse(expression, zone, workdays=workdays)


def test_a_tick_is_later_than_now_or_at_most_now() -> None:
    nine = cron("0 9 * * *")
    assert nine.next_ms(ms("2026-11-30 09:00")) == ms("2026-12-01 09:00")
    assert nine.next_ms(ms("2026-11-30 09:00") - 1) == ms("2026-11-30 09:00")
    assert nine.latest_ms(ms("2026-11-30 09:00")) == ms("2026-11-30 09:00")
    assert nine.latest_ms(ms("2026-11-30 09:00") - 1) == ms("2026-11-29 09:00")


def test_either_day_will_do_where_both_are_named() -> None:
    assert after(cron("0 9 1 * mon"), "2026-11-28 00:00", 3) == [
        "11-30 09:00 +0800",
        "12-01 09:00 +0800",
        "12-07 09:00 +0800",
    ]


def test_a_time_that_clocks_skip_comes_as_soon_as_they_have() -> None:
    assert after(cron("30 2 * * *", BERLIN), "2026-03-28 12:00", 2) == [
        "03-29 03:00 +0200",
        "03-30 02:30 +0200",
    ]


def test_a_time_that_clocks_show_twice_comes_once() -> None:
    assert after(cron("30 2 * * *", BERLIN), "2026-10-24 12:00", 2) == [
        "10-25 02:30 +0200",
        "10-26 02:30 +0100",
    ]


def test_what_comes_every_half_hour_goes_on_in_the_hour_that_comes_twice() -> None:
    assert after(cron("*/30 * * * *", BERLIN), "2026-10-25 01:30", 5) == [
        "10-25 02:00 +0200",
        "10-25 02:30 +0200",
        "10-25 02:00 +0100",
        "10-25 02:30 +0100",
        "10-25 03:00 +0100",
    ]


def test_on_workdays_holidays_are_left_out_and_the_weekends_worked_for_them_are_not() -> None:
    assert after(cron("0 9 * * *", workdays=True), "2026-09-29 12:00", 4) == [
        "09-30 09:00 +0800",
        "10-08 09:00 +0800",
        "10-09 09:00 +0800",
        "10-10 09:00 +0800",  # a Saturday
    ]


def test_workdays_from_monday_to_friday_are_none_of_those_weekends() -> None:
    assert after(cron("0 9 * * 1-5", workdays=True), "2026-10-09 12:00", 1) == ["10-12 09:00 +0800"]


def test_in_a_year_whose_holidays_are_not_known_yet_monday_to_friday_are_workdays() -> None:
    assert knows_holidays_of(2026)
    assert not knows_holidays_of(2099)
    assert [is_workday(date(2099, 10, day)) for day in (1, 2, 3, 4)] == [True, True, False, False]


def test_where_no_next_tick_is_known_there_is_none() -> None:
    saturdays = cron("0 9 * * 6", workdays=True)
    assert saturdays.latest_ms(ms("2026-11-28 12:00")) == ms("2026-10-10 09:00")
    assert saturdays.next_ms(ms("2090-01-01 00:00")) is None


def test_ticks_between_two_moments_are_counted_up_to_a_bound() -> None:
    each_hour = cron("@hourly")
    begin, end = ms("2026-11-28 09:00"), ms("2026-11-28 13:00")
    assert each_hour.count(begin, end, most=100) == 3
    assert each_hour.count(begin, end + 1, most=100) == 4
    assert each_hour.count(0, end, most=100) == 100
    assert each_hour.count(end, begin, most=100) == 0


@pytest.mark.parametrize(
    ("expression", "zone", "sentence"),
    [
        ("* * * * * *", SHANGHAI, "five fields, minute, hour, day, month and weekday"),
        ("*/5 * * * * *", SHANGHAI, "a minute is the finest"),
        ("@reboot", SHANGHAI, "five fields"),
        ("", SHANGHAI, "five fields"),
        ("0 9 30 2 *", SHANGHAI, "there is no such day in any year"),
        ("0 9 31 4,6 *", SHANGHAI, "there is no such day in any year"),
        ("60 9 * * *", SHANGHAI, "'60 9 * * *' is no cron expression"),
        ("*/0 9 * * *", SHANGHAI, "is no cron expression"),
        ("a b c d e", SHANGHAI, "is no cron expression"),
        ("R 9 * * *", SHANGHAI, "draw lots"),
        ("H(0-5) 9 * * *", SHANGHAI, "draw lots"),
        ("0 9 * * *", "Asia/Beijing", "'Asia/Beijing' is no time zone"),
        ("0 9 * * *", "../../etc/passwd", "is no time zone"),
        ("0 9 * * *", "", "is no time zone"),
    ],
)  # fmt: skip
def test_what_never_comes_or_cannot_be_read_is_refused_in_a_sentence(
    expression: str, zone: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        cron(expression, zone)


@settings(max_examples=100)
@given(
    expression=st.sampled_from(
        ["* * * * *", "*/15 * * * *", "0 * * * *", "0,30 1-3 * * *", "30 2 * * *", "59 23 * * *"]
    ),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", SHANGHAI, "UTC"]),
    day=st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25"]),
    minutes=st.integers(-1500, 1500),
    workdays=st.booleans(),
)
def test_backwards_the_ticks_are_those_that_came_forwards(
    expression: str, zone: str, day: str, minutes: int, *, workdays: bool
) -> None:
    found = cron(expression, zone, workdays=workdays)
    start = ms(f"{day} 02:30", zone) + minutes * 60_000
    ticks = [start]
    for _ in range(8):
        at_ms = found.next_ms(ticks[-1])
        assert at_ms is not None
        ticks.append(at_ms)
    assert all(earlier < later for earlier, later in pairwise(ticks))
    for earlier, later in pairwise(ticks[1:]):
        assert found.latest_ms(later - 1) == earlier
        assert found.latest_ms(later) == later
    assert timedelta(milliseconds=ticks[1] - start) <= timedelta(days=12)
