"""Festivals, solar terms and shopping days.

tyme4py computes the festivals of the lunar calendar and the solar terms, for any year.
"""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

from tyme4py.lunar import LunarDay
from tyme4py.solar import SolarDay, SolarTerm

# Name, without a trailing 节 → month, day, and how many days people mean by it.
_SOLAR = {
    "元旦": (1, 1, 1), "情人": (2, 14, 1), "妇女": (3, 8, 1), "三八": (3, 8, 1), "植树": (3, 12, 1),
    "愚人": (4, 1, 1), "劳动": (5, 1, 5), "五一": (5, 1, 5), "五四": (5, 4, 1), "青年": (5, 4, 1),
    "儿童": (6, 1, 1), "六一": (6, 1, 1), "618": (6, 18, 1), "建党": (7, 1, 1), "建军": (8, 1, 1),
    "教师": (9, 10, 1), "国庆": (10, 1, 7), "十一": (10, 1, 7), "黄金周": (10, 1, 7),
    "万圣": (10, 31, 1), "光棍": (11, 11, 1), "双十一": (11, 11, 1), "双11": (11, 11, 1),
    "双十二": (12, 12, 1), "双12": (12, 12, 1), "平安夜": (12, 24, 1), "圣诞": (12, 25, 1),
    "christmas eve": (12, 24, 1), "christmas": (12, 25, 1), "跨年": (12, 31, 1),
    "new year's eve": (12, 31, 1), "new year": (1, 1, 1), "halloween": (10, 31, 1),
}  # fmt: skip
_LUNAR = {
    "春节": (1, 1, 7), "过年": (1, 1, 7), "大年": (1, 1, 7), "spring festival": (1, 1, 7),
    "chinese new year": (1, 1, 7), "元宵": (1, 15, 1), "正月十五": (1, 15, 1),
    "龙抬头": (2, 2, 1), "端午": (5, 5, 1), "七夕": (7, 7, 1), "中元": (7, 15, 1),
    "中秋": (8, 15, 1), "八月十五": (8, 15, 1), "重阳": (9, 9, 1), "腊八": (12, 8, 1),
    "小年": (12, 23, 1),
}  # fmt: skip
# Without 雨水, 小雪 and 大雪, which also mean the weather.
_TERMS = (
    "冬至", "小寒", "大寒", "立春", "惊蛰", "春分", "清明", "谷雨", "立夏", "小满", "芒种",
    "夏至", "小暑", "大暑", "立秋", "处暑", "白露", "秋分", "寒露", "霜降", "立冬",
)  # fmt: skip
_EVE = ("除夕", "大年三十", "年三十", "大年夜")
_WEEKDAYS = {"母亲": (5, 2, 6), "父亲": (6, 3, 6), "感恩": (11, 4, 3)}
"""Name → month, and the Sunday or Thursday: the n-th, and its weekday."""

NAMES = (*_SOLAR, *_LUNAR, *_TERMS, *_EVE, *_WEEKDAYS)


def festival(name: str, today: date, year: int | None = None) -> tuple[date, int]:
    """Find a festival: in the year given, or else the present or the next one.

    Returns:
        Its first day, and how many days people mean by it.
    """
    date_in, count = _rule(name)
    if year is not None:
        return next(
            day for y in (year - 1, year, year + 1) if (day := date_in(y)).year == year
        ), count
    days = (date_in(today.year + n) for n in (-1, 0, 1, 2))
    return next(day for day in days if day + timedelta(days=count) > today), count


def _rule(name: str) -> tuple[Callable[[int], date], int]:
    if name in _SOLAR:
        month, day, count = _SOLAR[name]
        return lambda year: date(year, month, day), count
    if name in _LUNAR:
        month, day, count = _LUNAR[name]
        return lambda year: _lunar(year, month, day), count
    if name in _EVE:
        return lambda year: _lunar(year, 1, 1) - timedelta(days=1), 1
    if name in _WEEKDAYS:
        month, nth, weekday = _WEEKDAYS[name]
        return lambda year: _nth(year, month, nth, weekday), 1
    return lambda year: _term(year, name), 1


@cache
def _lunar(year: int, month: int, day: int) -> date:
    return _date(LunarDay.from_ymd(year, month, day).get_solar_day())


@cache
def _term(year: int, name: str) -> date:
    return _date(SolarTerm.from_name(year, name).get_julian_day().get_solar_day())


def _date(day: SolarDay) -> date:
    return date(day.get_year(), day.get_month(), day.get_day())


def _nth(year: int, month: int, nth: int, weekday: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7, weeks=nth - 1)
