"""A wish is read from what people type, in any order and script."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.worker.errors import ClarificationNeeded
from dingda.worker.language.text import FoldedText
from dingda.worker.skills.coupons.wish import MAX_KEYWORD_CHARS, Order, Wish

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


def read(text: str) -> Wish:
    wish, left = Wish.extract(FoldedText.of(text), NOW)
    assert left.rest == ""
    return wish


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("机械键盘", "机械键盘"),
        ("帮我找一下机械键盘", "机械键盘"),
        ("帮我查一下 机械键盘 的优惠券", "机械键盘"),
        ("有没有便宜的耳机", "耳机"),
        ("茶叶多少钱呢", "茶叶"),
        ("鼠标的券吗?", "鼠标"),
        ("罗技 MX Master", "罗技 mx master"),
        ("ＭＸ　鼠标", "mx 鼠标"),
        ("機械鍵盤", "机械键盘"),
        ("美的电饭煲", "美的电饭煲"),
        ("美的", "美的"),
        ("血压检查仪", "血压检查仪"),
    ],
)
def test_the_product_is_what_is_left_without_stop_words(text: str, keyword: str) -> None:
    assert read(text).keyword == keyword


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("机械键盘 200元以内", None, 200),
        ("200元以内的机械键盘", None, 200),
        ("机械键盘 100到200元", 100, 200),
    ],
)
def test_a_price_limit_is_read_and_is_no_part_of_the_product(
    text: str, low: int | None, high: int | None
) -> None:
    wish = read(text)
    assert wish.price is not None
    assert wish.keyword == "机械键盘"
    assert wish.price.low == (None if low is None else Decimal(low))
    assert wish.price.high == (None if high is None else Decimal(high))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("耳机", Order.BEST_COUPON),
        ("便宜点的耳机", Order.CHEAPEST),
        ("耳机 销量最高", Order.BEST_SELLING),
    ],
)
def test_the_order_is_read_from_words_for_it(text: str, order: Order) -> None:
    wish = read(text)
    assert (wish.keyword, wish.order) == ("耳机", order)


def test_tmall_and_free_shipping_are_read() -> None:
    wish = read("天猫 茶叶 包邮")
    assert (wish.keyword, wish.tmall, wish.free_shipping) == ("茶叶", True, True)
    wish = read("茶叶")
    assert (wish.tmall, wish.free_shipping) == (False, False)


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        pytest.param(
            "【淘宝】7天无理由退货 https://m.tb.cn/h.gXyZ12 CZ0001 「红轴机械键盘 87键」\n"
            "点击链接直接打开 或者 淘宝搜索直接打开",
            "红轴机械键盘 87键",
            id="as shared today",
        ),
        pytest.param(
            "【红轴机械键盘 87键】https://m.tb.cn/h.gXyZ12 点击链接，再选择浏览器打开；"
            "或复制这段描述￥AbC123xyz￥后到淘宝",
            "红轴机械键盘 87键",
            id="as shared some years ago",
        ),
        pytest.param("【天猫】红轴键盘", "红轴键盘", id="a mark is no title"),
        pytest.param("【键盘】", "键盘", id="a short title typed by hand"),
    ],
)
def test_a_shared_text_is_searched_by_its_title(text: str, keyword: str) -> None:
    assert read(text).keyword == keyword


@pytest.mark.parametrize(
    "text",
    [
        "",
        "的",
        "帮我找一下",
        "200元以内",
        "包邮",
        "?",
        "https://m.tb.cn/h.gX CZ0001",
        "￥AbC123xyz￥",
    ],
)
def test_without_a_product_there_is_a_question_with_examples(text: str) -> None:
    with pytest.raises(ClarificationNeeded, match="什么商品") as unclear:
        read(text)
    assert "机械键盘 200元以内" in unclear.value.suggestions


def test_words_of_taiwan_can_be_searched_in_those_of_the_mainland() -> None:
    wish = read("無線滑鼠")
    assert wish.keyword == "无线滑鼠"
    assert wish.in_mainland_words().keyword == "无线鼠标"
    assert wish.in_mainland_words().shown == "無線滑鼠"


def test_an_endless_product_is_cut() -> None:
    assert len(read("键" * 400).keyword) == MAX_KEYWORD_CHARS


@given(
    st.text("帮我找一下机械键盘耳 的券吗「」【】¥abc123元以内包邮天猫https://m.tb.cn", max_size=60)
)
def test_whatever_is_typed_is_a_wish_or_a_question(text: str) -> None:
    try:
        wish = read(text)
    except ClarificationNeeded:
        return
    assert wish.keyword
    assert wish.keyword == wish.keyword.strip()
    assert len(wish.shown) <= MAX_KEYWORD_CHARS
