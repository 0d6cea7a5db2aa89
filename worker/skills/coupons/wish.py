"""What somebody wishes to buy, read from how they say it: 便宜的机械键盘 200元以内 包邮."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cache
from typing import ClassVar, Self

from opencc import OpenCC

from dingda.skill import ClarificationNeeded
from dingda.slots import FoldedText, Pattern, PriceLimit, fold
from dingda.worker.skills.coupons.share import Share, read_share

_PHONE = "机"
"""What is left of 千元机."""
MAX_KEYWORD_CHARS = 60
"""Taobao's own titles are no longer."""

_QUESTION = "想找什么商品的优惠券？"
ONLY_A_LINK = "只凭链接或口令查不到是什么商品，请把商品的标题发给我"
ONLY_TAOBAO = "只能找淘宝和天猫的优惠券。想找什么商品，请把它的标题发给我"
SUGGESTIONS = ("机械键盘 200元以内", "茶叶 包邮", "耳机")

_TMALL = Pattern(r"天猫超市|天猫")
_FREE_SHIPPING = Pattern(r"包邮")
_CHEAPEST = Pattern(
    r"(?:价格)?最?(?:便宜|低价|实惠|划算)一?[点些]?|价格最低|(?:不要|别|不想|不能)太贵的?"
    r"|\b(?:cheap(?:est)?|lowest price)\b"
)
_BEST_SELLING = Pattern(
    r"(?:月销|销量|人气|好评|评价|口碑|卖[得的])(?:最?[高好多火旺])?|最?(?:热卖|热销|畅销|好卖)|最火|爆款"
    r"|\bbest[ -]?sell(?:ing|ers?)\b"
)
_BEST_COUPON = Pattern(
    r"性价比(?:最?[高好])?|(?:券|优惠|力度|折扣)最[大多高]|(?:最大|大额)(?:[的]?(?P<taken>)[优券折])"
)
_STOP_WORDS = Pattern(
    r"帮我|帮忙|给我|请问|求?推荐|看看|我?想[买要找]|有没有|有什么|有?优惠[券卷劵码]?|(?P<taken>有)(?:[\s券卷劵吗]|$)|领[券卷劵]|找[券卷劵]"
    r"|淘宝客|淘宝|一下|多少钱|[有能]?打折[了吗么不嘛]*|有?折扣|有?满\d*减\d*|最[高低多少]|最好|尽量"
    r"|(?:价格|价位|价钱|预算)(?:[在是要]|不要)*(?:\s|$)|\b(?:coupons?|discounts?)\b"
)
# One character alone may be part of a name (美的, 检查), so these only go where a word ends.
_BEFORE_WORD = Pattern(
    r"(?:^|\s)(?P<taken>(?:[找查买的求要搜]|[给发来]个|[一两几]?[个件款])+)[^\PL月]"
)
_BEFORE_BLANK = Pattern(r"(?:^|\s)(?P<taken>(?:[找查买的求要搜]|[一几]?[个款])+)(?:[^\pL_]|$)")
_HAVING = Pattern(r"(?:^|\s)(?P<taken>有)[^\s机线声色道氧盖源]")
_ENGLISH = Pattern(
    r"^(?P<taken>\s*(?:(?:can you|find|get|show|give|me|please|any|an?|the|some|i (?:want|need)|for"
    r"|on|looking for|are there|is there)\s+)+)"
)
_AFTER_WORD = "的吗呢券卷劵么嘛没"
_WORD_WITH_PARTICLE = Pattern(rf"(?P<taken>[^\s?!,。]*[{_AFTER_WORD}])(?:[\s?!,。]|$)")
_UNNAMING = (
    _TMALL,
    _FREE_SHIPPING,
    _CHEAPEST,
    _BEST_SELLING,
    _BEST_COUPON,
    _STOP_WORDS,
    _ENGLISH,
    _HAVING,
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
    """What to search for; a slot, because its parts may come in any order."""

    label: ClassVar[str] = "商品 价格"

    shown: str
    """The product as it was typed."""
    keyword: str
    """The product as it is searched for: folded, with blanks between words."""
    price: PriceLimit | None = None
    tmall: bool = False
    free_shipping: bool = False
    order: Order = Order.BEST_COUPON
    item_id: str = ""
    """The number of a product whose link was sent; `keyword` is empty if there was nothing else."""

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText]:
        """Read a wish from all the words.

        Raises:
            ClarificationNeeded: if no product is named.
        """
        share = read_share(words)
        price, words = None, share.words
        if taken := PriceLimit.extract(words, now):
            price, words = taken
        asked_for = words.folded
        shown = _tidy(share.title) or _product(words)
        if shown == _PHONE:
            shown = "手机"
        keyword = fold(shown)
        if not keyword and not share.item_id:
            raise ClarificationNeeded(_question(share), suggestions=SUGGESTIONS)
        wish = cls(
            shown=shown,
            keyword=keyword,
            price=price,
            tmall=bool(_TMALL.search(asked_for)),
            free_shipping=bool(_FREE_SHIPPING.search(asked_for)),
            order=_order(asked_for),
            item_id=share.item_id,
        )
        return wish, FoldedText("", "")

    def in_mainland_words(self) -> Self:
        """The same for who writes as in Taiwan: 滑鼠 is 鼠标 there, not just another script."""
        return replace(self, keyword=fold(_mainland().convert(self.shown)))


def _question(share: Share) -> str:
    if share.is_from_elsewhere:
        return ONLY_TAOBAO
    return ONLY_A_LINK if share.is_share else _QUESTION


def _product(words: FoldedText) -> str:
    for pattern in _UNNAMING:
        words = _cut(words, pattern)
    return _tidy(words.without_all(list(_particles(words.folded))).original)


def _order(asked_for: str) -> Order:
    if _CHEAPEST.search(asked_for):
        return Order.CHEAPEST
    return Order.BEST_SELLING if _BEST_SELLING.search(asked_for) else Order.BEST_COUPON


def _cut(words: FoldedText, pattern: Pattern) -> FoldedText:
    return words.without_all([found.span for found in pattern.find_all(words.folded)])


def _particles(text: str) -> Iterator[tuple[int, int]]:
    """The spans of particles at the end of words."""
    for word in _WORD_WITH_PARTICLE.find_all(text):
        begin, end = word.span
        bare = word.taken.rstrip(_AFTER_WORD)
        if bare.endswith("美") and text.startswith("的", begin + len(bare)):
            bare += "的"
        yield begin + len(bare), end


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(_EDGES)[:MAX_KEYWORD_CHARS].strip()


@cache
def _mainland() -> OpenCC:
    return OpenCC("tw2sp")
