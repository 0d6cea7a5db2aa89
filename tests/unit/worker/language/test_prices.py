"""Prices are read as people mean them, and never as the opposite."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dingda.worker.language.numerals import integer
from dingda.worker.language.prices import PriceLimit
from dingda.worker.language.text import FoldedText

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


def read(text: str) -> tuple[float | None, float | None, str] | None:
    """The limits in a text, and the rest of it."""
    extracted = PriceLimit.extract(FoldedText.of(text), NOW)
    if extracted is None:
        return None
    limit, left = extracted
    low, high = (None if side is None else float(side) for side in (limit.low, limit.high))
    return low, high, left.rest


@pytest.mark.parametrize(
    ("numeral", "number"),
    [
        ("一百五", 150),
        ("一百五十", 150),
        ("一百零五", 105),
        ("一千五", 1500),
        ("一千零五", 1005),
        ("一千零五十", 1050),
        ("三千二百五", 3250),
        ("一万二", 12000),
        ("一万零二百", 10200),
        ("两万五千", 25000),
        ("十二万", 120_000),
        ("俩百", 200),
        ("二〇〇", 200),
        ("二十五", 25),
        ("十", 10),
        ("40", 40),
    ],
)
def test_numerals_are_read_as_people_mean_them(numeral: str, number: int) -> None:
    assert integer(numeral) == number


@pytest.mark.parametrize(
    ("text", "high"),
    [
        ("一百五以内", 150),
        ("1.5k以内", 1500),
        ("2K以下", 2000),
        ("3千以内", 3000),
        ("3千5以内", 3500),
        ("5万以内", 50_000),
        ("3w以内", 30_000),
        ("1,999以内", 1999),
        ("俩百以内", 200),
        ("300多以内", 400),
        ("两三百以内", 300),
        ("不到400", 400),
        ("400不到", 400),
        ("预算四百", 400),
        ("四百预算", 400),
        ("比400便宜", 400),
        ("不比400贵", 400),
        ("under 400", 400),
        ("below ¥400", 400),
        ("up to 400 yuan", 400),
        ("no more than 400", 400),
        ("not over 400", 400),
        ("400块封顶", 400),
        ("400以上的不要", 400),
        ("不要400以上的", 400),
        ("超过400的就算了", 400),
        ("0元以内", 0),
    ],
)
def test_a_maximum_is_read_however_it_is_worded(text: str, high: float) -> None:
    assert read(f"水壶 {text}") == (None, high, "水壶")


@pytest.mark.parametrize(
    "text",
    [
        "400以上",
        "四百起",
        "400元起步",
        "至少400",
        "起码四百",
        "超过400",
        "超400",
        "不低于400",
        "不少于四百块",
        "别低于400",
        "不止400",
        "比400贵",
        "400以下的不要",
        "有没有超过400的",
        "能不能超过400",
        "over 400",
        "above 400",
        "at least 400",
        "not under 400",
        "no less than 400",
    ],
)
def test_a_minimum_is_read_however_it_is_worded(text: str) -> None:
    limits = read(f"水壶 {text}")
    assert limits is not None
    assert limits[:2] == (400, None)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("200-300", 200, 300),
        ("200～300元", 200, 300),
        ("200到300之间", 200, 300),
        ("两三百", 200, 300),
        ("一两百的", 100, 200),
        ("三到五百", 300, 500),
        ("2-3k", 2000, 3000),
        ("预算2000-3000", 2000, 3000),
        ("100以上200以下", 100, 200),
        ("不低于100不超过200", 100, 200),
        ("不要低于100也不要高于200", 100, 200),
        ("100以上不要超过200", 100, 200),
        ("between 100 and 200", 100, 200),
        ("from 100 to 200", 100, 200),
        ("300多", 300, 400),
        ("350多块", 350, 360),
        ("300+", 300, 400),
        ("十几块", 10, 20),
        ("几十块", 10, 100),
        ("几百块的", 100, 1000),
        ("百元", 100, 200),
        ("千元", 1000, 2000),
        ("50元", 40, 60),
        ("50块钱的", 40, 60),
        ("￥50", 40, 60),
        ("50元左右", 40, 60),
        ("五十上下", 40, 60),
        ("预算五百左右", 400, 600),
        ("大概500", 400, 600),
        ("价格在500左右", 400, 600),
        ("百来块", 80, 120),
    ],
)
def test_a_range_or_a_rough_price_has_two_ends(text: str, low: float, high: float) -> None:
    assert read(f"水壶 {text}") == (low, high, "水壶")


@pytest.mark.parametrize(
    "text",
    [
        "2-3人火锅",
        "1-2岁童装",
        "5-10号电池",
        "5-10 号电池",
        "12-24个月奶粉",
        "27寸显示器",
        "500ml水杯",
        "16g内存",
        "16内存",
        "4k显示器",
        "iphone 15",
        "iphone 15 and 16",
        "iphone 15 pro max 256g",
        "airmax 90",
        "5g手机",
        "100片湿巾",
        "3000w充电器",
        "3M口罩",
        "一块手表",
        "三元牛奶",
        "三只松鼠",
        "100把雨伞",
        "满300减50",
        "20多功能",
        "2024-2025款",
    ],
)
def test_sizes_counts_and_names_are_no_prices(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize(
    ("text", "high", "rest"),
    [
        ("16g内存条 300以内", 300, "16g内存条"),
        ("300以内存储卡", 300, "存储卡"),
        ("4k显示器 2k以内", 2000, "4k显示器"),
        ("iphone 15 pro max 手机壳 30以内", 30, "iphone 15 pro max 手机壳"),
        ("5号电池 20元以内", 20, "5号电池"),
        ("不超过300包包", 300, "包包"),
        ("100元话费 95以内", 95, "100元话费"),
        ("50元键盘不要超过60", 60, "50元键盘"),
    ],
)
def test_a_price_beside_a_size_is_the_price(text: str, high: float, rest: str) -> None:
    assert read(text) == (None, high, rest)


@pytest.mark.parametrize("digits", [8, 30, 400])
def test_a_price_of_very_many_digits_is_capped(digits: int) -> None:
    limits = read(f"{'9' * digits}以内")
    assert limits is not None
    assert limits[1] == pytest.approx(min(Decimal("9" * digits), Decimal(10**8)))


LEADS = ("", "水壶 ", "水壶", "水壶，", "价格", "预算", "最好", "有没有水壶", "贵的买不起，")
DENIALS = [
    "不",
    "别",
    "勿",
    "不要",
    "不能",
    "不可以",
    "不得",
    "别要",
    "不许",
    "不想",
    "不希望",
    "不该",
    "不必",
    "千万别",
    "千万不要",
    "最好别",
    "请勿",
    "尽量不要",
    "可别",
    "都不要",
    "绝不",
    "绝对不能",
    "不准",
    "不会",
    "不愿意",
    "别让价格",
    "不要它",
    "不要给我推",
    "别买",
    "不考虑",
    "不接受",
]
OVER = ("超过", "高于", "超", "大于", "多于", "贵于", "高过", "超出")
UNDER = ("低于", "少于", "小于", "低过")
AMOUNTS = ("300", "三百", "300元", "三百块", "1.5k", "一千五", "¥300", " 300", "3千")
TAILS = ("", " ", "的", "的水壶", "，包邮", " 包邮", "的就行", "吧", "的那种")


@settings(max_examples=500)
@given(
    st.sampled_from(LEADS),
    st.sampled_from(DENIALS),
    st.sampled_from(OVER + UNDER),
    st.sampled_from(AMOUNTS),
    st.sampled_from(TAILS),
)
def test_a_negated_side_is_always_the_other_one(
    lead: str, denial: str, side: str, amount: str, tail: str
) -> None:
    limits = read(f"{lead}{denial}{side}{amount}{tail}")
    assert limits is not None
    is_maximum = limits[0] is None and limits[1] is not None
    assert is_maximum == (side in OVER)


@settings(max_examples=300)
@given(
    st.sampled_from(("not", "no", "never", "don't go", "nothing")),
    st.sampled_from((("over", "max"), ("above", "max"), ("under", "min"), ("below", "min"))),
    st.sampled_from(("kettle ", "a kettle, ")),
)
def test_a_side_negated_in_english_is_the_other_one(
    denial: str, side: tuple[str, str], lead: str
) -> None:
    limits = read(f"{lead}{denial} {side[0]} 300")
    assert limits is not None
    assert limits[:2] == ((None, 300) if side[1] == "max" else (300, None))


@pytest.mark.parametrize(
    "text",
    [
        "白色不要 300以内",
        "贵的不要 300以内",
        "300以内不要红色",
        "300以内的不要太大",
        "300以内别推荐贵的",
        "贵不贵300以内",
        "要不要300以内的",
        "能不能300以内",
        "差不多300以内",
        "要不300以内吧",
    ],
)
def test_a_negation_of_something_else_leaves_a_maximum_alone(text: str) -> None:
    limits = read(text)
    assert limits is not None
    assert limits[:2] == (None, 300)


@pytest.mark.parametrize("text", ["特别超过300的", "级别超过300", "piano over 300"])
def test_words_that_only_look_like_a_negation_leave_a_minimum_alone(text: str) -> None:
    limits = read(text)
    assert limits is not None
    assert limits[:2] == (300, None)


@given(st.text("不别要超过低于以内上下起0123一百千万五元块kw.,-~到的没有千万比贵 ", max_size=25))
def test_any_text_gives_no_limit_or_one_with_at_least_one_side(text: str) -> None:
    limits = read(text)
    assert limits is None or limits[0] is not None or limits[1] is not None
