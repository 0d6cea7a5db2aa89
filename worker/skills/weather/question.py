"""What a question about the weather says: of which places, and for which days of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple, Self

from dingda.slots import (
    Day,
    FoldedText,
    FoundDays,
    FoundPlace,
    Pattern,
    Place,
    find_days,
    find_places,
)

LONGEST_NAME = 12

# What is asked, and politeness: no place is looked for in it, so that 知道里昂 is not about 道里.
_PHRASES = Pattern(
    r"请问|麻烦|你好|您好|帮我|帮忙|我想|想要|想|知道|查询|查一下|查查|看一下|看看|看下|查下|告诉我?|一下|今年|实时|最新"
    r"|怎么样|咋样|怎样|如何|会不会|要不要|需不需要|是不是|有没有|多少|什么|好不好|好吗|谢谢啦?|感谢|多谢|辛苦了?"
    r"|天气|气温|温度|预报|情况|状况|不错|真好|很好|挺好|合适|适合|出门|出行|出差|旅游|玩|最[高低]|平均|几度|度数"
    r"|外面|外边|这里|这边|我们?这儿?|咱们?这儿?|我家|老家|家里|公司|学校|本地|当地|楼下|那边|那里|左右|附近"
    r"|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|白天|全天|整天"
    r"|\b(?:what|how|it)'s\b|\b(?:how|is|the|what|whats|will|it|be|like|in|for|of|at|on|to|s|please|tell|me|weather|do|does|i|need|there"
    r"|should|wear|going|degrees?|show|check|get|today|now)\b"
)
_PARTICLE = (
    "我你他她它们在去到从给和与跟及或是的了吗呢吧啊哦嗯呀嘛哈请问查看想要会能有没不也还就都这那哪上里"
    "下来回飞至往离过住对把被让说叫儿行么多最带穿冷热雨雪风伞度"
)
_PARTICLES = Pattern(f"[{_PARTICLE}]+")
_HAN = r"[\p{Han}]"
_BEHIND = Pattern(rf"^{_HAN}+")
_BEFORE = Pattern(rf"{_HAN}+$")
_LISTED = Pattern(rf"[、/\n和与跟及]\s*({_HAN}{{2,8}})")
_LISTED_BEFORE = Pattern(rf"({_HAN}{{2,8}})\s*[、/\n和与跟及]\s*$")
# What does not make another place of the one before it.
_SAME_PLACE = Pattern(
    r"^(?:市|县|区|省|镇|乡|村|市区|城区|县城|古城|古镇|草原|新区|开发区|景区|风景区|地区|一带|周边|郊区|全境|方面|老家"
    r"|旅|玩|出差|自驾|爬山|露营)"
)


class Asked(NamedTuple):
    """One place, and its days."""

    where: Place | str
    """A name if the lexicon lacks it."""
    day: Day | None
    hint: str = ""
    """A place that the name begins with and that may be meant after all."""


@dataclass(frozen=True, slots=True)
class Question:
    """The places that are asked for, with the days of each."""

    label: ClassVar[str] = "城市和日期"

    asked: tuple[Asked, ...] = ()
    day: Day | None = None
    """The days, where no place is named."""

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Read all of it.

        Raises:
            ClarificationNeeded: if several places have a name.
            RefusalError: if the days are in the past, or there is no such day.
        """
        said = find_days(words.folded, now.date())
        text = _blanked(words.folded, [each.span for each in said])
        text = _blanked(text, [found.span for found in _PHRASES.find_all(text)])
        places = _places(text, words)
        if not places and (name := _left(text)):
            places = [_Place(0, len(text), name)]
        days = _days_of(places, said)
        asked = [Asked(each.where, day, each.hint) for each, day in zip(places, days, strict=True)]
        day = None if places else _all_days(said)
        return cls(tuple(dict.fromkeys(asked)), day), FoldedText("", "")


NOWHERE = Question()


class _Place(NamedTuple):
    """A place and where the text names it."""

    start: int
    end: int
    where: Place | str
    hint: str = ""


def _blanked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in spans:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


# Places -----------------------------------------------------------------------------------------


def _places(text: str, words: FoldedText) -> list[_Place]:
    found = find_places(text)
    if not found:
        return _listed(text, words)
    places: list[_Place] = []
    for number, mention in enumerate(found):
        begin = found[number - 1].end if number else 0
        end = found[number + 1].start if number + 1 < len(found) else len(text)
        places += _listed_before(text[begin : mention.start], begin, words) if not number else []
        place = _place(mention, text, words, begin, end)
        # What is named after another place is a spot in that place: 长沙橘子洲.
        if not (number and isinstance(place.where, str) and place.start == begin):
            places.append(place)
        places += _listed(text[mention.end : end], words, mention.end)
    return places


def _place(mention: FoundPlace, text: str, words: FoldedText, begin: int, end: int) -> _Place:
    """The place of a mention, or the name of something that is only named after it."""
    behind = _run(_BEHIND, text[mention.end : end])
    before = _run(_BEFORE, text[begin : mention.start])
    if not mention.is_another_thing:
        named_after = mention.is_county_by_its_short_name and (
            (len(before) == 1 or behind) and not _SAME_PLACE.search(behind)
        )
        if not named_after:
            return _Place(mention.start, mention.end, mention.place(words))
    start, end = mention.start - len(before), mention.end + len(behind)
    return _Place(
        start, end, words.original[start:end], words.original[mention.start : mention.end]
    )


def _run(pattern: Pattern, text: str) -> str:
    """The characters at an edge of a gap up to a particle."""
    found = pattern.search(text)
    if not found:
        return ""
    pieces = _PARTICLES.replace(" ", found.taken).split(" ")
    return pieces[0] if pattern is _BEHIND else pieces[-1]


def _listed(gap: str, words: FoldedText, at: int = 0) -> list[_Place]:
    """Names that a list goes on with behind a place, or that are a list by themselves."""
    return [
        _Place(at + start, at + end, words.original[at + start : at + end])
        for found in _LISTED.find_all(gap)
        for start, end in [found.found.span(1)]
    ]


def _listed_before(gap: str, at: int, words: FoldedText) -> list[_Place]:
    found = _LISTED_BEFORE.search(gap)
    if not found:
        return []
    start, end = found.found.span(1)
    return [_Place(at + start, at + end, words.original[at + start : at + end])]


def _left(text: str) -> str:
    """The name that is left of a text without a place that we know; "" if that is no name."""
    name = " ".join(text.replace("-", " ").split()).strip(",。、!?;:~…·的 ")
    inner = _PARTICLES.replace(" ", name).split()
    if len(inner) == 1 and len(inner[0]) > 1 and not name.isascii():
        name = inner[0]
    return name if 1 < len(name) <= LONGEST_NAME and inner else ""


# The days of each -------------------------------------------------------------------------------


def _days_of(places: Sequence[_Place], said: Sequence[FoundDays]) -> list[Day | None]:
    """The days of each place: those on its side of the others.

    明天北京后天上海 and 北京明天上海后天 are told apart by which comes first.
    """
    if len(said) < 2 or len(places) < 2:  # noqa: PLR2004 - one is everybody's
        return [_all_days(said)] * len(places)
    day_first = said[0].span[0] < places[0].start
    own: list[list[FoundDays]] = [[] for _ in places]
    for each in said:
        own[_owner(each, places, day_first=day_first)].append(each)
    # 明天北京和上海，后天广州: what has no day of its own has its neighbour's.
    days: list[Day | None] = []
    for mine in own if day_first else own[::-1]:
        days.append(_all_days(mine) if mine or not days else days[-1])
    return days if day_first else days[::-1]


def _owner(each: FoundDays, places: Sequence[_Place], *, day_first: bool) -> int:
    if day_first:
        after = (n for n, place in enumerate(places) if place.start >= each.span[1])
        return next(after, len(places) - 1)
    before = [n for n, place in enumerate(places) if place.end <= each.span[0]]
    return before[-1] if before else 0


def _all_days(said: Sequence[FoundDays]) -> Day | None:
    ahead = [each for each in said if each.dates]
    if not said:
        return None
    if not ahead:
        return Day(said[0].dates_ahead())
    return Day(tuple(sorted({day for each in ahead for day in each.dates})))
