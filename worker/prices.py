"""Prices, found in a text wherever they stand."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from worker.numerals import NUMERALS, integer
from worker.patterns import Pattern
from worker.text import Words


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """A price range in yuan: 200元以内, 100到200元, 五百块以上. At least one side is set."""

    label: ClassVar[str] = "价格"

    low: Decimal | None
    high: Decimal | None

    @classmethod
    def take(cls, words: Words, now: datetime) -> tuple[Self, Words] | None:  # noqa: ARG003 - a slot's
        """Find a price range."""
        for pattern, side in _PRICES:
            if found := pattern.search(words.matched):
                prices = sorted(map(_price, found.groups))
                return cls(*side(*prices)), words.without(*found.span)
        return None


_YUAN = r"\s*(?:元|块钱?|圆|rmb|¥)?\s*"
_AMOUNT = rf"¥?(\d{{1,7}}(?:\.\d{{1,2}})?|[{NUMERALS}]{{1,6}})"
# No price begins within a word or a number.
_START = r"(?:^|[^a-z\d.])"
_PRICES: list[tuple[Pattern, Callable[..., tuple[Decimal | None, Decimal | None]]]] = [
    (
        Pattern(
            rf"{_START}(?P<taken>{_AMOUNT}{_YUAN}(?:-|~|—|到|至){_YUAN}{_AMOUNT}{_YUAN}"
            r"(?:之间|以?内)?)(?:[^a-z\d]|$)"
        ),
        lambda low, high: (low, high),
    ),
    (Pattern(rf"(?:不低于|不少于|至少|最少){_YUAN}{_AMOUNT}{_YUAN}"), lambda low: (low, None)),
    (
        Pattern(
            rf"(?:不超过|不高于|低于|少于|小于|最多|最高|预算){_YUAN}{_AMOUNT}{_YUAN}(?:以?内)?"
        ),
        lambda high: (None, high),
    ),
    (Pattern(rf"(?:高于|超过|大于|多于){_YUAN}{_AMOUNT}{_YUAN}"), lambda low: (low, None)),
    (
        Pattern(rf"{_START}(?P<taken>{_AMOUNT}{_YUAN}(?:以内|以下|之内|之下|内|封顶))"),
        lambda high: (None, high),
    ),
    (Pattern(rf"{_START}(?P<taken>{_AMOUNT}{_YUAN}(?:以上|之上|起))"), lambda low: (low, None)),
    (
        Pattern(rf"{_START}(?P<taken>{_AMOUNT}{_YUAN}(?:左右|上下))"),
        lambda about: (about * Decimal("0.8"), about * Decimal("1.2")),
    ),
]


def _price(said: str) -> Decimal:
    return Decimal(said) if said[0].isdigit() else Decimal(integer(said))
