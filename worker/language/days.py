"""Days, found in a text wherever they stand; see `dingda.slots`.

It is read in two steps: each name of a day (明天, 周五, 11.28, 国庆) by itself, then what joins
those that stand side by side: 到 makes a range of two, 和 or nothing at all a list.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import ClassVar, NamedTuple, Self

from dingda.shared.texts import IN_THE_PAST, NO_SUCH_DAY
from dingda.worker.errors import RefusalError
from dingda.worker.language.festivals import NAMES, festival
from dingda.worker.language.numerals import DIGITS, integer
from dingda.worker.language.patterns import Match, Pattern
from dingda.worker.language.periods import months_later
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
    """Each of the days, from today on, in their order."""

    @property
    def first(self) -> date:
        """The first of them."""
        return self.dates[0]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.dates)

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Find days; of several that nothing joins, the first.

        Raises:
            RefusalError: if they are in the past, or there is no such day.
        """
        said = find_days(words.folded, now.date())
        if not said:
            return None
        first = next((each for each in said if each.dates), said[0])
        return cls(first.dates_ahead()), words.without(*first.span)


class FoundDays(NamedTuple):
    """Days that a text names together.

    >>> find_days("周五到周日有雨吗", date(2026, 11, 26))[0].name
    '周五到周日'
    """

    span: tuple[int, int]
    name: str
    """As they are said."""
    dates: tuple[date, ...]
    """None at all if they are in the past."""

    def dates_ahead(self) -> tuple[date, ...]:
        """The dates.

        Raises:
            RefusalError: if they are in the past.
        """
        if not self.dates:
            raise RefusalError(IN_THE_PAST.format(day=self.name))
        return self.dates


def find_days(text: str, today: date) -> list[FoundDays]:
    """What a text says of days, in its order.

    Args:
        text: as it is matched.
        today: the present day.

    Raises:
        RefusalError: if there is no such day.

    >>> [len(found.dates) for found in find_days("明天冷吗, 未来三天呢", date(2026, 11, 28))]
    [1, 3]
    """
    said: list[FoundDays] = []
    group: list[_Days] = []
    end = 0
    for name in _names(text):
        joint = _joint(text[end : name.start]) if group else None
        if joint is None and group:
            said.append(_together(text, group, today))
            group = []
        group.append(_read(name, today, text[end : name.start], group[-1] if group else None))
        end = name.end
    return [*said, _together(text, group, today)] if group else said


# How names of days are joined -------------------------------------------------------------------

_MOST_NAMES = 8
_MOST_DAYS = 366
_RANGE, _LIST = "range", "list"
_JOINTS = (
    (_RANGE, Pattern(r"^\s*(?:一直)?(?:到|至|-|~|—|–|直到|to|until|till|through)\s*$")),
    (_LIST, Pattern(r"^[\s、,/(&]*(?:和|跟|与|及|以及|还有|或者?|的|起|开始|and|or)?的?[\s]*$")),
)


_SAYS_AND = Pattern(r"[和跟与及、,/]|还有|and")


class _Name(NamedTuple):
    """Where a day is named, and how such a name is read."""

    start: int
    order: int
    end: int
    found: Match
    read: "_Read"


class _Days(NamedTuple):
    """The days that a name means, and what joins it to the one before."""

    start: int
    end: int
    first: date
    length: int
    joint: str | None
    in_next_week: bool


def _names(text: str) -> list[_Name]:
    """The names of days in a text, the first of those that overlap."""
    every = sorted(
        _Name(start, order, end, found, row.read)
        for order, row in enumerate(_NAMES_OF_DAYS)
        for found in islice(row.pattern.find_all(text), _MOST_NAMES)
        for start, end in [found.span]
        if row.stands_alone(text, start, end)
    )
    names: list[_Name] = []
    for name in every:
        if not names or name.start >= names[-1].end:
            names.append(name)
    # In 明天北京晚上冷吗 the evening is tomorrow's.
    days = [name for name in names if name.read is not _at_some_hour]
    return (days or names)[:_MOST_NAMES]


def _joint(between: str) -> str | None:
    return next((kind for kind, pattern in _JOINTS if pattern.search(between)), None)


def _read(name: _Name, today: date, between: str, before: _Days | None) -> _Days:
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
    if name.read is _count and before and joint == _LIST and not _SAYS_AND.search(between):
        first = before.first  # 周末两天, 明天起三天
    in_next_week = name.found.taken.startswith("下") or bool(before and before.in_next_week)
    return _Days(name.start, name.end, first, min(count, _MOST_DAYS), joint, in_next_week)


def _together(text: str, group: list[_Days], today: date) -> FoundDays:
    dates: set[date] = set()
    last = today
    for days in group:
        first = last if days.joint == _RANGE and last < days.first else days.first
        last = days.first + timedelta(days=days.length - 1)
        dates |= {
            first + timedelta(days=n) for n in range(min((last - first).days, _MOST_DAYS) + 1)
        }
        # A range goes on from its first day, a list from nowhere.
        last = days.first
    span = (group[0].start, group[-1].end)
    over = any(
        days.first + timedelta(days=days.length) <= today
        for days, behind in zip(group, [*group[1:], None], strict=True)
        if behind is None or behind.joint != _RANGE
    )
    ahead = () if over else tuple(sorted(day for day in dates if day >= today))
    return FoundDays(span, text[slice(*span)], ahead)


# How days are named -----------------------------------------------------------------------------

_Read = Callable[[Match, date, date], tuple[date, int]]
"""From what was found, today, and the day from which on to look: the first day, how many."""

_WEEKDAYS = "一二三四五六日"
_ENGLISH_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENGLISH_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_WEEK = r"(?:周|星期|礼拜)"
_HAN = f"[{DIGITS}十]"
_DAY = rf"(?:\d{{1,2}}|{_HAN}{{1,3}})"
_COUNT = rf"(?:\d+|[{DIGITS}十百]{{1,5}})"
_YEAR = r"(?:(今年|明年|后年|去年|前年|\d{4}[年/.-])的?\s*)?"
# 五六 and 六日, the longest first.
_RUNS = [_WEEKDAYS[at : at + size] for size in range(7, 1, -1) for at in range(8 - size)]
# 周二三亚 is one day.
_CITIES = (
    "三亚", "三明", "三沙", "三门", "三河", "三台", "三原", "三江", "三水", "三都", "三穗",
    "三峡", "四平", "四会", "四川", "四姑娘", "五指山", "五常", "五大连池", "五台", "五莲",
    "五河", "五家渠", "五华", "五原", "五峰", "六安", "六盘水", "六合", "六枝", "日照", "日喀则",
    "日土", "日本", "日内瓦", "日月潭", "日惹", "二连",
)  # fmt: skip
_WHICH_WEEK = rf"(下+一?个?{_WEEK}的?|下+个?|(?:这|本)一?个?{_WEEK}的?|这个?|本|每个?)?"
# Half a day counts as the day.
_HOURS = (
    r"(?:的?(?:早上|早晨|清晨|凌晨|上午|中午|正午|午后|下午|傍晚|晚上|夜里|夜间|半夜|白天|整天|全天|一整天|一天"
    r"|晚间|晚|早|夜))?"
)
_FROM_NOW = r"(?:(?:未来|接下来|今后|往后|以后|后面|最近|近|这|后|(?:the )?next)\s*的?\s*)?"


@dataclass(frozen=True, slots=True)
class _Row:
    """A way to name days, and what must not stand beside it, for then it is part of a word."""

    pattern: Pattern
    read: _Read
    not_before: str = ""
    not_after: str = ""
    not_into: tuple[str, ...] = ()
    """Words whose first character it must not take for its last."""

    def stands_alone(self, text: str, start: int, end: int) -> bool:
        if self.not_into and text.startswith(self.not_into, end - 1):
            return False
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        return not ((before and before in self.not_before) or (after and after in self.not_after))


def _ahead(days: int, count: int = 1) -> _Read:
    return lambda _, today, __: (today + timedelta(days=days), count)


def _at_some_hour(_: Match, today: date, __: date) -> tuple[date, int]:
    return today, 1


def _past(_: Match, today: date, __: date) -> tuple[date, int]:
    return today - timedelta(days=1), 1


def _count(found: Match, today: date, _: date) -> tuple[date, int]:
    return today, max(1, min(_number(found["n"]), _MOST_DAYS))


def _weeks(found: Match, today: date, _: date) -> tuple[date, int]:
    return today, 7 * max(1, min(_number(found["n"]), _MOST_DAYS))


def _months(found: Match, today: date, _: date) -> tuple[date, int]:
    return today, 30 * max(1, min(_number(found["n"]), _MOST_DAYS))


def _after(found: Match, today: date, _: date) -> tuple[date, int]:
    return today + timedelta(days=_number(found["n"])), 1


def _number(said: str) -> int:
    return integer(said[:5])


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _weekday(found: Match, today: date, since: date) -> tuple[date, int]:
    which, names = found.groups
    weekdays = [_index(name) for name in names]
    first, count = weekdays[0], len(weekdays)
    if which and not which.startswith("每"):
        return _monday(today) + timedelta(weeks=which.count("下"), days=first), count
    return since + timedelta(days=(first - since.weekday()) % 7), count


def _index(name: str) -> int:
    return int(name) - 1 if name.isdigit() else _WEEKDAYS.index(name.replace("天", "日"))


def _english_weekday(found: Match, today: date, since: date) -> tuple[date, int]:
    which, name = found.groups
    weekday = _ENGLISH_WEEKDAYS.index(name)
    if which:
        return _monday(today) + timedelta(weeks=1, days=weekday), 1
    return since + timedelta(days=(weekday - since.weekday()) % 7), 1


def _weekend(found: Match, today: date, _: date) -> tuple[date, int]:
    weeks = max(found.taken.count("下"), found.taken.count("next"))
    saturday = _monday(today) + timedelta(weeks=weeks, days=5)
    # On a Sunday what is left of the weekend is today.
    return (today, 1) if today > saturday else (saturday, 2)


def _next_week(found: Match, today: date, _: date) -> tuple[date, int]:
    return _monday(today) + timedelta(weeks=max(1, found.taken.count("下"))), 7


def _date(found: Match, _: date, since: date) -> tuple[date, int]:
    year, month, *days = found.groups
    month = integer(month.replace("元", "一"))
    return _dated(year, month, integer(next(filter(None, days))), since), 1


def _dated(year: str | None, month: int, day: int, since: date) -> date:
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


def _year(said: str, today: date) -> int:
    named = {"今": 0, "明": 1, "后": 2, "去": -1, "前": -2}
    return today.year + named[said[0]] if said[0] in named else int(said[:4])


def _english_date(found: Match, _: date, since: date) -> tuple[date, int]:
    month = _ENGLISH_MONTHS.split("|").index(found["m"]) + 1
    return _dated(None, month, int(found["d"]), since), 1


def _day_of_month(found: Match, _: date, since: date) -> tuple[date, int]:
    return _numbered(integer(found["d"]), since), 1


def _numbered(day: int, since: date) -> date:
    if day in range(1, 32):
        for n in range(3):
            month = months_later(since, n)
            first = month + timedelta(days=day - 1)
            if first.month == month.month and first >= since:
                return first
    raise ValueError(day)


def _several_numbered(found: Match, _: date, since: date) -> tuple[date, int]:
    """Read 28-30号 and 11月28、29日: what is not a range is told as one."""
    year, month, first, last = found.groups
    day = integer(first)
    begin = _dated(year, integer(month), day, since) if month else _numbered(day, since)
    end = _numbered(integer(last), begin)
    return begin, (end - begin).days + 1


def _month(found: Match, today: date, _: date) -> tuple[date, int]:
    year, month, part = found.groups
    number = integer(month.replace("元", "一"))
    first = date(_year(year, today) if year else today.year, number, 1)
    if not year and months_later(first, 1) <= today:
        first = first.replace(year=first.year + 1)
    return _part_of(first, part)


def _month_ahead(found: Match, today: date, _: date) -> tuple[date, int]:
    which, part = found.groups
    ahead = which.count("下") if which else 0
    if not which and part in ("初", "上旬") and today.day > _PARTS[part][1]:
        ahead = 1
    return _part_of(months_later(today, ahead), part)


# From which day to which; the last day of a month is not the same in each.
_PARTS = {"初": (1, 5), "上旬": (1, 10), "中": (11, 20), "中旬": (11, 20), "下旬": (21, 31),
          "底": (28, 31), "末": (28, 31)}  # fmt: skip


def _part_of(month: date, part: str | None) -> tuple[date, int]:
    length = (months_later(month, 1) - month).days
    first, last = _PARTS[part] if part else (1, length)
    return month.replace(day=first), min(last, length) - first + 1


def _year_ahead(found: Match, today: date, _: date) -> tuple[date, int]:
    year = _year(found["y"], today)
    return date(year, 1, 1), (date(year + 1, 1, 1) - date(year, 1, 1)).days


def _end_of_year(_: Match, today: date, __: date) -> tuple[date, int]:
    return date(today.year, 12, 29), 3


def _season(found: Match, today: date, _: date) -> tuple[date, int]:
    begins = {"春": 3, "夏": 6, "秋": 9, "冬": 12}[found["s"]]
    said = found["year"]
    years = [_year(said, today)] if said else range(today.year - 1, today.year + 2)
    firsts = [date(year, begins, 1) for year in years]
    first = next((each for each in firsts if months_later(each, 3) > today), firsts[-1])
    return first, (months_later(first, 3) - first).days


def _festival(found: Match, today: date, _: date) -> tuple[date, int]:
    said = found["year"]
    return festival(found["name"], today, _year(said, today) if said else None)


def _new_years_day(found: Match, today: date, __: date) -> tuple[date, int]:
    first, _ = festival("春节", today)
    return first + timedelta(days=integer(found["n"]) - 1), 1


def _festival_names() -> Iterator[str]:
    """Names that contain another one before it."""
    yield from sorted(NAMES, key=len, reverse=True)


_DIGITS = "0123456789"
_ALL_DIGITS = f"{_DIGITS}{DIGITS}十"
_UNITS = "天个点度级℃%元块岁倍折路号院栋楼期"
# Who says 北京一号线 or 五一广场 says no day.
_THINGS = "线楼店院馆门桌公路球广大桥街站"

_NAMES_OF_DAYS: list[_Row] = [
    _Row(
        Pattern(rf"大前[天日]{_HOURS}|前[天日]{_HOURS}|昨(?:[天日儿]个?|晚|夜|早){_HOURS}"), _past
    ),
    _Row(Pattern(r"\b(?:yesterday|last (?:night|week|weekend|month|year))\b"), _past),
    _Row(Pattern(rf"(?:{_COUNT}|几|好几)(?:天|[周日]|个?(?:星期|礼拜|月)|年)(?:之|以)?前"), _past),
    _Row(Pattern(rf"(?:过去|前)的?(?:{_COUNT}|几)(?:天|个?(?:周|星期|礼拜|月)|年)"), _past, "目从"),
    _Row(Pattern(rf"上+一?个?{_WEEK}(?:末|[{_WEEKDAYS}天])?|上+一?个?月|上个?周末"), _past),
    _Row(Pattern(rf"(?:大年|正月|年)初(?P<n>[一二三四五六七八九十]){_HOURS}"), _new_years_day),
    _Row(
        Pattern(
            rf"(?:(?P<year>今年|明年|后年|去年|前年|\d{{4}}年)的?)?"
            rf"(?P<name>{'|'.join(_festival_names())})"
            rf"(?:节|假期|长假|小长假|期间|当天|那天|那几天|前后|快乐){{0,3}}{_HOURS}"
        ),
        _festival,
        not_before="周期拜初第双二三四五六七八九廿" + _DIGITS,
        not_after="月号日个度级起线直" + _THINGS + "上河",
    ),
    _Row(Pattern(r"(?:去年|前年)的?"), _past, not_after="1234567890一二三四五六七八九十"),
    _Row(Pattern(rf"今明后(?:这?三|3)?[天日]?{_HOURS}"), _ahead(0, 3)),
    _Row(Pattern(rf"今明(?:这?[两二2])?[天日晚]?{_HOURS}"), _ahead(0, 2), not_after="年"),
    _Row(Pattern(rf"明后(?:这?[两二2])?[天日]?{_HOURS}"), _ahead(1, 2), not_after="年"),
    _Row(Pattern(rf"(?:大后[天日]|大后儿个?){_HOURS}"), _ahead(3)),
    _Row(Pattern(rf"后(?:[天日]|儿个?|晚){_HOURS}|\b(?:the )?day after tomorrow\b"), _ahead(2)),
    _Row(Pattern(rf"明(?:[天日晚早晨]|儿个?){_HOURS}|\b(?:tomorrow|tmr)\b"), _ahead(1)),
    _Row(
        Pattern(
            rf"(?:{_YEAR}({_DAY})[月/.])?({_DAY})[号日]?\s*(?:-|~|—|到|至|、|和)\s*({_DAY})[号日]"
        ),
        _several_numbered,
        not_before=_ALL_DIGITS + "第.",
        not_after=_THINGS,
    ),
    _Row(
        Pattern(r"()(\d{1,2})[月./](\d{1,2})[日号]?\s*[-~到至、和]\s*(\d{1,2})"),
        _several_numbered,
        not_before=_DIGITS + ".",
        not_after=_DIGITS + "月./" + _UNITS,
    ),
    _Row(
        Pattern(r"()()(\d{1,2})[到至](\d{1,2})"),
        _several_numbered,
        not_before=_DIGITS + ".月-",
        not_after=_DIGITS + "月./" + _UNITS,
    ),
    _Row(
        Pattern(
            rf"{_YEAR}({_DAY}|元)月"
            rf"(?:({_HAN}{{1,3}})[日号]|([二三]十{_HAN}?|十{_HAN})|(\d{{1,2}})[日号]?){_HOURS}"
        ),
        _date,
        not_before=_ALL_DIGITS,
        not_after=_DIGITS + _UNITS,
    ),
    _Row(
        Pattern(rf"(?:(\d{{4}})[-/.])?(\d{{1,2}})[-/.](\d{{1,2}})[日号]?{_HOURS}"),
        _date,
        not_before=_DIGITS + ".",
        not_after=_DIGITS + "./" + _UNITS,
    ),
    _Row(
        Pattern(rf"\b(?P<m>{_ENGLISH_MONTHS})[a-z]{{0,6}}\.? ?(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\b"),
        _english_date,
    ),
    _Row(
        Pattern(
            rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)? (?:of )?(?P<m>{_ENGLISH_MONTHS})[a-z]{{0,6}}\b"
        ),
        _english_date,
    ),
    _Row(Pattern(rf"(?P<n>{_COUNT})日(?:天气)?预报"), _count),
    _Row(
        Pattern(rf"(?P<d>{_DAY})[号日]{_HOURS}"),
        _day_of_month,
        not_before=_ALL_DIGITS + "第.-",
        not_after=_THINGS,
    ),
    _Row(Pattern(rf"过?(?P<n>{_COUNT})[天日](?:之|以)?后{_HOURS}"), _after),
    _Row(Pattern(r"\bin (?P<n>\d{1,3}) days?\b"), _after),
    _Row(Pattern(r"过(?:几|两|2)天"), _ahead(2, 3)),
    _Row(
        Pattern(rf"{_FROM_NOW}(?P<n>{_COUNT})(?:天|\s?days?\b)"),
        _count,
        not_before="第每",
    ),
    _Row(Pattern(rf"{_FROM_NOW}半个?月"), _ahead(0, 15), not_before="上下"),
    _Row(
        Pattern(rf"{_FROM_NOW}(?P<n>{_COUNT})(?:个?(?:星期|礼拜)|周|个周|\s?weeks?\b)"),
        _weeks,
        not_before="第",
        not_after="年" + _WEEKDAYS,
    ),
    _Row(Pattern(rf"{_FROM_NOW}(?P<n>{_COUNT})个月"), _months, not_before="第"),
    _Row(
        Pattern(
            r"这几天|这些天|(?:未来|接下来|最近|近|后面)的?几[天日]|\bnext few days\b"
            r"|最近|近期|近日"
        ),
        _ahead(0, 3),
    ),
    _Row(
        Pattern(rf"{_WHICH_WEEK}{_WEEK}({'|'.join(_RUNS)}){_HOURS}"),
        _weekday,
        not_before="一两二三几",
        not_into=_CITIES,
        not_after="年出落点时号月个天度级十百",
    ),
    _Row(
        Pattern(rf"{_WHICH_WEEK}{_WEEK}([{_WEEKDAYS}天1-7]){_HOURS}"),
        _weekday,
        not_before="一两二三几",
        not_after="年" + _DIGITS,
    ),
    _Row(
        Pattern(
            rf"\b(?:on |this |coming )?(next )?({'|'.join(_ENGLISH_WEEKDAYS)})"
            r"(?:day|sday|nesday|rsday|urday|s|rs|ur)?\b"
        ),
        _english_weekday,
    ),
    _Row(
        Pattern(rf"(?:下+一?个?|这个?|本)?(?:{_WEEK}末|双休日|大周末){_HOURS}"),
        _weekend,
    ),
    _Row(Pattern(r"\b(?:this |on the |the |next )?weekend\b"), _weekend),
    _Row(Pattern(rf"下+一?个?{_WEEK}|\bnext week\b"), _next_week),
    _Row(
        Pattern(rf"(?:未来|接下来|最近|近)?的?(?:这|本|一)一?个?{_WEEK}|\bthis week\b"),
        _ahead(0, 7),
    ),
    _Row(
        Pattern(rf"{_YEAR}({_DAY}|元)月份?(初|中旬|中|上旬|下旬|底|末)?"),
        _month,
        not_before=_ALL_DIGITS,
    ),
    _Row(Pattern(r"(下+一?个?|这个?|本|当)月份?(初|中旬|中|上旬|下旬|底|末)?"), _month_ahead),
    _Row(Pattern(r"()月(初|中旬|上旬|下旬|底|末)"), _month_ahead),
    _Row(Pattern(r"年底|年末"), _end_of_year),
    _Row(
        Pattern(r"(?P<year>今年|明年)?(?P<s>[春夏秋冬])(?:天|季)"),
        _season,
        not_after="广堡",
    ),
    _Row(Pattern(r"(?P<y>明年|后年|\b20\d\d年|\bnext year\b)"), _year_ahead),
    _Row(
        Pattern(
            rf"今(?:[天日晚早晨夜]|儿个?){_HOURS}|当天|现在|此刻|此时|当前|目前|马上|待会儿?|等会儿?|一会儿?|等下"
            r"|\b(?:today|tonight|now|right now|currently)\b"
        ),
        _ahead(0),
    ),
    _Row(
        Pattern(r"早上|早晨|清晨|凌晨|上午|中午|午后|下午|傍晚|晚上|夜里|夜间|半夜"),
        _at_some_hour,
        not_after="茶",
    ),
]
