"""Typed text is brought into one form, whatever keyboard, client or script it comes from."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dingda.worker.language.text import (
    FoldedText,
    clean,
    fold,
    is_traditional,
    to_simplified,
    to_traditional,
)

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u200e\u202a\u00ad\x00\x07\x1b\x7f"
ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
"""Halves of surrogate pairs included."""
TYPED = st.text(
    "天气氣北京體记記发發髮后後 aAzZ０９ＡａßİŉΐǅﬁＴ㍿ｶﾞ@＠-—/／，。\t\n\u200b\u3000", max_size=40
)


@pytest.mark.parametrize(
    "spelling",
    [
        "text",
        "TEXT",
        "TeXt",
        "ｔｅｘｔ",
        "ＴＥＸＴ",
        " text",
        "  text  ",
        "\u3000text\u2005",
        "te\u200bxt",
        "\ufefftext",
        "t\x00e\x07xt",
        "te\u00adxt",
        "\u202atext\u202c",
        "text。",
        "/text",
        "「text」".replace("「", "【").replace("」", "】"),
    ],
)
def test_every_spelling_of_a_word_folds_to_the_same(spelling: str) -> None:
    assert fold(spelling) == "text"


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [("整體跳轉", "整体跳转"), ("獨立跳轉", "独立跳转"), ("天氣", "天气"), ("優惠券", "优惠券")],
)
def test_both_scripts_fold_to_the_same(traditional: str, simplified: str) -> None:
    assert fold(traditional) == fold(simplified) == simplified


@pytest.mark.parametrize("between", [" ", "  ", "\u3000", "\t", "\n", "，", ",", "：", " - ", "…"])
def test_separators_between_words_fold_to_one_blank(between: str) -> None:
    assert fold(f"天气{between}北京") == "天气 北京"


def test_different_words_stay_different() -> None:
    assert len({fold(word) for word in ("text", "texts", "文本", "test", "te xt", "")}) == 6


@given(ANY_TEXT | TYPED)
@example("A\u0345\u2126")
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(ANY_TEXT | TYPED)
def test_no_text_makes_reading_fail(text: str) -> None:
    words = FoldedText.of(text)
    assert len(words.original) == len(words.folded)
    for read in (fold, clean, to_simplified, to_traditional):
        assert isinstance(read(text), str)
    assert is_traditional(text) in (True, False)


@given(st.text("天气abcAB １", max_size=20), st.lists(st.sampled_from(INVISIBLE), max_size=5))
def test_invisible_characters_anywhere_change_nothing(text: str, invisible: list[str]) -> None:
    typed = "".join(
        each + hidden for each, hidden in zip(text, invisible + [""] * len(text), strict=False)
    )
    assert fold("".join(invisible) + typed) == fold(text)


@given(st.text("textfeedmarkdown天气北京", min_size=1, max_size=20))
def test_width_and_case_change_nothing(text: str) -> None:
    wide = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
    assert fold(text.upper()) == fold(wide) == fold(wide.upper()) == fold(text)


@given(ANY_TEXT)
@example("回声 \ud800")
def test_a_cleaned_text_can_be_encoded(text: str) -> None:
    clean(text).encode()


def test_cleaning_keeps_case_width_and_inner_blanks_and_punctuation() -> None:
    assert clean("\u200b  Ｔext 天氣，\n北京\x00 ") == "Ｔext 天氣，\n北京"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("查天氣", True),
        ("整體", True),
        ("查天气", False),
        ("北京", False),
        ("text", False),
        ("", False),
    ],
)
def test_a_script_is_recognised_by_characters_that_the_other_lacks(
    text: str, *, expected: bool
) -> None:
    assert is_traditional(text) is expected


def test_a_folded_text_keeps_the_original_beside_the_folded_form() -> None:
    words = FoldedText.of(" 天氣 ＢeiJing ")
    assert (words.original, words.folded) == ("天氣 BeiJing", "天气 beijing")


def test_a_part_is_taken_out_of_both_forms_at_the_same_place() -> None:
    words = FoldedText.of("天氣 Beijing 明天").without(0, 2)
    assert words.rest == "Beijing 明天"
    assert words.folded.split() == ["beijing", "明天"]


def test_the_rest_has_no_punctuation_at_its_ends() -> None:
    assert FoldedText.of("，的 北京  的天气。").rest == "北京 的天气"


def test_a_character_that_grows_when_folded_does_not_shift_the_others() -> None:
    words = FoldedText.of("İ 北京")
    assert len(words.original) == len(words.folded)
    at = words.folded.index("北京")
    assert words.original[at : at + 2] == "北京"
