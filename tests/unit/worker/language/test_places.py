"""Places are found anywhere in a text, however they are written."""

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.worker.errors import ClarificationNeeded
from dingda.worker.language.places import Place, _lexicon
from dingda.worker.language.text import FoldedText

NOW = datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


def found(text: str) -> tuple[Place, str]:
    extracted = Place.extract(FoldedText.of(text), NOW)
    assert extracted is not None
    place, words = extracted
    return place, words.rest


def asked_back(text: str) -> tuple[str, ...]:
    with pytest.raises(ClarificationNeeded) as unclear:
        Place.extract(FoldedText.of(text), NOW)
    return unclear.value.suggestions


@pytest.mark.parametrize(
    ("text", "within", "name"),
    [
        ("北京", "", "北京"),
        ("北京市", "", "北京"),
        ("杭州", "浙江", "杭州"),
        ("吉林市", "吉林", "吉林"),
        ("延边", "吉林", "延边"),
        ("浦东", "上海", "浦东新区"),
        ("海淀", "北京", "海淀区"),
        ("杭州西湖区", "浙江杭州", "西湖区"),
        ("浙江 杭州 西湖", "浙江杭州", "西湖区"),
        ("浙江省杭州市西湖区", "浙江杭州", "西湖区"),
        ("南京鼓楼", "江苏南京", "鼓楼区"),
        ("北京市朝阳区", "北京", "朝阳区"),
        ("辽宁朝阳", "辽宁", "朝阳"),
        ("大理", "云南", "大理"),
        ("香港", "", "香港"),
        ("臺北", "台湾", "台北"),
        ("哈爾濱", "黑龙江", "哈尔滨"),
        ("東京", "日本", "东京"),
        ("New York", "美国", "纽约"),
        ("ｓｈａｎｇｈａｉ", "", "上海"),
        ("xi'an", "陕西", "西安"),
        ("Xian", "陕西", "西安"),
        ("hong kong", "", "香港"),
        ("urumqi", "新疆", "乌鲁木齐"),
    ],
)
def test_a_place_is_found_by_each_of_its_names(text: str, within: str, name: str) -> None:
    place, rest = found(text)
    assert (place.within, place.name, rest) == (within, name, "")


@pytest.mark.parametrize(
    ("text", "near"), [("浙江", "杭州"), ("吉林", "长春"), ("海南", "海口"), ("台湾", "台北")]
)
def test_a_province_has_the_position_of_its_capital_and_says_so(text: str, near: str) -> None:
    place, _ = found(text)
    capital, _ = found(near)
    assert (place.name, place.near) == (text, near)
    assert (place.latitude, place.longitude) == (capital.latitude, capital.longitude)


@pytest.mark.parametrize("text", ["中山公园", "中山北路", "北京路", "中山大学", "苏州河"])
def test_a_thing_only_named_after_a_place_is_no_place(text: str) -> None:
    assert Place.extract(FoldedText.of(text), NOW) is None


@pytest.mark.parametrize(
    ("text", "within", "name"),
    [
        ("北海道", "日本", "北海道"),
        ("东方明珠", "上海", "东方明珠"),
        ("小兴安岭", "黑龙江", "小兴安岭"),
        ("恒山", "山西大同", "恒山"),
        ("普陀山", "浙江舟山", "普陀山"),
        ("九龍", "香港", "九龙"),
        ("深圳北京路", "广东", "深圳"),
        ("北京道路结冰", "", "北京"),
        ("韩国首尔", "韩国", "首尔"),
        ("奥克兰", "新西兰", "奥克兰"),
        ("迪拜", "阿拉伯联合酋长国", "迪拜"),
        ("oakland", "美国", "Oakland"),
    ],
)
def test_a_place_ends_where_its_name_ends(text: str, within: str, name: str) -> None:
    place, _ = found(text)
    assert (place.within, place.name) == (within, name)


def test_a_country_has_the_position_of_its_capital_and_says_so() -> None:
    place, _ = found("日本")
    assert (place.name, place.near) == ("日本", "东京")


def test_the_text_around_a_place_is_left() -> None:
    place, rest = found("明天北京冷吗")
    assert (place.name, rest) == ("北京", "明天 冷吗")


def test_of_two_unrelated_places_the_first_is_meant() -> None:
    place, rest = found("北京和上海")
    assert (place.name, rest) == ("北京", "和上海")


@pytest.mark.parametrize(
    ("text", "suggestions"),
    [
        ("西湖区", ("杭州西湖区", "南昌西湖区")),
        ("朝阳区明天", ("北京朝阳区明天", "长春朝阳区明天")),
        ("朝阳", ("北京朝阳区", "辽宁朝阳市")),
    ],
)
def test_namesakes_are_asked_back_with_the_rest_of_the_text(
    text: str, suggestions: tuple[str, ...]
) -> None:
    assert asked_back(text) == suggestions


@pytest.mark.parametrize(
    "text", ["西湖区", "朝阳", "朝阳区", "鼓楼区", "和平", "市中区", "新华区", "桥西区"]
)
def test_each_suggestion_means_one_place(text: str) -> None:
    for suggestion in asked_back(text):
        place, rest = found(suggestion)
        assert place.within
        assert rest == ""


@pytest.mark.parametrize("text", ["", "没什么", "climate", "shanghainese", "我想你了", "12345"])
def test_no_place_is_found_in_a_text_without_one(text: str) -> None:
    assert Place.extract(FoldedText.of(text), NOW) is None


def test_places_of_china_have_adcodes_and_chinas_time_zone() -> None:
    place, _ = found("杭州西湖区")
    assert (place.adcode, place.timezone, place.country) == ("330106", "Asia/Shanghai", "CN")


@pytest.mark.parametrize(
    ("text", "timezone"),
    [("香港", "Asia/Hong_Kong"), ("高雄", "Asia/Taipei"), ("伦敦", "Europe/London")],
)
def test_places_elsewhere_have_their_own_time_zone(text: str, timezone: str) -> None:
    place, _ = found(text)
    assert place.timezone == timezone


@given(st.text(max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    with suppress(ClarificationNeeded):
        extracted = Place.extract(FoldedText.of(text), NOW)
        assert extracted is None or (-90 <= extracted[0].latitude <= 90)


@given(st.text(max_size=20), st.sampled_from(["哈尔滨", "乌鲁木齐", "石家庄"]))
def test_a_place_is_found_whatever_comes_before_it(before: str, name: str) -> None:
    try:
        extracted = Place.extract(FoldedText.of(f"{before} {name}"), NOW)
    except ClarificationNeeded:
        return
    assert extracted is not None


def test_every_name_in_the_lexicon_is_there_as_it_is_in_a_folded_text() -> None:
    lexicon = _lexicon()
    for entry in {entry.qualified: entry for found in lexicon.values() for entry in found}.values():
        for name in (entry.short, entry.full, *entry.other):
            assert entry in lexicon[FoldedText.of(name).folded]
