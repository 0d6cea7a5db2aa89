"""Days, periods and prices are found as people type them."""

from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.slots import Day, Period, PriceLimit
from dingda.worker.errors import RefusalError
from dingda.worker.language.text import FoldedText

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Monday


@pytest.mark.parametrize(
    ("text", "first", "count", "rest"),
    [
        ("今天", (11, 23), 1, ""),
        ("北京今晚", (11, 23), 1, "北京"),
        ("明天 北京", (11, 24), 1, "北京"),
        ("明天天气", (11, 24), 1, "天气"),
        ("後天", (11, 25), 1, ""),
        ("大后天", (11, 26), 1, ""),
        ("三天后", (11, 26), 1, ""),
        ("3天后", (11, 26), 1, ""),
        ("周一", (11, 23), 1, ""),
        ("週六", (11, 28), 1, ""),
        ("星期天", (11, 29), 1, ""),
        ("礼拜日", (11, 29), 1, ""),
        ("下周一", (11, 30), 1, ""),
        ("下週三", (12, 2), 1, ""),
        ("本周五", (11, 27), 1, ""),
        ("周末", (11, 28), 2, ""),
        ("下周末", (12, 5), 2, ""),
        ("未来三天", (11, 23), 3, ""),
        ("未来5天", (11, 23), 5, ""),
        ("7天", (11, 23), 7, ""),
        ("七天", (11, 23), 7, ""),
        ("一周", (11, 23), 7, ""),
        ("未来一周", (11, 23), 7, ""),
        ("这周", (11, 23), 7, ""),
        ("这几天", (11, 23), 3, ""),
        ("25号", (11, 25), 1, ""),
        ("二十五号", (11, 25), 1, ""),
        ("11月25日", (11, 25), 1, ""),
        ("十二月一号", (12, 1), 1, ""),
        ("2026-11-25", (11, 25), 1, ""),
        ("today", (11, 23), 1, ""),
        ("周五到周日", (11, 27), 3, ""),
        ("明后两天", (11, 24), 2, ""),
        ("周六日", (11, 28), 2, ""),
        ("下周", (11, 30), 7, ""),
        ("半个月", (11, 23), 15, ""),
        ("100天", (11, 23), 100, ""),
        ("11.28-11.30", (11, 28), 3, ""),
        ("nov 28", (11, 28), 1, ""),
        ("next monday", (11, 30), 1, ""),
        ("双十二", (12, 12), 1, ""),
        ("冬至", (12, 22), 1, ""),
        ("昨天到明天", (11, 23), 2, ""),
        ("tomorrow", (11, 24), 1, ""),
    ],
)
def test_days_are_found(text: str, first: tuple[int, int], count: int, rest: str) -> None:
    extracted = Day.extract(FoldedText.of(text), NOW)
    assert extracted is not None
    day, left = extracted
    assert (day.first, day.count) == (date(2026, *first), count)
    assert left.rest == rest


def test_a_day_of_the_month_that_is_over_is_next_months() -> None:
    extracted = Day.extract(FoldedText.of("5号"), NOW)
    assert extracted is not None
    assert extracted[0].first == date(2026, 12, 5)


def test_a_date_that_is_over_is_next_years() -> None:
    extracted = Day.extract(FoldedText.of("1月2日"), NOW)
    assert extracted is not None
    assert extracted[0].first == date(2027, 1, 2)


def test_on_a_sunday_the_weekend_is_today() -> None:
    extracted = Day.extract(FoldedText.of("周末"), NOW.replace(day=29))
    assert extracted is not None
    assert extracted[0].dates == (date(2026, 11, 29),)


@pytest.mark.parametrize(
    "text", ["昨天", "前天", "昨晚", "2025-11-25", "上周五", "去年今天", "三天前", "last week"]
)
def test_a_day_in_the_past_is_refused(text: str) -> None:
    with pytest.raises(RefusalError, match="已经过去了"):
        Day.extract(FoldedText.of(text), NOW)


@pytest.mark.parametrize("text", ["2月30日", "13月1日", "99号"])
def test_a_day_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(RefusalError, match="没有「"):
        Day.extract(FoldedText.of(text), NOW)


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("周二和周四", ["11-24", "11-26"]),
        ("明天、大后天", ["11-24", "11-26"]),
        ("下周一、周三", ["11-30", "12-02"]),
    ],
)
def test_a_list_of_days_holds_no_days_between_them(text: str, dates: list[str]) -> None:
    extracted = Day.extract(FoldedText.of(text), NOW)
    assert extracted is not None
    assert [f"{day:%m-%d}" for day in extracted[0].dates] == dates


def test_of_days_that_are_not_joined_the_first_is_meant() -> None:
    extracted = Day.extract(FoldedText.of("明天北京后天上海"), NOW)
    assert extracted is not None
    assert extracted[0].dates == (date(2026, 11, 24),)


# As the State Council announced them, or the almanac has them.
@pytest.mark.parametrize(
    ("text", "year", "day"),
    [
        ("春节", 2026, date(2026, 2, 17)),
        ("除夕", 2026, date(2026, 2, 16)),
        ("元宵节", 2026, date(2026, 3, 3)),
        ("清明", 2026, date(2026, 4, 5)),
        ("端午", 2026, date(2026, 6, 19)),
        ("七夕", 2026, date(2026, 8, 19)),
        ("中秋", 2026, date(2026, 9, 25)),
        ("重阳", 2026, date(2026, 10, 18)),
        ("春节", 2027, date(2027, 2, 6)),
        ("中秋", 2027, date(2027, 9, 15)),
        ("母亲节", 2027, date(2027, 5, 9)),
        ("感恩节", 2027, date(2027, 11, 25)),
    ],
)
def test_festivals_are_on_the_days_of_the_calendar(text: str, year: int, day: date) -> None:
    extracted = Day.extract(FoldedText.of(text), NOW.replace(year=year, month=1, day=20))
    assert extracted is not None
    assert extracted[0].first == day


def test_a_festival_that_has_begun_is_meant_until_it_ends() -> None:
    extracted = Day.extract(FoldedText.of("国庆"), NOW.replace(month=10, day=5))
    assert extracted is not None
    assert extracted[0].dates == tuple(date(2026, 10, day) for day in (5, 6, 7))


@pytest.mark.parametrize(
    "text", ["", "北京", "weather shanghai", "天气", "snow", "一号线", "五一广场", "气温36.5度"]
)
def test_no_day_is_found_in_a_text_without_one(text: str) -> None:
    assert Day.extract(FoldedText.of(text), NOW) is None


@pytest.mark.parametrize(
    ("text", "key", "shown"),
    [
        ("本月", "2026-11", "2026年11月"),
        ("这个月", "2026-11", "2026年11月"),
        ("上个月", "2026-10", "2026年10月"),
        ("上月", "2026-10", "2026年10月"),
        ("上上个月", "2026-09", "2026年9月"),
        ("十月", "2026-10", "2026年10月"),
        ("10月份", "2026-10", "2026年10月"),
        ("十二月", "2025-12", "2025年12月"),
        ("去年三月", "2025-03", "2025年3月"),
        ("2026年9月", "2026-09", "2026年9月"),
        ("2026-09", "2026-09", "2026年9月"),
        ("本季度", "2026-Q4", "2026年第四季度"),
        ("上季度", "2026-Q3", "2026年第三季度"),
        ("上個季度", "2026-Q3", "2026年第三季度"),
        ("Q3", "2026-Q3", "2026年第三季度"),
        ("2025年Q4", "2025-Q4", "2025年第四季度"),
        ("2025Q4", "2025-Q4", "2025年第四季度"),
        ("去年第四季度", "2025-Q4", "2025年第四季度"),
        ("第二季度", "2026-Q2", "2026年第二季度"),
        ("今年", "2026", "2026年"),
        ("去年", "2025", "2025年"),
        ("2024年", "2024", "2024年"),
        ("24年", "2024", "2024年"),
        ("大前年", "2023", "2023年"),
        ("上半年", "2026-H1", "2026年上半年"),
        ("去年下半年", "2025-H2", "2025年下半年"),
        ("25年三季度", "2025-Q3", "2025年第三季度"),
        ("年终", "2026", "2026年"),
        ("全年", "2026", "2026年"),
        ("last month", "2026-10", "2026年10月"),
    ],
)
def test_periods_are_found(text: str, key: str, shown: str) -> None:
    extracted = Period.extract(FoldedText.of(f"张三 {text}"), NOW)
    assert extracted is not None
    period, left = extracted
    assert (period.key, period.shown, left.rest) == (key, shown, "张三")


def test_in_january_last_month_and_last_quarter_are_last_years() -> None:
    january = NOW.replace(month=1)
    keys = [Period.extract(FoldedText.of(text), january) for text in ("上个月", "上季度")]
    assert [each and each[0].key for each in keys] == ["2025-12", "2025-Q4"]


@pytest.mark.parametrize("text", ["2027年", "2026年12月", "明年", "下个月", "下季度"])
def test_a_period_that_has_not_begun_is_refused(text: str) -> None:
    with pytest.raises(RefusalError, match="还没有到"):
        Period.extract(FoldedText.of(text), NOW)


def test_the_end_of_the_year_is_the_last_one_until_june() -> None:
    extracted = Period.extract(FoldedText.of("年终"), NOW.replace(month=2))
    assert extracted is not None
    assert extracted[0].key == "2025"


@pytest.mark.parametrize("text", ["上周", "本周", "昨天"])
def test_a_period_shorter_than_a_month_is_refused(text: str) -> None:
    with pytest.raises(RefusalError, match="只能按月、季度、半年或年查"):
        Period.extract(FoldedText.of(text), NOW)


def test_a_month_that_does_not_exist_is_refused() -> None:
    with pytest.raises(RefusalError, match="没有「13月」"):
        Period.extract(FoldedText.of("13月"), NOW)


@pytest.mark.parametrize("text", ["", "张三", "我的绩效"])
def test_no_period_is_found_in_a_text_without_one(text: str) -> None:
    assert Period.extract(FoldedText.of(text), NOW) is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("200元以内", None, "200"),
        ("200以下", None, "200"),
        ("两百块以内", None, "200"),
        ("不超过99.9元", None, "99.9"),
        ("预算500", None, "500"),
        ("一百五十元内", None, "150"),
        ("100到200元", "100", "200"),
        ("100-200", "100", "200"),
        ("200元至100元", "100", "200"),
        ("一百到两百块", "100", "200"),
        ("300元以上", "300", None),
        ("至少300", "300", None),
        ("超过50块钱", "50", None),
        ("100元左右", "80", "120"),
        ("一万元以内", None, "10000"),
    ],
)
def test_prices_are_found(text: str, low: str | None, high: str | None) -> None:
    extracted = PriceLimit.extract(FoldedText.of(f"键盘 {text}"), NOW)
    assert extracted is not None
    price, left = extracted
    assert (price.low, price.high) == (low and Decimal(low), high and Decimal(high))
    assert left.rest == "键盘"


@pytest.mark.parametrize("text", ["iphone 15", "mx-3", "200", "a4纸"])
def test_a_number_alone_is_no_price(text: str) -> None:
    assert PriceLimit.extract(FoldedText.of(text), NOW) is None


@pytest.mark.parametrize("slot", [Day, Period, PriceLimit])
@given(
    text=st.text(alphabet="0123456789一二十百年月日号周末天前后上下个季度q-/元到以内 ", max_size=20)
)
def test_no_text_breaks_a_slot(slot: type[Day | Period | PriceLimit], text: str) -> None:
    try:
        extracted = slot.extract(FoldedText.of(text), NOW)
    except RefusalError:
        return
    assert extracted is None or len(extracted[1].folded) < len(text) + 2


@pytest.mark.parametrize("digits", ["3", "３", "٣", "۳", "३", "𝟑"])
def test_slots_read_the_digits_of_any_script(digits: str) -> None:
    days = Day.extract(FoldedText.of(f"未来{digits}天"), NOW)
    period = Period.extract(FoldedText.of(f"{digits}月"), NOW)
    price = PriceLimit.extract(FoldedText.of(f"{digits}元以内"), NOW)
    assert days is not None
    assert period is not None
    assert price is not None
    assert (days[0].count, period[0].key, price[0].high) == (3, "2026-03", Decimal(3))


@pytest.mark.parametrize("typed", ["²天", "①天", "½天", "Ⅲ月", "〸天", "廿天", "٣٣٣月", "0月0日"])
def test_characters_that_only_look_like_numbers_break_no_slot(typed: str) -> None:
    for slot in (Day, Period, PriceLimit):
        with suppress(RefusalError):
            extracted = slot.extract(FoldedText.of(typed), NOW)
            assert extracted is None or extracted[1].folded != typed
