"""Offers are shown as a feed that DingTalk takes."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.reply import MAX_BODY_BYTES, MAX_TITLE_CHARS, FeedCard, to_body
from dingda.slots import PriceLimit
from dingda.worker.skills.coupons.feed import NO_PICTURE_URL, SHOWN, feed, nothing_found
from dingda.worker.skills.coupons.offer import Offer
from dingda.worker.skills.coupons.wish import Wish


def an_offer(**fields: Any) -> Offer:
    made: dict[str, Any] = {
        "title": "机械键盘",
        "url": "https://coupons.example.com/1",
        "price_yuan": Decimal("59.90"),
        "coupon_yuan": Decimal("20.00"),
        "picture_url": "https://img.example.com/1.jpg",
    }
    return Offer(**made | fields)


def card(*offers: Offer) -> FeedCard:
    shown = feed(offers, say=str)
    assert shown is not None
    return shown


def title(**fields: Any) -> str:
    return card(an_offer(**fields)).links[0].title


def test_a_row_tells_the_coupon_the_price_after_it_the_shop_and_that_it_is_an_advertisement() -> (
    None
):
    assert title(shop="敲敲外设") == "【券20】¥59.9 机械键盘 · 敲敲外设（推广）"


def test_a_row_leads_to_the_coupon_and_has_a_picture() -> None:
    link = card(an_offer()).links[0]
    assert link.url == "https://coupons.example.com/1"
    assert link.picture_url == "https://img.example.com/1.jpg"


def test_an_offer_without_a_picture_gets_one() -> None:
    assert card(an_offer(picture_url="")).links[0].picture_url == NO_PICTURE_URL


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"coupon_yuan": Decimal(0)}, "¥59.9 "),
        ({"coupon_yuan": Decimal("7.50")}, "【券7.5】¥59.9 "),
        ({"price_yuan": Decimal(200)}, "【券20】¥200 "),
        ({"coupon_from_yuan": Decimal(299)}, "【满299减20】¥59.9 "),
    ],
)
def test_money_is_written_short(fields: dict[str, Any], label: str) -> None:
    assert title(**fields).startswith(f"{label}机械")


def test_five_offers_are_shown_and_the_rest_is_not() -> None:
    offers = [an_offer(title=f"第{n}个") for n in range(9)]
    shown = card(*offers).links
    assert len(shown) == SHOWN
    assert "第0个" in shown[0].title


@pytest.mark.parametrize(
    "url", ["", "//s.click.taobao.com/t", "javascript:alert(1)", "https://x/" + "a" * 3000]
)
def test_an_offer_that_dingtalk_could_not_open_is_left_out(url: str) -> None:
    shown = card(an_offer(url=url, title="坏的"), an_offer(title="好的")).links
    assert [link.title for link in shown] == ["【券20】¥59.9 好的（推广）"]


def test_without_offers_there_is_no_feed() -> None:
    assert feed([], say=str) is None


def test_the_bots_own_words_are_in_the_senders_script() -> None:
    shown = feed([an_offer()], say=lambda text: text.replace("广", "廣"))
    assert shown is not None
    assert shown.links[0].title.endswith("（推廣）")


# How long it takes says how busy the machine is.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            an_offer,
            title=st.text(max_size=300),
            shop=st.text(max_size=50),
            url=st.integers(0, 2100).map(lambda size: "https://x/" + "a" * size),
            picture_url=st.integers(0, 2100).map(lambda size: "https://x/" + "a" * size),
        ),
        max_size=8,
    )
)
def test_whatever_a_backend_offers_dingtalk_takes_the_feed(offers: list[Offer]) -> None:
    shown = feed(offers, say=str)
    if shown is not None:
        assert len(to_body(shown)) <= MAX_BODY_BYTES
        assert all(len(link.title) <= MAX_TITLE_CHARS for link in shown.links)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({}, "没有找到「键盘」的优惠券，换个词再试试"),
        (
            {"price": PriceLimit(None, Decimal(200))},
            "没有找到「键盘」200元以内的优惠券，换个词或放宽价格再试试",
        ),
        (
            {"price": PriceLimit(Decimal(100), Decimal(200)), "tmall": True, "free_shipping": True},
            "没有找到「键盘」100到200元天猫包邮的优惠券，换个词或放宽价格再试试",
        ),
        (
            {"price": PriceLimit(Decimal("99.5"), None)},
            "没有找到「键盘」99.5元以上的优惠券，换个词或放宽价格再试试",
        ),
    ],
)
def test_a_vain_search_says_what_was_searched_for(wish: dict[str, Any], sentence: str) -> None:
    assert nothing_found(Wish(shown="键盘", keyword="键盘", **wish)) == sentence
