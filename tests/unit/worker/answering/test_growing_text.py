"""What a card shows of an answer is whole, while that grows and once it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dingda.skill import ActionCard, Button, FeedCard, FeedLink, Markdown, Text
from dingda.worker.answering.growing_text import (
    MAX_CARD_CHARS,
    beginning_for_card,
    markdown_of,
    split_for_card,
    title_of,
)

PIECES = [
    "北京 9℃", "。", "\n", "\n\n", "```", "```py\n", "~~~\n", "`", "|a|b|\n", "|--|--|\n", "|1|",
    "[链接", "](https://example.com", ")", "![", "<font color", ">", "> ", "**", "# ", "👨‍👩‍👧",
    " ", "字" * 800,
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("你好\n\n", "你好"),
        ("见[文档](https://exa", "见"),
        ("见[文档", "见"),
        ("见[文档]", "见"),
        ("见[文档](https://example.com)。", "见[文档](https://example.com)。"),
        ("![图](https://exa", ""),
        ("价格 <font co", "价格"),
        ("1 < 2", "1 < 2"),
        ("说\n```py\nprint(1)\npri", "说\n```py\nprint(1)\npri\n```"),
        ("说\n```py\n~~~\n", "说\n```py\n~~~\n```"),
        ("说\n```py\nx\n``", "说\n```py\nx\n```"),
        ("说\n```py\nx\n```\n完", "说\n```py\nx\n```\n完"),
        ("说\n```py", "说"),
        ("说\n``", "说"),
        ("|a|b|", ""),
        ("|a|b|\n|--", ""),
        ("|a|b|\n|--|--|\n|1|", "|a|b|\n|--|--|"),
        ("|a|b|\n|--|--|\n|1|2|\n", "|a|b|\n|--|--|\n|1|2|"),
        ("|a|b|\n|--|--|\n|1|2|\n\n然后[看", "|a|b|\n|--|--|\n|1|2|\n\n然后"),
    ],
)
def test_what_is_not_whole_is_left_out_while_an_answer_grows(text: str, shown: str) -> None:
    assert beginning_for_card(text) == shown


def test_a_bracket_that_is_none_of_a_link_hides_no_more_than_a_links_worth() -> None:
    text = "看[注：" + "很长" * 200
    assert beginning_for_card(text) == text


@given(texts)
def test_a_card_never_shows_more_than_it_has_room_for(text: str) -> None:
    assert len(beginning_for_card(text)) <= MAX_CARD_CHARS
    shown, _ = split_for_card(text)
    assert len(shown) <= MAX_CARD_CHARS


@given(texts)
def test_what_grows_is_the_answers_beginning_perhaps_with_a_fences_end(text: str) -> None:
    shown = beginning_for_card(text)
    without_end = shown.rpartition("\n")[0]
    assert text.startswith((shown, without_end))


@given(texts)
def test_nothing_of_an_answer_is_lost_between_its_card_and_what_follows(text: str) -> None:
    shown, rest = split_for_card(text)
    if not rest:
        assert shown == text.strip()
    counted = shown + rest
    assert all(counted.count(piece) >= text.count(piece) for piece in ("北京", "字"))


def test_a_long_block_of_code_is_closed_on_the_card_and_opened_again_below_it() -> None:
    shown, rest = split_for_card("```py\n" + "x = 1\n" * 900 + "```\n")
    assert shown.endswith("\n```")
    assert rest.startswith("```py\n")


@pytest.mark.parametrize(
    ("reply", "markdown"),
    [
        (Text("*别人*说\n第二行"), "＊别人＊说\n\n第二行"),
        (Markdown("标题", "**粗**"), "**粗**"),
        (
            ActionCard("标题", "选一个", link=Button("看", "https://example.com/")),
            "选一个\n\n[看](https://example.com/)",
        ),
        (
            FeedCard((FeedLink("一", "https://example.com/1", "https://example.com/1.png"),)),
            "[一](https://example.com/1)",
        ),
    ],
)
def test_every_reply_can_be_shown_on_a_card(reply: Text | Markdown, markdown: str) -> None:
    assert markdown_of(reply) == markdown


@pytest.mark.parametrize(
    ("text", "title"), [("# 秋\n叶", "秋"), ("> **好**", "好"), ("---\n", "……"), ("|a|b|", "a|b")]
)
def test_the_title_is_the_words_that_an_answer_begins_with(text: str, title: str) -> None:
    assert title_of(text) == title
