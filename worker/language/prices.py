"""Price limits, found anywhere in a text.

One pattern finds a whole limit: the word for its side (不超过, 以上, under), a negation before it,
one amount or two, and what follows. A negation turns the side over: 不要超过三百 is a maximum.
Where it is doubtful whether a negation belongs to the price, the price is taken for a maximum. An
amount in yuan without a side is meant roughly: 50元的鼠标 costs from 40 to 60.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import ClassVar, NamedTuple, Self

from dingda.worker.language.amounts import (
    ABOUT,
    SEVERAL,
    UNIT_AT_END,
    AmountRange,
    amount_of,
    has_unit,
    money,
    multiple_of,
)
from dingda.worker.language.patterns import Match, Pattern
from dingda.worker.language.text import FoldedText

_MOST_AMOUNTS = 6
"""How many are looked at in one text."""
_LEAST_WITHOUT_UNIT = 10
"""A range below it without a unit, as in 2-3人, counts something else."""

# Negations, which turn a side over --------------------------------------------------------------

# 能不能 asks, 特别 holds the character only: neither denies anything.
_NO_DENIAL = (
    r"(?:[要能会想该得用]不[要能会想该得用]|可以?不可以?|是不是|需不需要|有没有|差不多"
    r"|[特级类分区个]别)"
)
_VERB = (
    r"(?:要|能够?|可以?|得|许|准|想|希望|打算|愿意?|会|应该?|该|宜|必|需要?|用|允许|让|给我?|推荐?|推|买|找"
    r"|看|选|考虑|接受|再|太|它|价格|价钱|单价|总价|预算|花|有|搜|是|be|go|want|cost|anything)"
)
_NOT = (
    r"(?:最好|尽量|一定|请|也|但|又)?(?:不|别|勿|莫|甭|没|未"
    r"|\b(?:not|never|don['’]?t|no|nothing)\b)"
)
_DENIAL = rf"(?:(?:{_NO_DENIAL}(?:\s?{_VERB}){{0,3}}|(?P<denied>{_NOT}(?:\s?{_VERB}){{0,4}}))\s*)?"
# 千万别超过300 names no ten million.
_BY_ALL_MEANS = Pattern(r"(?P<taken>(?:千万)+)[都也要请记]?[别不勿莫甭]")
_DISMISSAL = Pattern(
    r"^(?P<taken>[的都就我也]*(?:不要|不考虑|不看|不买|不行|不接受|别|免谈|除外|排除|太贵|就?算了))"
)
_ENDS = r"[,。!?;:~)吧了哦啊呀哈]|$"
_ENDS_DISMISSAL = Pattern(rf"^(?:\s|推|给|看|{_ENDS})")
_ENDS_CLAUSE = Pattern(rf"^(?:{_ENDS})")

# The sides --------------------------------------------------------------------------------------

_LESS_BEFORE = (
    r"不到|不足|不满|未满|低于|低过|少于|小于|便宜过|最多到?|最高到?|至多|顶多|最贵|上限|封顶|预算|控制[在到]|限价"
    r"|\b(?:under|below|(?:less|lower|cheaper) than|at most|up to|within|budget)\b|<=?|≤"
)
_MORE_BEFORE = (
    r"不止|不只|不下于?|高于|高过|超过|超出|超|大于|多于|贵于|贵过|至少|最少|最低|起码|下限"
    r"|\b(?:over|above|(?:more|higher) than|at least|exceed(?:ing|s)?)\b|>=?|≥"
)
_LESS_AFTER = r"[及或]?(?:以[内下里]|之[内下])|往下|不到|内|封顶|打住|为限|or less|or under|的?预算"
_MORE_AFTER = r"[及或]?[以之]上|往上|朝上|开外|打底|起步?|or more|and up"
_ABOUT_BEFORE = r"大概|大?约|差不多|\baround\b|\babout\b|价格|价位|价钱"
_ABOUT_AFTER = r"左右|上下|前后|的?价位"

# The limit, and what may be beside it -----------------------------------------------------------

_LIMIT = Pattern(
    rf"{_DENIAL}(?:(?:(?P<less>{_LESS_BEFORE})|(?P<more>{_MORE_BEFORE}))[\s:是为在]*)?"
    rf"(?:(?:{_ABOUT_BEFORE})[\s:是为在]*(?P<about>)|(?:在|从|介于|\bbetween|\bfrom)\s*)?{money(1)}"
    rf"(?:\s*(?P<joint>-|–|—|~|到|至|to|and)\s*{money(2)})?"
    rf"(?:\s*(?:(?P<less_after>{_LESS_AFTER})|(?P<more_after>{_MORE_AFTER})"
    rf"|(?P<about_after>{_ABOUT_AFTER})|之间|区间|[级档]))?"
)
_COMPARED = Pattern(rf"{_DENIAL}比{money(1)}[还要更]?(?:(?P<less>便宜|低|少)|(?P<more>贵|高|多))")

# What follows an amount that counts something else, or only looks like the rest of a price.
_COUNTS_ELSE = Pattern(
    r"^(?:[a-z%℃°\d/.-]|小时|装|新款|\s?(?:mm|cm|ml|kg|g|gb|m|w|hz|inch|pcs)\b"
    r"|[人岁号寸片支瓶个件套盒包米克斤升天日月年周层座位口楼双条张只台副卷袋罐桶度瓦码代核尺平间折倍期次段毫厘公"
    r"英磅匹款发粒颗枚节杯本部组对孔色股目安伏把分秒点种键])"
)
_THINGS = Pattern(
    r"^(?:包[邮包]|双肩|台[灯式]|口[红罩]|平[板底]|[杯盒本瓶袋]子|米家|条纹|天[猫丝]|月饼|年货|升降|套装|键盘)"
)
"""Products that begin like what counts something."""
_IN_A_WORD = Pattern(
    r"(?:^|[^以之])(?:元[宵旦素件气宝祖]|块[装入状]|刀[头片架具]|多[功层口用彩屏色媒模]|内[存衣裤胆置部容外页芯饰增蒙搭]"
    r"|起[子重泡床动球点亮])$"
)
_PART_OF_A_NUMBER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.")
_COUPONS_OWN = frozenset("满减返送抵省")
"""满300减50 is a coupon, not a wish."""
_ENDS_AMOUNT = Pattern(r"^(?:的|\s|,|。|$)")


class _Limit(NamedTuple):
    low: Decimal | None
    high: Decimal | None
    spans: tuple[tuple[int, int], ...]
    is_explicit: bool
    """Whether it names a side or a range; one that does has precedence over an amount alone."""


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """A price range in yuan: 200元以内, 100到200元, 五百块以上. At least one side is set.

    >>> @skill.command("键盘")
    ... def keyboards(limit: PriceLimit) -> str:
    ...     return f"不超过 {limit.high} 元"
    >>> asyncio.run(ask(skill, "键盘 200元以内")).content
    '不超过 200 元'
    """

    label: ClassVar[str] = "价格"

    low: Decimal | None
    high: Decimal | None

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:  # noqa: ARG003 - a slot's
        """Find a price range: the first that names its side, else the first amount in yuan."""
        words = words.without_all([found.span for found in _BY_ALL_MEANS.find_all(words.folded)])
        limits = sorted(_limits(words.folded), key=lambda limit: not limit.is_explicit)
        if not limits:
            return None
        limit = limits[0]
        for other in limits[1:]:
            limit = _combine(limit, other)
        return cls(limit.low, limit.high), words.without_all(sorted(limit.spans))


def _combine(limit: _Limit, other: _Limit) -> _Limit:
    """Combine two limits, as in 100以上200以下, if each names another side."""
    low = limit.low if limit.low is not None else other.low
    high = limit.high if limit.high is not None else other.high
    is_same = (limit.low, limit.high) == (other.low, other.high)
    are_sides = (
        other.is_explicit and None in (limit.low, limit.high) and None in (other.low, other.high)
    )
    if is_same or (are_sides and low is not None and high is not None and low <= high):
        return _Limit(low, high, (*limit.spans, *other.spans), is_explicit=True)
    return limit


def _limits(text: str) -> Iterator[_Limit]:
    for found in islice(_COMPARED.find_all(text), _MOST_AMOUNTS):
        amount = amount_of(found, 1)
        is_less = (found["less"] is not None) != (found["denied"] is not None)
        yield _sided(amount, found.span, is_less=is_less)
    for found in islice(_LIMIT.find_all(text), _MOST_AMOUNTS):
        if limit := _limit(found, text):
            yield limit


def _sided(amount: AmountRange, span: tuple[int, int], *, is_less: bool) -> _Limit:
    low, high = (None, amount.high) if is_less else (amount.low, None)
    return _Limit(low, high, (span,), is_explicit=True)


def _limit(found: Match, text: str) -> _Limit | None:
    begin, end = found.span
    if text[begin:end].isdigit():
        return None
    before = text[begin - 1 : begin]
    if before in _COUPONS_OWN or (text[begin] in _PART_OF_A_NUMBER and before in _PART_OF_A_NUMBER):
        return None
    if _IN_A_WORD.search(text[max(0, end - 2) : end + 1]):
        return None
    dismissal = _DISMISSAL.search(text[end : end + 12])
    first = amount_of(found, 1)
    is_less = _is_less(found)
    if found["number2"]:
        return _between(found, text[begin:end], text[end : end + 6], first)
    if is_less is None:
        return _roughly(found, (begin, end), text[end : end + 6], first)
    if dismissal and _dismisses(found, dismissal.taken, text[end:]):
        end += len(dismissal.taken)
        return _sided(first, (begin, end), is_less=not is_less)
    if not has_unit(found, 1) and not _follows(found) and _counts_else(text[end : end + 6]):
        return None
    return _sided(first, (begin, end), is_less=is_less)


def _counts_else(behind: str) -> bool:
    return bool(_COUNTS_ELSE.search(behind)) and not _THINGS.search(behind)


def _follows(found: Match) -> bool:
    """Whether words after the amount say that it is a price."""
    return any(found[name] for name in ("less_after", "more_after", "about_after"))


def _is_less(found: Match) -> bool | None:
    """Whether it is a maximum rather than a minimum; None if no side is named."""
    denied = found["denied"]
    if found["about_after"] or found["about"] is not None:
        return None
    says_before = found["less"] or found["more"]
    if says_before and (denied or not (found["less_after"] or found["more_after"])):
        return bool(found["less"]) != bool(denied)
    if found["more_after"]:
        return bool(denied and denied != "不")
    if found["less_after"]:
        # 白色不要 300以内: a separate negation belongs to the words before it.
        glued = denied and denied != "不" and not found.taken[len(denied)].isspace()
        return not glued
    return None


def _dismisses(found: Match, dismissal: str, rest: str) -> bool:
    """Whether a 不要 after the price belongs to it: 超过300的不要."""
    behind = rest[len(dismissal) : len(dismissal) + 1]
    if _is_less(found) is False:
        return bool(_ENDS_DISMISSAL.search(behind))
    is_of_it = dismissal[0] in "的都" and "太贵" not in dismissal
    return is_of_it and bool(_ENDS_CLAUSE.search(behind) or behind.isspace())


def _between(found: Match, typed: str, behind: str, first: AmountRange) -> _Limit | None:
    second = amount_of(found, 2)
    unit = UNIT_AT_END.search(found["number2"])
    is_short = first.high < _LEAST_WITHOUT_UNIT and not UNIT_AT_END.search(found["number1"])
    if unit and is_short and not has_unit(found, 1):  # 2-3千, 三到五百
        first = AmountRange(*(bound * multiple_of(unit.taken) for bound in first))
    low, high = sorted((first.low, second.high))
    if found["denied"] or (found["joint"] == "and" and "between" not in typed):
        return None
    # 5-10 号电池, but 100-200 双肩包
    close = behind.lstrip() if high < 10 * _LEAST_WITHOUT_UNIT else behind
    counts_else = high < _LEAST_WITHOUT_UNIT or _counts_else(close)
    if counts_else and not has_unit(found, 2) and not has_unit(found, 1):
        return None
    begin = found.span[0]
    return _Limit(low, high, ((begin, begin + len(typed)),), is_explicit=True)


def _roughly(
    found: Match, span: tuple[int, int], behind: str, amount: AmountRange
) -> _Limit | None:
    """Read an amount without a side, if it is a price at all."""
    number, odd = found["number1"], found["odd1"]
    is_about = found["about_after"] or found["about"] is not None
    is_explicit = bool(is_about and (has_unit(found, 1) or not _counts_else(behind)))
    if found["denied"] or not (is_explicit or _is_price(found, behind)):
        return None
    low, high = amount
    if number in "百千万" and not is_about and not odd:  # 千元机
        high = low * 2
    elif amount.is_exact:
        low, high = low * (1 - ABOUT), low * (1 + ABOUT)
    return _Limit(low, high, (span,), is_explicit=is_explicit)


def _is_price(found: Match, behind: str) -> bool:
    number, odd, unit = found["number1"], found["odd1"], found["unit1"]
    if found["currency1"] or found["tenth1"]:
        return True
    if unit:
        # 三元 is a brand, 一块 counts; 3元 and 三块钱 are prices.
        small = amount_of(found, 1).high < _LEAST_WITHOUT_UNIT
        return not small or unit == "块钱" or (number.isdigit() and unit != "块") or number == "几"
    if odd in ("多", "出头") or (
        odd == "+" and amount_of(found, 1).low >= 10 * _LEAST_WITHOUT_UNIT
    ):
        return not _counts_else(behind)
    is_rough = number[0] in "几数好上" and len(number) > 1
    if SEVERAL.search(number) and number[-1] != "十":
        return not _counts_else(behind)
    return is_rough and bool(_ENDS_AMOUNT.search(behind))
