"""Places, found in a text wherever they stand: divisions of China, cities of the world.

The lexicon is `worker/data/places.json`, which `scripts/build_places.py` makes.
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

from worker.errors import UnclearError
from worker.text import Words

WHICH = "「{name}」有好几个，是哪一个？"
_CHINA_TIME = "Asia/Shanghai"
_MAX_SUGGESTIONS = 5
_BETWEEN = " \t\r\n,，、·/的-"


class Level(IntEnum):
    """What kind of place it is, from the outside in."""

    PROVINCE = 0
    PREFECTURE = 1
    COUNTY = 2
    ABROAD = 3


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the map."""

    label: ClassVar[str] = "城市"

    name: str
    """As people call it, in simplified Chinese where there is a name: 北京, 西湖区, Giza."""
    within: str
    """What it is part of, to tell it from its namesakes: 浙江杭州, 法国; "" for a province."""
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
    """The city whose position it has, if its own is not known: 杭州 for 浙江."""

    @classmethod
    def take(cls, words: Words, now: datetime) -> tuple[Self, Words] | None:
        """Find a place; of 杭州西湖区 the inner one, of two that have nothing in common the first.

        Raises:
            UnclearError: if several places are called that; each suggestion means one of them.
        """
        del now
        mention = _first_mention(words.matched)
        if mention is None:
            return None
        start, end, entries = mention
        chosen = _choose(words.matched[start:end], entries)
        if len(chosen) == 1:
            return cls._of(chosen[0]), words.without(start, end)
        before, after = words.shown[:start], words.shown[end:]
        suggestions = (f"{before}{each.qualified}{after}".strip() for each in chosen)
        raise UnclearError(
            WHICH.format(name=words.shown[start:end].strip()),
            suggestions=tuple(suggestions)[:_MAX_SUGGESTIONS],
        )

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

    @property
    def qualified(self) -> str:
        """A name that no other place has."""
        outer = self.within[-1] if self.within else ""
        # 济南市中区 would be read as a part of 济南市.
        return f"{outer}{'市' if self.full.startswith('市') else ''}{self.full}"

    def is_in(self, outer: "_Entry") -> bool:
        if outer.level is Level.ABROAD or self.level <= outer.level:
            return False
        return outer.short in self.within


class _Mention(NamedTuple):
    start: int
    end: int
    entries: Sequence[_Entry]


@cache
def _lexicon() -> dict[str, list[_Entry]]:
    """Every name, as it is matched, with the places that have it."""
    source = (resources.files("worker") / "data" / "places.json").read_text("utf-8")
    lexicon = defaultdict[str, list[_Entry]](list)
    for level, *fields in json.loads(source):
        entry = _Entry(Level(level), *fields)
        for name in dict.fromkeys((entry.short, entry.full, *entry.other)):
            lexicon[Words.of(name).matched].append(entry)
    return dict(lexicon)


@cache
def _lengths() -> dict[str, list[int]]:
    """How long the names are that begin with a character, the longest first."""
    lengths = defaultdict[str, set[int]](set)
    for name in _lexicon():
        lengths[name[0]].add(len(name))
    return {first: sorted(each, reverse=True) for first, each in lengths.items()}


def _first_mention(text: str) -> _Mention | None:
    """The first place in a text, with those behind it that are parts of it or hold it."""
    first = _next_mention(text, 0)
    while first and (behind := _next_mention(text, first.end)):
        inner = [e for e in behind.entries for outer in first.entries if e.is_in(outer)]
        outer = [e for e in first.entries for each in behind.entries if e.is_in(each)]
        if not (inner or outer) or text[first.end : behind.start].strip(_BETWEEN):
            break
        first = _Mention(first.start, behind.end, _distinct(inner or outer))
    return first


def _distinct(entries: Sequence[_Entry]) -> list[_Entry]:
    return list({(entry.qualified, entry.level): entry for entry in entries}.values())


def _next_mention(text: str, start: int) -> _Mention | None:
    for at in range(start, len(text)):
        for length in _lengths().get(text[at], ()):
            end = at + length
            entries = _lexicon().get(text[at:end])
            if entries and end <= len(text) and not _cuts_a_word(text, at, end):
                return _Mention(at, end, entries)
    return None


def _cuts_a_word(text: str, start: int, end: int) -> bool:
    """Latin names stand alone, or `lima` would be found in `climate`."""
    before, after = text[max(start - 1, 0) : start], text[end : end + 1]
    return (_is_latin(text[start]) and _is_latin(before)) or (
        _is_latin(text[end - 1]) and _is_latin(after)
    )


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()


def _choose(name: str, entries: Sequence[_Entry]) -> Sequence[_Entry]:
    """Of the places that a name may mean those that it probably does."""
    best = min(entry.level for entry in entries)
    outer = [entry for entry in entries if entry.level == best]
    if best is Level.PREFECTURE and len(outer) == 1:
        # A city, unless a district of a great city is as well known: 朝阳 in 北京.
        districts = [
            entry
            for entry in entries
            if entry.level is Level.COUNTY and len(entry.within) == 1 and name == entry.short
        ]
        return [*districts, *outer]
    return outer
