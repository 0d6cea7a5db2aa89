"""A long reply, in parts: where it is parted, and what every part keeps."""

import re
import time
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.reply import (
    MAX_PARTS,
    NOBODY,
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
    to_body,
)
from dingda.shared.texts import CUT_OFF
from dingda.worker.answering.splitting import split

MAX_BYTES = 20_000
FENCE = "```"


def parts_of(reply: Reply, max_parts: int = 3) -> list[Any]:
    """Its parts, each checked for what every part must be."""
    parts = split(reply, max_parts=max_parts, cut_off=CUT_OFF)
    assert 1 <= len(parts) <= max_parts
    for part in parts:
        assert len(to_body(part)) <= MAX_BYTES
        assert text_of(part).strip()
    return list(parts)


def texts_of(reply: Reply, max_parts: int = 3) -> list[str]:
    return [text_of(part) for part in parts_of(reply, max_parts)]


def text_of(reply: Reply) -> str:
    assert isinstance(reply, Text | Markdown)
    return reply.content if isinstance(reply, Text) else reply.text


def lines(count: int, line: str = "第{}行，有一些字。") -> str:
    return "\n".join(line.format(number) for number in range(count))


# How much ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply", [Text("好", At(("0001",))), Markdown("题", "文\n\n", At(all=True))]
)
def test_a_short_reply_stays_as_it_is(reply: Reply) -> None:
    assert parts_of(reply) == [reply]


@pytest.mark.parametrize(
    "reply",
    [
        ActionCard("题", "文" * 6_000, link=Button("看", "https://example.com/")),
        FeedCard((FeedLink("题", "https://example.com/", "https://example.com/"),)),
    ],
)
def test_a_card_stays_as_it_is(reply: Reply) -> None:
    assert split(reply, max_parts=3, cut_off=CUT_OFF) == (reply,)


@pytest.mark.parametrize(
    "reply",
    [
        Markdown("t", "字" * 6_700),
        Text("字" * 6_700),
        Text('"' * 5_000 + "\n" * 5_000 + "x"),
        Markdown("t", "\\" * 15_000),
        Text("\0" * 6_000),
        Text("😀" * 9_000),
    ],
)
def test_what_is_a_little_too_long_is_sent_in_two(reply: Reply) -> None:
    parts = texts_of(reply)
    assert len(parts) == 2
    assert "".join(parts).replace("\n", "") == text_of(reply).replace("\n", "")


def test_what_just_fits_is_sent_in_one() -> None:
    room = MAX_BYTES - len(to_body(Text("x"))) + 1
    assert len(parts_of(Text("x" * room))) == 1
    assert len(parts_of(Text("x" * (room + 1)))) == 2


def test_what_is_longer_than_its_parts_is_cut_and_says_so() -> None:
    parts = texts_of(Text(lines(5_000)))
    assert len(parts) == 3
    assert [CUT_OFF in part for part in parts] == [False, False, True]
    assert parts[-1].endswith(f"。\n\n{CUT_OFF}")


def test_one_part_is_cut_and_says_so() -> None:
    (part,) = texts_of(Markdown("题", lines(5_000)), 1)
    assert part.endswith(CUT_OFF)


def test_a_word_that_it_was_cut_is_in_no_reply_that_was_not() -> None:
    assert CUT_OFF not in "".join(texts_of(Text(lines(1_500))))


def test_only_the_first_part_mentions_somebody() -> None:
    for reply in (Text(lines(1_500), At(("0001",))), Markdown("题", lines(1_500), At(("0001",)))):
        first, *others = parts_of(reply)
        assert first.at == At(("0001",))
        assert others
        assert [part.at for part in others] == [NOBODY] * len(others)


def test_as_many_as_may_be_mentioned_leave_room_in_the_first_part() -> None:
    parts = parts_of(Text(lines(1_500), At(("天" * 64,) * 20)))
    assert len(parts) > 1


def test_a_markdowns_titles_count_its_parts() -> None:
    parts = parts_of(Markdown("周报", lines(1_500)))
    assert [part.title for part in parts] == ["周报（1/3）", "周报（2/3）", "周报（3/3）"]


def test_the_longest_title_is_cut_for_its_number() -> None:
    (first, *_) = parts_of(Markdown("题" * 128, lines(1_500)))
    assert first.title == "题" * 120 + "…（1/3）"


# Where ---------------------------------------------------------------------------------------


def test_it_is_parted_between_paragraphs() -> None:
    paragraphs = [f"{number} " + "字" * 1_000 for number in range(12)]
    parts = texts_of(Text("\n\n".join(paragraphs)))
    assert [part.split("\n\n") for part in parts] == [paragraphs[:6], paragraphs[6:]]


def test_a_long_paragraph_is_parted_between_lines() -> None:
    parts = texts_of(Text(lines(1_000)))
    assert "\n".join(parts) == lines(1_000)


def test_a_long_line_is_parted_between_sentences() -> None:
    parts = texts_of(Text("这是一句话。那是一问？" * 1_000))
    assert len(parts) == 2
    assert parts[0][-1] in "。？"


def test_a_long_sentence_is_parted_between_words() -> None:
    parts = texts_of(Text("word " * 5_000))
    assert {word for part in parts for word in part.split()} == {"word"}


def test_emoji_stay_whole() -> None:
    family = "👨‍👩‍👧"
    for part in texts_of(Text(family * 1_500)):
        assert not part.replace(family, "")


def test_a_long_line_begins_in_the_part_before_if_that_is_rather_empty() -> None:
    parts = texts_of(Text("短\n\n" + "这是一句话。" * 1_500))
    assert len(parts) == 2
    assert len(parts[0]) > 5_000


@pytest.mark.parametrize("separator", ["\n\n", "\n", ""])
def test_no_words_are_lost_or_doubled(separator: str) -> None:
    sentences = [f"第{number}句话在这里。" for number in range(2_000)]
    parts = texts_of(Markdown("题", separator.join(sentences)), MAX_PARTS)
    assert re.findall("第.*?。", "".join(parts)) == sentences


def test_blank_lines_make_no_part() -> None:
    parts = texts_of(Text("前" + "\n" * 15_000 + "后"))
    assert [part.strip() for part in parts] == ["前", "后"]


def test_a_text_that_begins_with_more_blanks_than_fit_is_still_shown() -> None:
    assert texts_of(Text(" " * 100_000 + "好")) == ["好"]


# Markdown -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fence", ["```", "~~~", "````", "  ```"])
def test_a_block_of_code_is_closed_and_opened_again_with_its_language(fence: str) -> None:
    code = lines(4_000, "print({})")
    parts = texts_of(Markdown("题", f"看：\n\n{fence}python\n{code}\n{fence}\n\n完"))
    assert len(parts) == 3
    assert [part.count(f"{fence.strip()}python") for part in parts] == [1, 1, 1]
    assert [len(re.findall(rf"^{fence}$", part, re.MULTILINE)) for part in parts] == [1, 1, 1]
    assert re.findall(r"print\(\d+\)", "".join(parts)) == code.split("\n")
    assert parts[-1].endswith("完")


def test_a_block_of_code_that_is_cut_is_closed_before_the_word_that_says_so() -> None:
    (part,) = texts_of(Markdown("题", f"{FENCE}\n{lines(3_000)}\n{FENCE}"), 1)
    assert part.endswith(f"\n{FENCE}\n\n{CUT_OFF}")


def test_what_looks_like_markdown_inside_code_is_none() -> None:
    code = "\n".join(["# 不是标题", "| 不 | 是 |", "|---|---|", "", "- 不是"] * 800)
    for part in texts_of(Markdown("题", f"{FENCE}\n{code}\n{FENCE}"), MAX_PARTS):
        assert part.startswith(f"{FENCE}\n")
        assert part.endswith(f"\n{FENCE}")
        assert part.count(FENCE) == 2


def test_a_block_of_code_moves_whole_to_the_next_part_where_it_fits() -> None:
    block = f"{FENCE}sql\n{lines(300)}\n{FENCE}"
    parts = texts_of(Markdown("题", f"{'字' * 4_000}\n\n{block}"))
    assert parts[1] == block


def test_a_tables_head_is_repeated_and_no_row_is_cut() -> None:
    head = "| 名 | 数 |\n|---|---:|"
    rows = [f"| 第{number}名 | {number} |" for number in range(2_400)]
    parts = texts_of(Markdown("题", "\n".join(("排名\n", head, *rows, "\n完"))))
    assert len(parts) == 3
    assert [part.count(head) for part in parts] == [1, 1, 1]
    assert re.findall(r"^\| 第.*\|$", "\n".join(parts), re.MULTILINE) == rows


def test_a_tables_head_is_not_left_without_a_row() -> None:
    table = "| 名 | 数 |\n|---|---|\n" + "\n".join("| 名 | 数 |" for _ in range(500))
    parts = texts_of(Markdown("题", f"{lines(600)}\n{table}"))
    assert all("|---|---|\n| 名" in part for part in parts if "---" in part)


def test_a_heading_is_not_left_behind_without_what_it_is_above() -> None:
    text = "\n\n".join(f"## 第{number}节\n\n{'字' * 900}" for number in range(12))
    for part in texts_of(Markdown("题", text)):
        assert part.startswith("## 第")
        assert part.endswith("字")


def test_no_list_item_is_cut() -> None:
    items = [f"- 第{number}项，有一些字" for number in range(1_500)]
    parts = texts_of(Markdown("题", "\n".join(items)))
    assert "\n".join(parts).split("\n") == items


@pytest.mark.parametrize(
    "whole",
    [
        "[一个链接，很长](https://example.com/a(b)?c=，d)",
        "![图](https://example.com/1.png)",
        "**粗体，很长。真的**",
        "`code, with. blanks`",
        "<font color=#FF0000>红，色。</font>",
        "https://example.com/a,b?c=d;e",
    ],
)
def test_what_belongs_together_in_a_line_is_not_cut(whole: str) -> None:
    for shift in range(12):
        text = "字" * (3_000 + shift) + f"字 {whole} " * 600
        for part in texts_of(Markdown("题", text), MAX_PARTS):
            assert not re.sub(r"[字 ]", "", part.replace(whole, ""))


def test_something_bold_over_several_lines_stays_together() -> None:
    block = "**粗\n体\n字**\n"
    for part in texts_of(Markdown("题", block * 2_500), MAX_PARTS):
        assert part.count("**") % 2 == 0


ODD = ["\n", "\n\n", "```\n", "~~~", "|", "|-|\n", "# ", "- ", "**", "`", "[a](", ")", "<a ", "> "]
ODD += ["字", "a", " ", '"', "\\", "\0", "😀", "👨‍👩‍👧", "e\u0301", "。", ",", "http://", "1. "]
PIECES = st.lists(st.builds(lambda a, n: a * n, st.sampled_from(ODD), st.integers(1, 4_000)))
LONG = PIECES.map("".join).filter(str.strip)


@settings(max_examples=200, phases=(Phase.explicit, Phase.generate))
@given(
    text=LONG,
    max_parts=st.integers(1, MAX_PARTS),
    at=st.sampled_from([NOBODY, At(("0001",))]),
    title=st.sampled_from(["题", "题" * 128]),
)
@example(text="x" + "[a](" * 20_000, max_parts=3, at=NOBODY, title="题")
def test_every_part_of_anything_is_within_the_bounds_and_not_empty(
    text: str, max_parts: int, at: At, title: str
) -> None:
    parts_of(Text(text, at), max_parts)
    parts_of(Markdown(title, text, at), max_parts)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["字", "a", "。", "，", "- ", "1. ", "**", '"', "😀"]), min_size=1))
def test_what_is_not_blank_is_all_there_in_order(pieces: list[str]) -> None:
    text = "\n".join("".join(pieces) * 40 for _ in range(60))
    found = "".join(texts_of(Text(text), MAX_PARTS))
    shown = found.removesuffix(CUT_OFF)
    assert "".join(text.split()).startswith("".join(shown.split()))
    if shown == found:
        assert "".join(found.split()) == "".join(text.split())


@pytest.mark.parametrize("piece", ODD)
@pytest.mark.parametrize("build", [Text, lambda text: Markdown("题", text)])
def test_a_megabyte_of_anything_is_no_burden(build: Any, piece: str) -> None:
    reply = build("x" + piece * (1_000_000 // len(piece)))
    began = time.process_time()
    parts_of(reply)
    assert time.process_time() - began < 2.0


def test_of_fifty_megabytes_only_the_beginning_is_looked_at() -> None:
    text = "字" * 50_000_000
    began = time.process_time()
    parts_of(Markdown("题", text))
    assert time.process_time() - began < 1.0
