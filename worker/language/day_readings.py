"""The dates that a name of days means: one function for each kind of name in `day_names`."""

from collections.abc import Callable
from datetime import date, timedelta

from dingda.worker.language.festivals import festival
from dingda.worker.language.numerals import integer
from dingda.worker.language.patterns import Match
from dingda.worker.language.periods import months_later

MOST_DAYS = 366
_MOST_DIGITS = 5
WEEKDAYS = "一二三四五六日"
ENGLISH_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ENGLISH_MONTHS = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip

Reading = Callable[[Match, date, date], tuple[date, int]]
"""Takes the match, today, and the day from which to look; returns the first day and how many."""


def ahead(days: int, count: int = 1) -> Reading:
    """Read a name that is always as many days ahead, such as 明天; or several days from there."""
    return lambda _, today, __: (today + timedelta(days=days), count)


def at_some_hour(_: Match, today: date, __: date) -> tuple[date, int]:
    """Read a part of a day, such as 晚上: without a day beside it, it is today."""
    return today, 1


def past(_: Match, today: date, __: date) -> tuple[date, int]:
    """Read any name of days that are over; which ones they are makes no difference."""
    return today - timedelta(days=1), 1


def number_of_days(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a number of days from today on: 三天, 未来5天."""
    return today, max(1, min(_number(found["n"]), MOST_DAYS))


def number_of_weeks(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a number of weeks from today on: 未来两周."""
    return today, 7 * max(1, min(_number(found["n"]), MOST_DAYS))


def number_of_months(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a number of months from today on, of 30 days each: 三个月."""
    return today, 30 * max(1, min(_number(found["n"]), MOST_DAYS))


def after(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a day by its distance from today: 三天后."""
    return today + timedelta(days=_number(found["n"])), 1


def _number(numeral: str) -> int:
    return integer(numeral[:_MOST_DIGITS])


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def named_weekday(found: Match, today: date, since: date) -> tuple[date, int]:
    """Read a weekday, or several in a row: 周五, 下周三, 周六日."""
    which, names = found.groups
    weekdays = [_index(name) for name in names]
    first, count = weekdays[0], len(weekdays)
    if which and not which.startswith("每"):
        return _monday(today) + timedelta(weeks=which.count("下"), days=first), count
    return since + timedelta(days=(first - since.weekday()) % 7), count


def _index(name: str) -> int:
    return int(name) - 1 if name.isdigit() else WEEKDAYS.index(name.replace("天", "日"))


def english_weekday(found: Match, today: date, since: date) -> tuple[date, int]:
    """Read an English weekday: friday, next monday."""
    which, name = found.groups
    weekday = ENGLISH_WEEKDAYS.index(name)
    if which:
        return _monday(today) + timedelta(weeks=1, days=weekday), 1
    return since + timedelta(days=(weekday - since.weekday()) % 7), 1


def weekend(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a weekend, or what is left of it: 周末, 下周末."""
    weeks = max(found.taken.count("下"), found.taken.count("next"))
    saturday = _monday(today) + timedelta(weeks=weeks, days=5)
    # On a Sunday what is left of the weekend is today.
    return (today, 1) if today > saturday else (saturday, 2)


def next_week(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a later calendar week: 下周, 下下周."""
    return _monday(today) + timedelta(weeks=max(1, found.taken.count("下"))), 7


def calendar_date(found: Match, _: date, since: date) -> tuple[date, int]:
    """Read a date, with or without its year: 11月28日, 2026-11-28."""
    year, month, *days = found.groups
    month = integer(month.replace("元", "一"))
    return _next_date(year, month, integer(next(filter(None, days))), since), 1


def _next_date(year: str | None, month: int, day: int, since: date) -> date:
    if year:
        return date(_year(year, since), month, day)
    # In December, 1月2日 is next year's; 2月29日 may be in no year near.
    date(2000, month, day)
    for n in range(9):
        with_year = since.year + n
        if (month, day) != (2, 29) or _is_leap(with_year):
            found = date(with_year, month, day)
            if found >= since:
                return found
    raise ValueError(day)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _year(name: str, today: date) -> int:
    named = {"今": 0, "明": 1, "后": 2, "去": -1, "前": -2}
    return today.year + named[name[0]] if name[0] in named else int(name[:4])


def english_date(found: Match, _: date, since: date) -> tuple[date, int]:
    """Read an English date: nov 28, 28th of november."""
    month = ENGLISH_MONTHS.index(found["m"]) + 1
    return _next_date(None, month, int(found["d"]), since), 1


def day_of_month(found: Match, _: date, since: date) -> tuple[date, int]:
    """Read a day of the month: 25号."""
    return _next_day_of_month(integer(found["d"]), since), 1


def _next_day_of_month(day: int, since: date) -> date:
    if day in range(1, 32):
        for n in range(3):
            month = months_later(since, n)
            first = month + timedelta(days=day - 1)
            if first.month == month.month and first >= since:
                return first
    raise ValueError(day)


def date_range(found: Match, _: date, since: date) -> tuple[date, int]:
    """Read a range of dates: 28-30号; also 11月28、29日, which is told like one."""
    year, month, first, last = found.groups
    day = integer(first)
    begin = (
        _next_date(year, integer(month), day, since) if month else _next_day_of_month(day, since)
    )
    end = _next_day_of_month(integer(last), begin)
    return begin, (end - begin).days + 1


def named_month(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a month or a part of it: 十二月, 明年三月初."""
    year, month, part = found.groups
    number = integer(month.replace("元", "一"))
    first = date(_year(year, today) if year else today.year, number, 1)
    if not year and months_later(first, 1) <= today:
        first = first.replace(year=first.year + 1)
    return _part_of(first, part)


def month_ahead(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read this or a later month, or a part of it: 下个月, 月底."""
    which, part = found.groups
    later = which.count("下") if which else 0
    if not which and part in ("初", "上旬") and today.day > _PARTS[part][1]:
        later = 1
    return _part_of(months_later(today, later), part)


# From which day to which; the last day of a month is not the same in each.
_PARTS = {"初": (1, 5), "上旬": (1, 10), "中": (11, 20), "中旬": (11, 20), "下旬": (21, 31),
          "底": (28, 31), "末": (28, 31)}  # fmt: skip


def _part_of(month: date, part: str | None) -> tuple[date, int]:
    length = (months_later(month, 1) - month).days
    first, last = _PARTS[part] if part else (1, length)
    return month.replace(day=first), min(last, length) - first + 1


def whole_year(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a year: 明年, 2027年."""
    year = _year(found["y"], today)
    return date(year, 1, 1), (date(year + 1, 1, 1) - date(year, 1, 1)).days


def end_of_year(_: Match, today: date, __: date) -> tuple[date, int]:
    """Read the end of the year: 年底."""
    return date(today.year, 12, 29), 3


def season(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a season, the present one or the next of that name: 冬天."""
    begins = {"春": 3, "夏": 6, "秋": 9, "冬": 12}[found["s"]]
    year = found["year"]
    years = [_year(year, today)] if year else range(today.year - 1, today.year + 2)
    firsts = [date(each, begins, 1) for each in years]
    first = next((each for each in firsts if months_later(each, 3) > today), firsts[-1])
    return first, (months_later(first, 3) - first).days


def festival_days(found: Match, today: date, _: date) -> tuple[date, int]:
    """Read a festival: 国庆, 明年春节."""
    year = found["year"]
    return festival(found["name"], today, _year(year, today) if year else None)


def day_of_spring_festival(found: Match, today: date, __: date) -> tuple[date, int]:
    """Read a day of the Spring Festival by its number: 大年初三."""
    first, _ = festival("春节", today)
    return first + timedelta(days=integer(found["n"]) - 1), 1
