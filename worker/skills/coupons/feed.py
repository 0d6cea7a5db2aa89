"""The answer: offers as a feed of links, or the sentence that there are none."""

import logging
from collections.abc import Callable, Sequence
from decimal import Decimal

from dingda.skill import MAX_TITLE_CHARS, FeedCard, FeedLink, InvalidReplyError, shorten
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.wish import Wish

logger = logging.getLogger(__name__)

SHOWN = 5
NO_PICTURE_URL = "https://img.alicdn.com/tfs/TB1NwmBEL9TBuNjy1zbXXXpepXa-2400-1218.png"
"""DingTalk's feed wants a picture on every row."""

_AFFILIATE = "（推广）"
"""The links are affiliate ones, and people are told."""


def feed(offers: Sequence[Offer], *, say: Callable[[str], str]) -> FeedCard | None:
    """Show the first five offers that DingTalk can show; None if there are none.

    Args:
        offers: the best first.
        say: puts the bot's own words into the sender's script.
    """
    card: FeedCard | None = None
    for offer in offers:
        shown = card.links if card else ()
        try:
            card = FeedCard((*shown, _link(offer, say)))
        except InvalidReplyError as error:
            # A link that is none or too long, or one too many for DingTalk's size of a reply.
            logger.warning("an offer is left out: %s", error)
        if card and len(card.links) == SHOWN:
            break
    return card


def nothing_found(wish: Wish) -> str:
    """Say what was searched for in vain, in simplified words around what was typed."""
    limits = "".join((_price_limit(wish), "天猫" * wish.tmall, "包邮" * wish.free_shipping))
    remedy = "换个词或放宽价格再试试" if wish.price else "换个词再试试"
    return f"没有找到「{wish.shown}」{limits}的优惠券，{remedy}"


def _link(offer: Offer, say: Callable[[str], str]) -> FeedLink:
    label, completion = f"{_coupon(offer)}¥{_plain(offer.price_yuan)} ", say(_AFFILIATE)
    shop = f" · {offer.shop}" if offer.shop else ""
    room = MAX_TITLE_CHARS - len(label) - len(completion)
    title = shorten(" ".join(f"{offer.title}{shop}".split()), room)
    return FeedLink(f"{label}{title}{completion}", offer.url, offer.picture_url or NO_PICTURE_URL)


def _coupon(offer: Offer) -> str:
    if offer.coupon_yuan <= 0:
        return ""
    if offer.coupon_from_yuan is not None:
        return f"【满{_plain(offer.coupon_from_yuan)}减{_plain(offer.coupon_yuan)}】"
    return f"【券{_plain(offer.coupon_yuan)}】"


def _price_limit(wish: Wish) -> str:
    if wish.price is None:
        return ""
    low, high = wish.price.low, wish.price.high
    if low is not None and high is not None:
        return f"{_plain(low)}到{_plain(high)}元"
    if high is not None:
        return f"{_plain(high)}元以内"
    return "" if low is None else f"{_plain(low)}元以上"


def _plain(yuan: Decimal | float) -> str:
    text = f"{yuan:.2f}"
    return text.rstrip("0").rstrip(".")
