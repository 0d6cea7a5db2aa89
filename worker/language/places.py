"""Places, found anywhere in a text: divisions of China, cities of the world.

The lexicon is `worker/language/data/places.json`, which `scripts/build_places.py` makes.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cache
from importlib import resources
from typing import ClassVar, NamedTuple, Self

from dingda.worker.errors import ClarificationNeeded
from dingda.worker.language.patterns import Pattern
from dingda.worker.language.text import FoldedText

WHICH = "「{name}」有好几个，是哪一个？"
_CHINA_TIME = "Asia/Shanghai"
_MAX_SUGGESTIONS = 5
_BETWEEN = " \t\r\n,，、·/的-"
_MOST_PLACES = 12
# Suffixes that make another thing of a place's name: 北海道, 中山公园, 南京西路. But 北京道路结冰
# is about Beijing.
_ANOTHER_THING = Pattern(
    r"^(?:[东南西北中上下内外新老一二三四五六七八九十]{0,3}(?:路(?:[^面上况]|$)|大道|大街|街(?:[^头上]|$)|巷|胡同)"
    r"|道(?:[^路]|$)|公园|广场|陵|岭|河(?:[^南北]|$)|海峡|山(?:[^区上里]|$)|湖|湾|线(?:[^下上]|$)|寺|桥|步行街)"
)
# Suffixes of things that a city probably has, unless they are named after Sun Yat-sen.
_ITS_OWN = Pattern(r"^(?:[东南西北]?站|火车站|高铁站|国际机场|机场|大学|医院|大厦|饭店|酒店)")
_SUN_YAT_SEN = "中山"
_LONGEST_SUFFIX = 8


class Level(IntEnum):
    """The kind of a place: China's from the outside in, then those abroad."""

    PROVINCE = 0
    PREFECTURE = 1
    COUNTY = 2
    ABROAD = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the map.

    >>> @skill.command("时区")
    ... def timezone(place: Place) -> str:
    ...     return f"{place.name}：{place.timezone}"
    >>> asyncio.run(ask(skill, "时区 杭州西湖区")).content
    '西湖区：Asia/Shanghai'
    """

    label: ClassVar[str] = "城市"

    name: str
    """Its usual name, in simplified Chinese where there is one: 北京, 西湖区, Giza."""
    within: str
    """The places around it, which tell namesakes apart: 浙江杭州, 法国; "" for a province."""
    country: str
    """ISO 3166, two letters."""
    latitude: float
    longitude: float
    """Degrees, WGS-84; those of `near` where that is set."""
    timezone: str
    """An IANA name, such as Asia/Shanghai."""
    adcode: str = ""
    """China's six digits for an administrative division; "" elsewhere."""
    near: str = ""
    """The city whose position it has, if its own is unknown: 杭州 for 浙江."""

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Find a place: in 杭州西湖区 the inner one, of two unrelated places the first.

        Raises:
            ClarificationNeeded: if several places have the name; each suggestion means one.
        """
        del now
        found = next(
            (each for each in find_places(words.folded) if not each.is_another_thing), None
        )
        if found is None:
            return None
        place = cls._of(found.chosen(words))
        return place, words.without(found.start, found.end)

    @classmethod
    def _of(cls, entry: "_Entry") -> Self:
        return cls(
            name=entry.full if entry.level is Level.COUNTY else entry.short,
            within="".join(entry.within),
            country=entry.country,
            latitude=entry.latitude,
            longitude=entry.longitude,
            timezone=entry.timezone or _CHINA_TIME,
            adcode=entry.adcode,
            near=entry.near,
        )


class _Entry(NamedTuple):
    """A row of the lexicon."""

    level: Level
    short: str
    full: str
    within: list[str]
    adcode: str
    latitude: float
    longitude: float
    timezone: str
    near: str
    country: str
    other: list[str]
    """All names that a folded text may hold, but those two."""

    @property
    def qualified(self) -> str:
        """A name that no other place has."""
        outer = self.within[-1] if self.within else ""
        # 济南 and 市中区 together would be read as 济南市.
        return f"{outer}{'市' if self.full.startswith('市') else ''}{self.full}"

    def is_in(self, outer: "_Entry") -> bool:
        if self.level < outer.level or self == outer:
            return False
        return outer.short in self.within

    def is_spot_by(self, county: "_Entry") -> bool:
        """Whether it is a well-known spot, no division, that may be in a county: 海淀区中关村."""
        return (
            county.level is Level.COUNTY
            and self.level is Level.PREFECTURE
            and not self.adcode
            and self.within[:1] == county.within[:1]
        )


class FoundPlace(NamedTuple):
    """A name of a place in a text, or of something only named after one.

    >>> words = FoldedText.of("从北京到上海")
    >>> [found.place(words).name for found in find_places(words.folded)]
    ['北京', '上海']
    """

    start: int
    end: int
    entries: Sequence[_Entry]
    is_another_thing: bool = False
    """Whether the text goes on to name another thing: 中山 in 中山公园."""

    def place(self, words: FoldedText) -> Place:
        """The place.

        Raises:
            ClarificationNeeded: if several places have the name; each suggestion means one.
        """
        return Place._of(self.chosen(words))  # noqa: SLF001 - of this module

    def chosen(self, words: FoldedText) -> _Entry:
        """The lexicon's entry; raises what `place` raises."""
        chosen = _choose(words.folded[self.start : self.end], self.entries)
        if len(chosen) == 1:
            return chosen[0]
        before, after = words.original[: self.start], words.original[self.end :]
        suggestions = (f"{before}{each.qualified}{after}".strip() for each in chosen)
        raise ClarificationNeeded(
            WHICH.format(name=words.original[self.start : self.end].strip()),
            suggestions=tuple(suggestions)[:_MAX_SUGGESTIONS],
        )

    @property
    def is_county_by_its_short_name(self) -> bool:
        """Whether it may as well be an ordinary word: 东方 is a city of Hainan."""
        return self.end - self.start <= _SHORT and all(
            e.level is Level.COUNTY for e in self.entries
        )

    @property
    def may_be_within_another(self) -> bool:
        """Whether it is probably a spot in the place right before it: 青岛香港路, 苏州东山."""
        cities = any(e.level is not Level.COUNTY or e.full.endswith("市") for e in self.entries)
        return self.is_another_thing or not cities


_SHORT = 2


def find_places(text: str) -> list[FoundPlace]:
    """Find the places that a text names, in its order; in 杭州西湖区 the inner one.

    A thing named after a place, in the place before it, is left out: 青岛香港路.

    Args:
        text: folded, as in `FoldedText.folded`.

    >>> [(found.start, found.end) for found in find_places("从北京到上海")]
    [(1, 3), (4, 6)]
    """
    found: list[FoundPlace] = []
    end = 0
    while len(found) < _MOST_PLACES and (new := _next_place(text, end)):
        end = new.end
        last = found[-1] if found else None
        if last and (both := _joined(last, new, text)):
            found[-1] = both
        elif not last or last.end < new.start or not new.may_be_within_another:
            found.append(new)
    return found


def _joined(first: FoundPlace, second: FoundPlace, text: str) -> FoundPlace | None:
    """The inner one of two places, if one is a part of the other."""
    if first.is_another_thing or second.is_another_thing:
        return None
    together = first.end == second.start
    inner = [
        e
        for e in second.entries
        for outer in first.entries
        if e.is_in(outer) or (together and e.is_spot_by(outer))
    ]
    outer = [e for e in first.entries for each in second.entries if e.is_in(each)]
    if not (inner or outer) or text[first.end : second.start].strip(_BETWEEN):
        return None
    return FoundPlace(first.start, second.end, _distinct(inner or outer))


@cache
def _lexicon() -> dict[str, list[_Entry]]:
    """Every name, folded, with the places that have it.

    The file's names are folded already: a worker's loop would stand still for 0.15 s otherwise, at
    its first message that may name a place.
    """
    source = (resources.files("dingda.worker.language") / "data" / "places.json").read_text("utf-8")
    lexicon = defaultdict[str, list[_Entry]](list)
    for level, *fields in json.loads(source):
        entry = _Entry(Level(level), *fields)
        for name in {entry.short, entry.full, *entry.other}:
            lexicon[name].append(entry)
    return dict(lexicon)


@cache
def _lengths() -> dict[str, list[int]]:
    """First character → the lengths of the names that begin with it, the longest first."""
    lengths = defaultdict[str, set[int]](set)
    for name in _lexicon():
        lengths[name[0]].add(len(name))
    return {first: sorted(each, reverse=True) for first, each in lengths.items()}


def _distinct(entries: Sequence[_Entry]) -> list[_Entry]:
    return list({(entry.qualified, entry.level): entry for entry in entries}.values())


def _next_place(text: str, start: int) -> FoundPlace | None:
    for at in range(start, len(text)):
        if entries := _longest_name(text, at):
            end, found = entries
            return FoundPlace(at, end, found, _is_another_thing(text, at, end))
    return None


def _longest_name(text: str, at: int) -> tuple[int, Sequence[_Entry]] | None:
    for length in _lengths().get(text[at : at + 1], ()):
        end = at + length
        entries = _lexicon().get(text[at:end])
        if entries and end <= len(text) and not _cuts_a_word(text, at, end):
            return end, entries
    return None


def _is_another_thing(text: str, start: int, end: int) -> bool:
    behind = text[end : end + _LONGEST_SUFFIX]
    if not behind or _longest_name(text, end):  # 北京山东
        return False
    if text[start:end] == _SUN_YAT_SEN and _ITS_OWN.search(behind):
        return True
    return _ANOTHER_THING.search(behind) is not None


def _cuts_a_word(text: str, start: int, end: int) -> bool:
    """Whether a Latin name is part of a longer word, as `lima` is of `climate`."""
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return (_is_latin(text[start]) and _is_latin(before)) or (
        _is_latin(text[end - 1]) and _is_latin(after)
    )


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _choose(name: str, entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """The places that a name probably means, of those that have it."""
    best = min(entry.level for entry in entries)
    outer = [entry for entry in entries if entry.level == best]
    if best is Level.PREFECTURE and len(outer) == 1:
        # The city, and any district of a municipality with this short name: 朝阳 in 北京.
        districts = [
            entry
            for entry in entries
            if entry.level is Level.COUNTY and len(entry.within) == 1 and name == entry.short
        ]
        return [*districts, *outer]
    return outer
