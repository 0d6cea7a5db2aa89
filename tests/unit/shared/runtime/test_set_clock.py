"""A file sets the clock that skills are told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dingda.shared.runtime.clock import CHINA, china_now
from dingda.shared.runtime.set_clock import CLOCK_FILE, clock_of, find_clock, set_clock

NOON = datetime(2026, 2, 3, 4, tzinfo=UTC)


def is_present(now: datetime) -> bool:
    return abs(now - china_now()) < timedelta(hours=1)


def test_without_a_file_the_clock_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CLOCK_FILE, raising=False)
    assert find_clock() is china_now


def test_the_clock_is_what_the_file_says_in_china_and_the_present_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clock"
    monkeypatch.setenv(CLOCK_FILE, str(path))
    clock = find_clock()
    assert is_present(clock())
    set_clock(path, NOON)
    assert clock() == clock_of(path)() == NOON
    assert (clock().hour, clock().tzinfo) == (12, CHINA)
    set_clock(path, None)
    assert is_present(clock())


def test_a_time_without_a_time_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        set_clock(tmp_path / "clock", NOON.replace(tzinfo=None))
