"""Days and periods, found in a text wherever they stand; prices are in `worker.prices`.

Each class is a slot (`worker.arguments.Slot`): a parameter of its type is read from the text.
Patterns run over `Words.matched`, which is simplified, lower case and half width. What is meant of
one that looks beside it as well is its group `taken`; see `worker.patterns`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal, Self

from shared.texts import IN_THE_PAST, NO_SUCH_DAY, NOT_YET
from worker.errors import RefusalError
from worker.numerals import DIGITS, integer
from worker.patterns import Match, Pattern
from worker.prices import PriceLimit
from worker.text import Words

_COUNT = rf"(?:\d{{1,2}}|[{DIGITS}十]{{1,3}})"

__all__ = ["Day", "Period", "PriceLimit"]

_WEEKDAYS = "一二三四五六日"
_WEEK = r"(?:周|星期|礼拜)"


@dataclass(frozen=True, slots=True)
class Day:
    """A day, or several in a row: 今天, 后天, 周六, 25号, 未来三天, tomorrow.

    A weekday is the next one, today included; 下周六 is the one in the next calendar week.
    """

    label: ClassVar[str] = "日期"

    first: date
    count: int = 1

    @property
    def dates(self) -> tuple[date, ...]:
        """Each of the days."""
        return tuple(self.first + timedelta(days=n) for n in range(self.count))

    @classmethod
    def take(cls, words: Words, now: datetime) -> tuple[Self, Words] | None:
        """Find days.

        Raises:
            RefusalError: if they are in the past, or there is no such day.
        """
        for pattern, read in _DAYS:
            if found := pattern.search(words.matched):
                try:
                    first, count = read(found, now.date())
                except ValueError:
                    raise RefusalError(NO_SUCH_DAY.format(day=found.taken)) from None
                if first < now.date():
                    raise RefusalError(IN_THE_PAST.format(day=found.taken))
                return cls(first, count), words.without(*found.span)
        return None


@dataclass(frozen=True, slots=True)
class Period:
    """A month, a quarter or a year: 上个月, 十月, Q3, 去年第四季度, 2026-10, 今年.

    Without a year it is the latest that has begun: in November, 十二月 is last year's.
    """

    label: ClassVar[str] = "时间"

    kind: Literal["month", "quarter", "year"]
    first: date
    """Its first day."""

    @property
    def key(self) -> str:
        """How databases name it: `2026-10`, `2026-Q3`, `2026`."""
        match self.kind:
            case "month":
                return f"{self.first.year}-{self.first.month:02}"
            case "quarter":
                return f"{self.first.year}-Q{_quarter(self.first)}"
            case "year":
                return f"{self.first.year}"

    @property
    def shown(self) -> str:
        """How people name it."""
        match self.kind:
            case "month":
                return f"{self.first.year}年{self.first.month}月"
            case "quarter":
                return f"{self.first.year}年第{_WEEKDAYS[_quarter(self.first) - 1]}季度"
            case "year":
                return f"{self.first.year}年"

    @classmethod
    def take(cls, words: Words, now: datetime) -> tuple[Self, Words] | None:
        """Find a period.

        Raises:
            RefusalError: if it has not begun yet, or there is no such month.
        """
        for pattern, kind, read in _PERIODS:
            if found := pattern.search(words.matched):
                try:
                    first = read(found, now.date())
                except ValueError:
                    raise RefusalError(NO_SUCH_DAY.format(day=found.taken)) from None
                if first > now.date():
                    raise RefusalError(NOT_YET.format(day=found.taken.strip()))
                return cls(kind, first), words.without(*found.span)
        return None


# Days ------------------------------------------------------------------------------------------


def _ahead(days: int, count: int = 1) -> Callable[[Match, date], tuple[date, int]]:
    return lambda _, today: (today + timedelta(days=days), count)


def _weekday(found: Match, today: date) -> tuple[date, int]:
    prefix, name = found.groups
    weekday = "1234567".find(name) if name.isdigit() else _WEEKDAYS.index(name.replace("天", "日"))
    monday = today - timedelta(days=today.weekday())
    if prefix:
        weeks = prefix.count("下")
        return monday + timedelta(weeks=weeks, days=weekday), 1
    return today + timedelta(days=(weekday - today.weekday()) % 7), 1


def _weekend(found: Match, today: date) -> tuple[date, int]:
    monday = today - timedelta(days=today.weekday())
    saturday = monday + timedelta(weeks=found.taken.count("下"), days=5)
    # On a Sunday what is left of the weekend is today.
    return (today, 1) if today > saturday else (saturday, 2)


def _date(found: Match, today: date) -> tuple[date, int]:
    year, month, *days = found.groups
    month, day = integer(month), integer(next(filter(None, days)))
    if year:
        return date(int(year), month, day), 1
    # In December, 1月2日 is next year's.
    this_year = date(today.year, month, day)
    return (this_year if this_year >= today else date(today.year + 1, month, day)), 1


def _day_of_month(found: Match, today: date) -> tuple[date, int]:
    day = integer(found["d"])
    first = today.replace(day=day)
    return (first if first >= today else _months_later(today, 1).replace(day=day)), 1


_DAYS: list[tuple[Pattern, Callable[[Match, date], tuple[date, int]]]] = [
    (Pattern(r"大前天|前天|昨[天日晚早]?|yesterday"), _ahead(-1)),
    (Pattern(r"大后天"), _ahead(3)),
    (Pattern(r"后[天日]"), _ahead(2)),
    (Pattern(r"明[天日晚早]|tomorrow"), _ahead(1)),
    (
        Pattern(rf"(?P<n>{_COUNT})[天日](?:之|以)?后"),
        lambda found, today: (today + timedelta(days=integer(found["n"])), 1),
    ),
    (
        Pattern(rf"(?P<taken>(?:未来|接下来|今后|最近|近|往后)?的?(?P<n>{_COUNT})天)(?:[^后]|$)"),
        lambda found, today: (today, max(1, integer(found["n"]))),
    ),
    (
        Pattern(r"这几天|未来几天|接下来几天|最近几天|(?P<taken>最近)(?:[^一]|$)"),
        _ahead(0, 3),
    ),
    (Pattern(rf"(这|这个|本|下+|下个)?{_WEEK}末"), _weekend),
    (
        Pattern(rf"(?P<taken>(这|这个|本|下+|下个)?{_WEEK}([一二三四五六日天1-7]))(?:[^天号日]|$)"),
        _weekday,
    ),
    (Pattern(rf"(?:未来|这|本|接下来|最近)?一?个?(?:一|这|本){_WEEK}|一星期"), _ahead(0, 7)),
    (
        Pattern(rf"(?:(\d{{4}})[-/年])?({_COUNT})(?:月({_COUNT})|[-/](\d{{1,2}}))[日号]?"),
        _date,
    ),
    (Pattern(rf"(?P<d>{_COUNT})[号日]"), _day_of_month),
    (Pattern(r"今[天日晚早]|现在|此刻|当前|today|now"), _ahead(0)),
]


# Periods ---------------------------------------------------------------------------------------


def _quarter(day: date) -> int:
    return (day.month + 2) // 3


def _months_later(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _month_ago(found: Match, today: date) -> date:
    return _months_later(today, -found.taken.count("上"))


def _quarter_ago(found: Match, today: date) -> date:
    quarter = date(today.year, 3 * _quarter(today) - 2, 1)
    return _months_later(quarter, -3 * found.taken.count("上"))


def _year(said: str, today: date) -> int:
    named = {"今": 0, "本": 0, "去": -1, "上": -1, "前": -2}
    return today.year + named[said[0]] if said[0] in named else int(said[:4])


def _named(month_of: Callable[[str], int]) -> Callable[[Match, date], date]:
    """Read a period from a group `y` for its year and `n` for its number in the year."""

    def read(found: Match, today: date) -> date:
        return date(_year(found["y"], today), month_of(found["n"]), 1)

    return read


def _latest(month_of: Callable[[str], int]) -> Callable[[Match, date], date]:
    """Read one whose year is not said."""

    def read(found: Match, today: date) -> date:
        first = date(today.year, month_of(found["n"]), 1)
        return first.replace(year=first.year - 1) if first > today else first

    return read


def _month_of_quarter(said: str) -> int:
    return 3 * integer(said) - 2


_YEAR = r"(?P<y>今年|本年|去年|上年|前年|\d{4}年?-?)的?\s*"
_NO_YEAR = r"的?\s*"
_MONTH = r"(?P<n>\d{1,2}|十[一二]?|[一二三四五六七八九])月份?"
_QUARTER = r"第?(?P<n>[1-4一二三四])季度?"
_Q = r"q(?P<n>[1-4])"
_PERIODS: list[
    tuple[
        Pattern,
        Literal["month", "quarter", "year"],
        Callable[[Match, date], date],
    ]
] = [
    (Pattern(r"本季度?|这个?季度?|当季"), "quarter", _quarter_ago),
    (Pattern(r"上+一?个?季度?"), "quarter", _quarter_ago),
    (Pattern(f"{_YEAR}{_QUARTER}"), "quarter", _named(_month_of_quarter)),
    (
        Pattern(rf"(?P<taken>{_YEAR}{_Q})(?:\D|$)"),
        "quarter",
        _named(_month_of_quarter),
    ),
    (Pattern(f"{_NO_YEAR}{_QUARTER}"), "quarter", _latest(_month_of_quarter)),
    (
        Pattern(rf"(?:^|[^a-z])(?P<taken>{_NO_YEAR}{_Q})(?:\D|$)"),
        "quarter",
        _latest(_month_of_quarter),
    ),
    (Pattern(r"本月|这个?月|当月"), "month", _month_ago),
    (Pattern(r"上+一?个?月"), "month", _month_ago),
    (Pattern(f"{_YEAR}{_MONTH}"), "month", _named(integer)),
    # 十三月 is not March.
    (Pattern(f"(?:^|[^十])(?P<taken>{_NO_YEAR}{_MONTH})"), "month", _latest(integer)),
    (
        Pattern(r"(?P<taken>(?P<y>\d{4})[-/.](?P<n>\d{1,2}))(?:\D|$)"),
        "month",
        _named(integer),
    ),
    (
        Pattern(r"(?P<y>今年|本年度?|去年|上年度?|前年|20\d{2}年?)(?:度|全年)?"),
        "year",
        lambda found, today: date(_year(found["y"], today), 1, 1),
    ),
]
