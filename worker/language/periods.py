"""Months, quarters and years, found anywhere in a text; see `dingda.slots`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, Self

from dingda.shared.texts import NO_SUCH_DAY, NO_SUCH_PERIOD, NOT_YET
from dingda.worker.errors import RefusalError
from dingda.worker.language.numerals import DIGITS, integer
from dingda.worker.language.patterns import Match, Pattern
from dingda.worker.language.text import FoldedText

_QUARTERS = "一二三四"


@dataclass(frozen=True, slots=True)
class Period:
    """A month, a quarter, half a year or a year: 上个月, 十月, Q3, 去年上半年, 2026-10, 24年.

    Without a year it is the latest one that has begun: in November, 十二月 is last year's. Until
    June, 年终 is the end of last year.

    >>> @skill.command("业绩")
    ... def sales(period: Period) -> str:
    ...     return period.key
    >>> asyncio.run(ask(skill, "业绩 上个月", now=datetime(2026, 11, 28))).content
    '2026-10'
    """

    label: ClassVar[str] = "时间"

    kind: Literal["month", "quarter", "half", "year"]
    first: date
    """Its first day."""

    @property
    def key(self) -> str:
        """Its name in databases: `2026-10`, `2026-Q3`, `2026-H1`, `2026`."""
        match self.kind:
            case "month":
                return f"{self.first.year}-{self.first.month:02}"
            case "quarter":
                return f"{self.first.year}-Q{_quarter(self.first)}"
            case "half":
                return f"{self.first.year}-H{_half(self.first)}"
            case "year":
                return f"{self.first.year}"

    @property
    def shown(self) -> str:
        """Its name for people."""
        match self.kind:
            case "month":
                return f"{self.first.year}年{self.first.month}月"
            case "quarter":
                return f"{self.first.year}年第{_QUARTERS[_quarter(self.first) - 1]}季度"
            case "half":
                return f"{self.first.year}年{'上下'[_half(self.first) - 1]}半年"
            case "year":
                return f"{self.first.year}年"

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Find a period.

        Raises:
            RefusalError: if it has not begun, there is no such month, or it is a week or a day.
        """
        if found := _TOO_SHORT.search(words.folded):
            raise RefusalError(NO_SUCH_PERIOD.format(period=found.taken))
        for pattern, kind, read in _PERIODS:
            if found := pattern.search(words.folded):
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


def _half(day: date) -> int:
    return (day.month + 5) // 6


def months_later(day: date, months: int) -> date:
    """The first day of the month that many months after the day's own; before it if negative."""
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)


def _ago(typed: str) -> int:
    """How many months or quarters ago; ahead if negative."""
    return typed.count("上") + typed.count("last") - typed.count("下") - typed.count("next")


def _month_ago(found: Match, today: date) -> date:
    return months_later(today, -_ago(found.taken))


def _quarter_ago(found: Match, today: date) -> date:
    quarter = date(today.year, 3 * _quarter(today) - 2, 1)
    return months_later(quarter, -3 * _ago(found.taken))


def _year(typed: str, today: date) -> int:
    for name, ahead in _YEARS.items():
        if typed.startswith(name):
            return today.year + ahead
    digits = "".join(str(integer(each)) for each in typed if each in DIGITS or each.isdigit())
    return int(digits) if len(digits) > _SHORT_YEAR else today.year // 100 * 100 + int(digits)


def _named(month_of: Callable[[str], int]) -> Callable[[Match, date], date]:
    """Read a period from the groups `y`, its year, and `n`, its number in the year."""

    def read(found: Match, today: date) -> date:
        return date(_year(found["y"], today), month_of(found["n"]), 1)

    return read


def _latest(month_of: Callable[[str], int]) -> Callable[[Match, date], date]:
    """Read a period without a year."""

    def read(found: Match, today: date) -> date:
        first = date(today.year, month_of(found["n"]), 1)
        return first.replace(year=first.year - 1) if first > today else first

    return read


def _month_of_quarter(number: str) -> int:
    return 3 * integer(number) - 2


def _month_of_half(name: str) -> int:
    return 1 if name[0] in "上前年" or name == "h1" else 7


def _whole_year(found: Match, today: date) -> date:
    if year := found["y"] or found["y2"]:
        return date(_year(year, today), 1, 1)
    return date(today.year - (found["end"] is not None and _half(today) == 1), 1, 1)


_YEARS = {
    "今": 0, "本": 0, "当": 0, "this": 0, "去": -1, "上": -1, "last": -1, "前": -2, "大前": -3,
    "明": 1, "next": 1, "后": 2,
}  # fmt: skip
_SHORT_YEAR = 2
"""The digits of a year without its century."""
_ANY_YEAR = (
    r"今年|本年|当年|去年|上年|大前年|前年|明年|后年|20\d{2}年?-?|\d{2}年"
    rf"|(?:二[〇零])?[{DIGITS}]{{2}}年"
)
_YEAR = rf"(?P<y>{_ANY_YEAR})的?\s*"
_HALF = r"(?P<n>[上下前后]半年|年中|\bh[12]\b)度?"
_NO_YEAR = r"的?\s*"
_MONTH = r"(?P<n>\d{1,2}|十[一二]?|[一二三四五六七八九])月份?"
_QUARTER = r"第?(?P<n>[1-4一二三四])季度?"
_Q = r"q(?P<n>[1-4])"
_PERIODS: list[
    tuple[
        Pattern,
        Literal["month", "quarter", "half", "year"],
        Callable[[Match, date], date],
    ]
] = [
    (Pattern(f"{_YEAR}{_HALF}"), "half", _named(_month_of_half)),
    (Pattern(_HALF), "half", _latest(_month_of_half)),
    (Pattern(r"本季度?|这个?季度?|当季|\bthis quarter\b"), "quarter", _quarter_ago),
    (Pattern(r"[上下]+一?个?季度?|\b(?:last|next) quarter\b"), "quarter", _quarter_ago),
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
    (Pattern(r"本月|这个?月|当月|\bthis month\b"), "month", _month_ago),
    (Pattern(r"[上下]+一?个?月|\b(?:last|next) month\b"), "month", _month_ago),
    (Pattern(f"{_YEAR}{_MONTH}"), "month", _named(integer)),
    # 十三月 is not March, and 近三月 are the latest three.
    (Pattern(f"(?:^|[^十近])(?P<taken>{_NO_YEAR}{_MONTH})"), "month", _latest(integer)),
    (
        Pattern(r"(?P<taken>(?P<y>\d{4})[-/.](?P<n>\d{1,2}))(?:\D|$)"),
        "month",
        _named(integer),
    ),
    (
        Pattern(
            rf"(?:{_YEAR})?(?:(?P<end>年[终底末])|年度|全年|整年)"
            rf"|(?P<y2>(?:{_ANY_YEAR})度?|\b(?:last|this|next) year\b)"
        ),
        "year",
        _whole_year,
    ),
]
_TOO_SHORT = Pattern(r"[上本这下]+一?个?(?:周|星期|礼拜)末?|昨天|前天|周度|周绩效")
"""Periods for which no data is kept."""
