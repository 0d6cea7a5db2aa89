"""Days, found in a text wherever they stand; see `worker.slots`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Self

from shared.texts import IN_THE_PAST, NO_SUCH_DAY
from worker.errors import RefusalError
from worker.numerals import DIGITS, integer
from worker.patterns import Match, Pattern
from worker.periods import months_later
from worker.text import Words

_COUNT = rf"(?:\d{{1,2}}|[{DIGITS}十]{{1,3}})"
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
    return (first if first >= today else months_later(today, 1).replace(day=day)), 1


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
