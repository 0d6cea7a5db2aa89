"""Months, quarters and years, found in a text wherever they stand; see `worker.slots`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, Self

from shared.texts import NO_SUCH_DAY, NOT_YET
from worker.errors import RefusalError
from worker.numerals import integer
from worker.patterns import Match, Pattern
from worker.text import Words

_QUARTERS = "一二三四"


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
                return f"{self.first.year}年第{_QUARTERS[_quarter(self.first) - 1]}季度"
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


def _quarter(day: date) -> int:
    return (day.month + 2) // 3


def months_later(day: date, months: int) -> date:
    """The first day of the month so many months after a day's; before it if negative."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _month_ago(found: Match, today: date) -> date:
    return months_later(today, -found.taken.count("上"))


def _quarter_ago(found: Match, today: date) -> date:
    quarter = date(today.year, 3 * _quarter(today) - 2, 1)
    return months_later(quarter, -3 * found.taken.count("上"))


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
