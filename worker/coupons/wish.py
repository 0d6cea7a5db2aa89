"""What somebody wishes to buy, read from how they say it: 便宜的机械键盘 200元以内 包邮."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import ClassVar, Self

from opencc import OpenCC

from worker.errors import UnclearError
from worker.patterns import Pattern
from worker.prices import PriceLimit
from worker.text import Words, fold

MAX_KEYWORD_CHARS = 60
"""Taobao's own titles are no longer."""

_QUESTION = "想找什么商品的优惠券？"
_SUGGESTIONS = ("机械键盘 200元以内", "茶叶 包邮", "耳机")

# What Taobao's app puts around the title that it shares: the link, a code, an instruction.
_SHARED = Pattern(
    r"(?s)https?://\S*(?:\s+[a-z]{2}\d{4}\b)?|¥\w{6,}¥|点击链接.*|复制.{0,4}这[段条].*"
)
_TITLE = Pattern(r"「(?P<title>[^」]+)」")
# Shorter ones are marks such as 【淘宝】 and 【假一赔四】.
_TITLE_OR_MARK = Pattern(r"【(?P<title>[^】]{5,})】")

_TMALL = Pattern(r"天猫超市|天猫")
_FREE_SHIPPING = Pattern(r"包邮")
_CHEAPEST = Pattern(r"便宜点?|低价")
_BEST_SELLING = Pattern(r"销量(?:最?[高好])?|热卖|爆款")
_STOP_WORDS = Pattern(
    r"帮我|帮忙|给我|请问|我?想[买要找]|有没有|有什么|有?优惠券?|(?P<taken>有)(?:[\s券吗]|$)|领券|找券|淘宝客|淘宝|一下|多少钱"
)
# One character alone may be part of a name (美的, 检查), so these only go where a word ends.
_BEFORE_WORD = Pattern(r"(?:^|\s)(?P<taken>(?:[找查买的求]|[一两几]?[个件])+)[\pL_]")
_BEFORE_BLANK = Pattern(r"(?:^|\s)(?P<taken>[找查买的求]+)(?:[^\pL_]|$)")
_WORD = Pattern(r"[^\s?!,。]+")
_AFTER_WORD = "的吗呢券"
_UNNAMING = (
    _TMALL,
    _FREE_SHIPPING,
    _CHEAPEST,
    _BEST_SELLING,
    _STOP_WORDS,
    _BEFORE_WORD,
    _BEFORE_BLANK,
)
"""What names no product, in the order to take it out."""
_EDGES = " \t\r\n,。、!?;:~…·\"'“”‘’()[]【】「」《》"


class Order(Enum):
    """Which offers come first."""

    BEST_COUPON = "best coupon"
    CHEAPEST = "cheapest"
    BEST_SELLING = "best selling"


@dataclass(frozen=True, slots=True)
class Wish:
    """What to search for; a slot, for all of it may stand in any order."""

    label: ClassVar[str] = "商品 价格"

    shown: str
    """The product as it was typed."""
    keyword: str
    """The product as it is searched for: folded, with blanks between words."""
    price: PriceLimit | None = None
    tmall: bool = False
    free_shipping: bool = False
    order: Order = Order.BEST_COUPON

    @classmethod
    def take(cls, words: Words, now: datetime) -> tuple[Self, Words]:
        """Read a wish from all the words.

        Raises:
            UnclearError: if no product is named.
        """
        words = _cut(words, _SHARED)
        title = _TITLE.search(words.shown) or _TITLE_OR_MARK.search(words.shown)
        if title:
            words = words.without(*title.span)
        price = None
        if taken := PriceLimit.take(words, now):
            price, words = taken
        asked_for = words.matched
        shown = _tidy(title["title"]) if title else _product(words)
        if not fold(shown):
            raise UnclearError(_QUESTION, suggestions=_SUGGESTIONS)
        wish = cls(
            shown=shown,
            keyword=fold(shown),
            price=price,
            tmall=bool(_TMALL.search(asked_for)),
            free_shipping=bool(_FREE_SHIPPING.search(asked_for)),
            order=_order(asked_for),
        )
        return wish, Words("", "")

    def in_mainland_words(self) -> Self:
        """The same for who writes as in Taiwan: 滑鼠 is 鼠标 there, not just another script."""
        return replace(self, keyword=fold(_mainland().convert(self.shown)))


def _product(words: Words) -> str:
    for pattern in _UNNAMING:
        words = _cut(words, pattern)
    return _tidy(words.without_all(list(_particles(words.matched))).shown)


def _order(asked_for: str) -> Order:
    if _CHEAPEST.search(asked_for):
        return Order.CHEAPEST
    return Order.BEST_SELLING if _BEST_SELLING.search(asked_for) else Order.BEST_COUPON


def _cut(words: Words, pattern: Pattern) -> Words:
    return words.without_all([found.span for found in pattern.find_all(words.matched)])


def _particles(text: str) -> Iterator[tuple[int, int]]:
    """Where particles stand at the end of words."""
    for word in _WORD.find_all(text):
        begin, end = word.span
        bare = word.taken.rstrip(_AFTER_WORD)
        if bare.endswith("美") and text.startswith("的", begin + len(bare)):
            bare += "的"
        if bare != word.taken:
            yield begin + len(bare), end


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(_EDGES)[:MAX_KEYWORD_CHARS].strip()


@cache
def _mainland() -> OpenCC:
    return OpenCC("tw2sp")
