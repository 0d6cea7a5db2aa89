"""Splitting a reply that is too long for one message into parts.

A break comes between paragraphs, else between lines, else between sentences. Markdown is complete
in every part: a block of code is closed and opened again, a table's head is repeated, and what
belongs together in a line (a link, something bold) stays together where it fits into a part at all.
"""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import dropwhile, islice, takewhile

from dingda.shared.dingtalk.reply import (
    MAX_BODY_BYTES,
    MAX_PARTS,
    MAX_TITLE_CHARS,
    NOBODY,
    At,
    Markdown,
    Reply,
    Text,
    to_body,
)
from dingda.shared.dingtalk.shortening import shorten, whole_until

FENCE = re.compile(r"^([ \t>]{0,99})(`{3,99}+|~{3,99}+)[^`\n]{0,199}$")
"""A line that begins a block of code: what is before the mark, and the mark."""
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]")
_ITEM = re.compile(r"^[ \t>]{0,99}(?:[-*+]|\d{1,9}[.)])[ \t]")
_TABLE_RULE = re.compile(
    r"^[ \t]*+\|?+[ \t]*+:?+-++:?+[ \t]*+(?:\|[ \t]*+:?+-++:?+[ \t]*+)*+\|?+[ \t\r]*+$"
)
_UNBREAKABLE = re.compile(
    r"!?\[[^\[\]\n]*+\]\([^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*+\)"  # [a link](…)
    r"|`[^`\n]++`|\*\*[^*\n]++\*\*|\*[^*\n]++\*|~~[^~\n]++~~"
    r"|<(\w++)[^<>\n]*+>[^<>\n]*+</\1>|<[^<>\n]*+>"
    r"|https?://[!-~]++"
)
"""What belongs together in a line; possessive, so that no input makes it backtrack."""
_SENTENCE_ENDS, _WORD_ENDS = "。！？；!?;", "，、,：: \t"
_IN_PAIRS = ("**", "~~", "`")
_MAX_OPENING_BYTES = 2_000


class _BreakCost(IntEnum):
    """How much a break before a line harms the text."""

    PARAGRAPH = 0
    LINE = 1
    INSIDE = 2
    """Inside a table's head, or inside something bold that goes on over lines."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line, and what a break before it takes."""

    text: str
    """With its line break, unless it is the last."""
    size: int
    cost: _BreakCost = _BreakCost.PARAGRAPH
    closing: str = ""
    """Ends the part before the break: the fence that closes a block of code."""
    opening: str = ""
    """Begins the part after the break: a fence with its language, or a table's head."""


def split(
    reply: Reply, *, max_parts: int, cut_off: str, max_bytes: int = MAX_BODY_BYTES
) -> tuple[Reply, ...]:
    """The parts to send, in order; as a rule there is one, the reply itself.

    Only the first part mentions somebody, and a markdown's titles are numbered. Cards are never
    split: their size is checked when they are built.

    Args:
        reply: the reply.
        max_parts: how many parts there may be; the last is cut where the reply is longer.
        cut_off: the sentence at the end of a cut reply.
        max_bytes: how long the body of one part may be.
    """
    if not isinstance(reply, Text | Markdown) or fits(reply, max_bytes):
        return (reply,)
    if isinstance(reply, Text):
        budgets = _budgets(Text("x", reply.at), max_parts, max_bytes)
        texts = _pack(_lines(_beginning(reply.content, budgets, cut_off)), budgets, cut_off)
        return tuple(Text(each, _at(reply, number)) for number, each in enumerate(texts, 1))
    title = max(reply.title, _numbered(reply.title, max_parts, max_parts), key=_size)
    budgets = _budgets(Markdown(title, "x", reply.at), max_parts, max_bytes)
    texts = _pack(_markdown_lines(_beginning(reply.text, budgets, cut_off)), budgets, cut_off)
    return tuple(
        Markdown(_numbered(reply.title, number, len(texts)), each, _at(reply, number))
        for number, each in enumerate(texts, 1)
    )


def fits(reply: Reply, max_bytes: int) -> bool:
    """Whether a reply needs no splitting."""
    if not isinstance(reply, Text | Markdown):
        return True
    text = reply.content if isinstance(reply, Text) else reply.text
    return len(text) <= max_bytes and len(to_body(reply)) <= max_bytes


def begin_markdown(text: str, max_chars: int) -> tuple[str, str]:
    """Part a markdown in two: what fits into so many characters, and the rest, as complete.

    Args:
        text: it has more.
        max_chars: at the most; at least a thousand.
    """
    # The fence that closes a block of code may come on top.
    head, left = _fill(_without_blanks(_markdown_lines(text)), _size(text[: max_chars - 300]))
    rest = "".join(line.text for line in left).rstrip()
    return head, left[0].opening + rest if left else ""


def is_table_rule(line: str) -> bool:
    """Whether a line is the rule between the head of a table and its rows."""
    return bool(_TABLE_RULE.match(line))


def _budgets(nearly_empty: Text | Markdown, max_parts: int, max_bytes: int) -> list[int]:
    """How many bytes of text go into each part; the first has the mention in it, too."""
    first = max_bytes - len(to_body(nearly_empty)) + len("x")
    others = max_bytes - len(to_body(replace(nearly_empty, at=NOBODY))) + len("x")
    return [first, *(max_parts - 1) * [others]]


def _beginning(text: str, budgets: list[int], cut_off: str) -> str:
    """As much of a text as could be shown: a character takes at least a byte."""
    text = text[: MAX_PARTS * MAX_BODY_BYTES].lstrip()
    return text if len(text) <= sum(budgets) else f"{text[: sum(budgets)]}\n\n{cut_off}"


def _at(reply: Text | Markdown, number: int) -> At:
    return reply.at if number == 1 else NOBODY


def _numbered(title: str, number: int, count: int) -> str:
    if count == 1:
        return title
    return shorten(title, MAX_TITLE_CHARS - len("（10/10）")) + f"（{number}/{count}）"


def _size(text: str) -> int:
    """The bytes that a text takes inside JSON: quotes and line breaks are two, Chinese is three."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - len('""')


def _pack(lines: list[_Line], budgets: list[int], cut_off: str) -> list[str]:
    """Fill one part after the other; the last is cut where something remains."""
    parts, rest = list[str](), _without_blanks(lines)
    while rest and len(parts) < len(budgets):
        room = budgets[len(parts)]
        part, remainder = _fill(rest, room)
        if remainder and len(parts) == len(budgets) - 1:
            ending = f"\n\n{cut_off}"
            part = _fill(rest, room - _size(ending))[0] + ending
        parts.append(part)
        rest = remainder
    return parts


def _without_blanks(lines: list[_Line]) -> list[_Line]:
    """The lines that may begin a part: no blank one, and no block of code that ends at once."""
    return list(dropwhile(lambda line: line.text.strip() in ("", line.closing.strip()), lines))


def _fill(lines: list[_Line], room: int) -> tuple[str, list[_Line]]:
    """One part, and the lines that remain for the others."""
    opening = lines[0].opening
    ends = [_size(opening)]
    """How many bytes the first lines take, by their number."""
    for line in lines:
        if ends[-1] + line.size > room:
            break
        ends.append(ends[-1] + line.size)
    if len(ends) > len(lines):
        return opening + "".join(line.text for line in lines).rstrip(), []
    end = _best_end(lines, ends, room)
    behind = lines[end]
    left = room - ends[end] - _size(behind.closing)
    is_too_long = behind.size > room - _size(behind.opening + behind.closing)
    if not end or (is_too_long and left > room // 2):
        # It fits into no part as a whole.
        head, tail = _cut(behind.text if end or behind.opening else behind.text.lstrip(), left)
        tail = tail if behind.opening else tail.lstrip()
        cut = (replace(behind, text=head), replace(behind, text=tail, size=_size(tail)))
        lines, end = [*lines[:end], *cut, *lines[end + 1 :]], end + 1
    text = "".join(line.text for line in lines[:end]).rstrip()
    return opening + text + behind.closing, _without_blanks(lines[end:])


def _best_end(lines: list[_Line], ends: list[int], room: int) -> int:
    """After how many lines to end a part: in its second half, where a break costs least."""
    places = [n for n in range(1, len(ends)) if ends[n] + _size(lines[n].closing) <= room]
    late = [n for n in places if ends[n] >= ends[places[-1]] // 2]
    return min(reversed(late), key=lambda n: lines[n].cost, default=0)


def _cut(line: str, room: int) -> tuple[str, str]:
    """Cut a line of more than `room` bytes after a sentence or a word, in nothing unbreakable."""
    longest = bisect_right(range(min(len(line), room) + 1), room, key=lambda n: _size(line[:n])) - 1
    end = whole_until(line, longest)
    for stops in (_SENTENCE_ENDS, _WORD_ENDS):
        behind = max(line.rfind(stop, 0, end) for stop in stops) + 1
        if behind > end // 2:
            end = behind
            break
    for whole in _UNBREAKABLE.finditer(line, 0, end + room):
        if 0 < whole.start() < end < whole.end() and _size(whole[0]) <= room:
            end = whole.start()
    return line[:end], line[end:]


def _lines(text: str) -> list[_Line]:
    """A text's lines. A break between paragraphs costs least."""
    raw = _with_breaks(text)
    return [
        _line(line, _BreakCost.LINE if before.strip() else _BreakCost.PARAGRAPH)
        for before, line in zip(("", *raw), raw, strict=False)
    ]


def _markdown_lines(text: str) -> list[_Line]:
    """A markdown's lines, each with the cost of a break before it."""
    lines = list[_Line]()
    raw = _with_breaks(text)
    below_heading = False
    while (at := len(lines)) < len(raw):
        first, *others = _block(raw, at)
        # A heading is not separated from what it is above.
        lines += (replace(first, cost=_BreakCost.INSIDE) if below_heading else first, *others)
        is_heading = bool(_HEADING.match(first.text))
        below_heading = is_heading or (below_heading and not first.text.strip())
    return lines


def _block(raw: list[str], at: int) -> list[_Line]:
    if fence := FENCE.match(raw[at]):
        return _code(raw, at, fence)
    if _begins_table(raw, at):
        return _table(raw, at)
    return [_line(raw[at])] if _stands_alone(raw[at]) else _paragraph(raw, at)


def _code(raw: list[str], start: int, fence: re.Match[str]) -> list[_Line]:
    """A block of code, up to its end or the text's."""
    closing = f"\n{fence[1]}{fence[2]}"
    ends = (at for at in range(start + 1, len(raw)) if closes_fence(raw[at], fence[2]))
    end = next(ends, len(raw))
    lines = [_line(raw[start])]
    for at in range(start + 1, min(end + 1, len(raw))):
        # A fence is not separated from the nearest line of code.
        is_edge = at in (start + 1, end)
        cost = _BreakCost.INSIDE if is_edge else _BreakCost.LINE
        lines.append(_line(raw[at], cost, closing, raw[start]))
    return lines


def closes_fence(line: str, mark: str) -> bool:
    """Whether a line ends a block of code that began with a mark."""
    fence = line.strip(" \t\r\n>")
    return len(fence) >= len(mark) and not fence.strip(mark[0])


def _table(raw: list[str], start: int) -> list[_Line]:
    """A table: a head of two lines, and rows."""
    head = raw[start] + raw[start + 1]
    opening = head if _size(head) <= _MAX_OPENING_BYTES else ""
    rows = list(takewhile(lambda line: "|" in line, islice(raw, start + 2, None)))
    lines = [_line(raw[start]), _line(raw[start + 1], _BreakCost.INSIDE)]
    # The head is not separated from the first row.
    lines += [_line(row, _BreakCost.LINE, opening=opening) for row in rows]
    lines[2:3] = [replace(line, cost=_BreakCost.INSIDE) for line in lines[2:3]]
    return lines


def _paragraph(raw: list[str], start: int) -> list[_Line]:
    """Lines up to a blank one or another block. A break inside something bold costs more."""
    lines, unpaired = [_line(raw[start])], _unpaired(raw[start])
    for at in range(start + 1, len(raw)):
        if _stands_alone(raw[at]) or FENCE.match(raw[at]) or _begins_table(raw, at):
            break
        if _ITEM.match(raw[at]):
            unpaired = frozenset()
        lines.append(_line(raw[at], _BreakCost.INSIDE if unpaired else _BreakCost.LINE))
        unpaired ^= _unpaired(raw[at])
    return lines


def _unpaired(line: str) -> frozenset[str]:
    return frozenset(mark for mark in _IN_PAIRS if line.count(mark) % 2)


def _stands_alone(line: str) -> bool:
    return not line.strip() or bool(_HEADING.match(line))


def _begins_table(raw: list[str], at: int) -> bool:
    is_head = at + 1 < len(raw) and "|" in raw[at]
    return is_head and is_table_rule(raw[at + 1])


def _line(
    text: str, cost: _BreakCost = _BreakCost.PARAGRAPH, closing: str = "", opening: str = ""
) -> _Line:
    return _Line(text, _size(text), cost, closing, opening)


def _with_breaks(text: str) -> list[str]:
    return [f"{line}\n" for line in text.split("\n")]
