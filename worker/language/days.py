"""Days, found anywhere in a text; see `dingda.slots`.

A text is read in two steps: first each name of a day (明天, 周五, 11.28, 国庆) by itself, then what
joins neighbouring names: 到 makes a range of two, 和 or nothing at all a list. The names are in
`day_names`, what each means in `day_readings`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import ClassVar, NamedTuple, Self

from dingda.shared.texts import IN_THE_PAST, NO_SUCH_DAY
from dingda.worker.errors import RefusalError
from dingda.worker.language import day_readings as readings
from dingda.worker.language.day_names import DAY_NAMES
from dingda.worker.language.day_readings import MOST_DAYS, Reading
from dingda.worker.language.patterns import Match, Pattern
from dingda.worker.language.text import FoldedText


@dataclass(frozen=True, slots=True)
class Day:
    """A day, or several: 今天, 周六, 25号, 未来三天, 周五到周日, 明后两天, 国庆, next friday.

    A weekday is the next one, today included; 下周六 is the one in the next calendar week.

    >>> @skill.command("值班")
    ... def duty(day: Day) -> str:
    ...     return f"{day.first:%m-%d} 李四值班"
    >>> asyncio.run(ask(skill, "值班 明天", now=datetime(2026, 11, 28))).content
    '11-29 李四值班'
    """

    label: ClassVar[str] = "日期"

    dates: tuple[date, ...]
    """The days from today on, in their order."""

    @property
    def first(self) -> date:
        """The first day."""
        return self.dates[0]

    @property
    def count(self) -> int:
        """The number of days."""
        return len(self.dates)

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Find days; of several that are not joined, the first.

        Raises:
            RefusalError: if they are in the past, or there is no such day.
        """
        found = find_days(words.folded, now.date())
        if not found:
            return None
        first = next((each for each in found if each.dates), found[0])
        return cls(first.dates_ahead()), words.without(*first.span)


class FoundDays(NamedTuple):
    """Days that a text names together.

    >>> find_days("周五到周日有雨吗", date(2026, 11, 26))[0].name
    '周五到周日'
    """

    span: tuple[int, int]
    name: str
    """As typed."""
    dates: tuple[date, ...]
    """Empty if they are in the past."""

    def dates_ahead(self) -> tuple[date, ...]:
        """The dates.

        Raises:
            RefusalError: if they are in the past.
        """
        if not self.dates:
            raise RefusalError(IN_THE_PAST.format(day=self.name))
        return self.dates


def find_days(text: str, today: date) -> list[FoundDays]:
    """Find the days that a text names, in its order.

    Args:
        text: folded, as in `FoldedText.folded`.
        today: the present day.

    Raises:
        RefusalError: if there is no such day.

    >>> [len(found.dates) for found in find_days("明天冷吗, 未来三天呢", date(2026, 11, 28))]
    [1, 3]
    """
    found: list[FoundDays] = []
    group: list[_Days] = []
    end = 0
    for name in _find_names(text):
        joint = _joint(text[end : name.start]) if group else None
        if joint is None and group:
            found.append(_combine(text, group, today))
            group = []
        group.append(_resolve(name, today, text[end : name.start], group[-1] if group else None))
        end = name.end
    return [*found, _combine(text, group, today)] if group else found


# How names of days are joined -------------------------------------------------------------------

_MOST_NAMES = 8
_RANGE, _LIST = "range", "list"
_JOINTS = (
    (_RANGE, Pattern(r"^\s*(?:一直)?(?:到|至|-|~|—|–|直到|to|until|till|through)\s*$")),
    (_LIST, Pattern(r"^[\s、,/(&]*(?:和|跟|与|及|以及|还有|或者?|的|起|开始|and|or)?的?[\s]*$")),
)


_SAYS_AND = Pattern(r"[和跟与及、,/]|还有|and")


class _FoundName(NamedTuple):
    """A name of days in a text, and how it is read."""

    start: int
    order: int
    end: int
    found: Match
    read: Reading


class _Days(NamedTuple):
    """The days that a name means, and what joins it to the name before."""

    start: int
    end: int
    first: date
    length: int
    joint: str | None
    in_next_week: bool


def _find_names(text: str) -> list[_FoundName]:
    """The names of days in a text, the first of those that overlap."""
    candidates = sorted(
        _FoundName(start, order, end, found, row.read)
        for order, row in enumerate(DAY_NAMES)
        for found in islice(row.pattern.find_all(text), _MOST_NAMES)
        for start, end in [found.span]
        if row.stands_alone(text, start, end)
    )
    names: list[_FoundName] = []
    for name in candidates:
        if not names or name.start >= names[-1].end:
            names.append(name)
    # In 明天北京晚上冷吗 the evening is tomorrow's.
    days = [name for name in names if name.read is not readings.at_some_hour]
    return (days or names)[:_MOST_NAMES]


def _joint(between: str) -> str | None:
    return next((kind for kind, pattern in _JOINTS if pattern.search(between)), None)


def _resolve(name: _FoundName, today: date, between: str, before: _Days | None) -> _Days:
    joint = _joint(between) if before else None
    since = today
    if before and joint == _RANGE:
        since = max(today, before.first)
    elif before and before.in_next_week:  # 下周一和周三
        since = before.first - timedelta(days=before.first.weekday())
    try:
        first, count = name.read(name.found, today, since)
    except (ValueError, OverflowError):
        raise RefusalError(NO_SUCH_DAY.format(day=name.found.taken)) from None
    if (
        name.read is readings.number_of_days
        and before
        and joint == _LIST
        and not _SAYS_AND.search(between)
    ):
        first = before.first  # 周末两天, 明天起三天
    in_next_week = name.found.taken.startswith("下") or bool(before and before.in_next_week)
    return _Days(name.start, name.end, first, min(count, MOST_DAYS), joint, in_next_week)


def _combine(text: str, group: list[_Days], today: date) -> FoundDays:
    dates: set[date] = set()
    last = today
    for days in group:
        first = last if days.joint == _RANGE and last < days.first else days.first
        last = days.first + timedelta(days=days.length - 1)
        dates |= {first + timedelta(days=n) for n in range(min((last - first).days, MOST_DAYS) + 1)}
        last = days.first  # a range begins there
    span = (group[0].start, group[-1].end)
    over = any(
        days.first + timedelta(days=days.length) <= today
        for days, behind in zip(group, [*group[1:], None], strict=True)
        if behind is None or behind.joint != _RANGE
    )
    ahead = () if over else tuple(sorted(day for day in dates if day >= today))
    return FoundDays(span, text[slice(*span)], ahead)
