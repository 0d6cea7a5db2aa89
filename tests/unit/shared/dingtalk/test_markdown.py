"""Somebody else's words inside markdown: shown, and inactive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.shared.dingtalk.markdown import plain


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("机械键盘 87键", "机械键盘 87键"),
        ("[点我](http://evil.example)", "［点我］（http：//evil.example）"),
        ("![](https://evil.example/beacon.png)", "！［］（https：//evil.example/beacon.png）"),
        ("**粗** _斜_ `code` ~~删~~", "＊＊粗＊＊ ＿斜＿ ｀code｀ ～～删～～"),
        ("<font color=red>红</font>", "＜font color=red＞红＜/font＞"),
        ("a\n# 大标题\n> 引用", "a ＃ 大标题 ＞ 引用"),
        ("- 一项", "\u200b- 一项"),
        ("1. 一项", "\u200b1. 一项"),
        ("-5 度", "\u200b-5 度"),
        ("1.5 元", "\u200b1.5 元"),
    ],
)
def test_nothing_in_it_means_anything_to_markdown(typed: str, shown: str) -> None:
    assert plain(typed) == shown


@given(st.text())
def test_whatever_is_typed_becomes_one_line_without_markup(typed: str) -> None:
    shown = plain(typed)
    assert not set(shown) & set("\\`*_~[]()<>#!|&\n\r")
    assert "://" not in shown
    assert not shown.startswith(("-", "+", "="))


@given(st.text())
def test_once_is_enough(typed: str) -> None:
    assert plain(plain(typed)) == plain(typed)
