"""What a card shows of an answer: while it grows, and once it is whole.

A card holds less than a message does, and what is being written ends in the middle of things.
"""

import re

from dingda.shared.dingtalk.markdown import link, plain
from dingda.shared.dingtalk.reply import (
    MAX_TITLE_CHARS,
    ActionCard,
    FeedCard,
    Markdown,
    Reply,
    Text,
)
from dingda.shared.dingtalk.shortening import shorten, whole_until
from dingda.worker.answering.splitting import FENCE, begin_markdown, closes_fence, is_table_rule

MAX_CARD_CHARS = 2_500
"""How many code points a card shows. DingTalk advises at most 3 K for a card's text (its page on
card/streaming), and cards have come out blank beyond 3,000 Chinese characters."""
_NO_TITLE = "……"
_MAX_LINK_TEXT, _MAX_TAG = 200, 200
_MAX_LINK = 2_500
_BEGINNING_OF_FENCE = re.compile(
    r"^[ \t>]{0,99}(?:`{1,2}|~{1,2}|`{3,99}+[^`\n]{0,199}|~{3,99}+[^~\n]{0,199})$"
)


def title_of(text: str) -> str:
    """The title of an answer for the list of conversations: the words that it begins with.

    >>> title_of("## 秋")
    '秋'
    """
    first, _, _ = text.strip().partition("\n")
    words = first[: 2 * MAX_TITLE_CHARS].strip("#>*_`|-+ \t\r")
    return shorten(words, MAX_TITLE_CHARS) or _NO_TITLE


def markdown_of(reply: Reply) -> str | None:
    """A reply as Markdown that a card can show; None for one that must be a message of its own."""
    match reply:
        case Text(content):
            return "\n\n".join(filter(None, map(plain, content.splitlines())))
        case Markdown(_, text):
            return text
        case ActionCard(_, text, link=single, buttons=buttons):
            links = (link(each.title, each.url) for each in (single, *buttons) if each)
            return "\n\n".join((text, *links))
        case FeedCard(feed):
            return "\n\n".join(link(row.title, row.url) for row in feed)
        case _:
            return None


def split_for_card(text: str) -> tuple[str, str]:
    """Split an answer that is whole into what its card shows, and what follows in messages.

    >>> split_for_card("北京 9℃")
    ('北京 9℃', '')
    """
    text = text.strip()
    return (text, "") if len(text) <= MAX_CARD_CHARS else begin_markdown(text, MAX_CARD_CHARS)


def beginning_for_card(text: str) -> str:
    """What a card shows of an answer that goes on.

    A block of code is closed, so that it is shown as one from its first line. A link, a tag, and a
    row or the head of a table are left out until they are whole, and so are the line breaks at the
    end, which would make the text jump.

    >>> beginning_for_card("见[文档](https://exa")
    '见'
    """
    if len(text) > MAX_CARD_CHARS:
        text = text[: whole_until(text, MAX_CARD_CHARS)]
    *lines, last = text.split("\n")
    if _BEGINNING_OF_FENCE.match(last):
        last = ""
    begin, fence = _open_fence(lines)
    if fence:
        if not any(line.strip() for line in (*lines[begin + 1 :], last)):
            return "\n".join(lines[:begin]).rstrip()
        code, closing = "\n".join((*lines, last)).rstrip(), f"\n{fence}"
        return code[: MAX_CARD_CHARS - len(closing)] + closing
    whole = _without_half_table(lines, last)
    if whole is None:
        whole = [*lines, last[: _end_of_whole(last)]]
    return "\n".join(whole).rstrip()


def _open_fence(lines: list[str]) -> tuple[int, str]:
    """Which line begins the block of code that these lines leave open, and what ends it; or ""."""
    begin, indent, mark = 0, "", ""
    for at, line in enumerate(lines):
        if mark:
            mark = "" if closes_fence(line, mark) else mark
        elif found := FENCE.match(line):
            begin, indent, mark = at, found[1], found[2]
    return begin, indent + mark if mark else ""


def _without_half_table(lines: list[str], last: str) -> list[str] | None:
    """The lines without the row that is being written; None if no table is."""
    begin = len(lines)
    while begin and "|" in lines[begin - 1]:
        begin -= 1
    rows = lines[begin:]
    has_rule = len(rows) > 1 and is_table_rule(rows[1])
    if has_rule and ("|" in last or not last.strip()):
        return lines
    looks_like_head = (*rows, last)[0].lstrip().startswith("|")
    if has_rule or not looks_like_head or len(rows) > 1:
        return None
    return lines[:begin]


def _end_of_whole(line: str) -> int:
    """Where a link or a tag begins in a line that is not whole yet; the line's end if none does."""
    return min(_begin_of_half_link(line), _begin_of_half_tag(line))


def _begin_of_half_link(line: str) -> int:
    begin = line.rfind("[")
    if begin < 0:
        return len(line)
    closing = line.find("]", begin)
    if closing < 0:
        is_half = len(line) - begin <= _MAX_LINK_TEXT
    else:
        behind = line[closing + 1 : closing + 1 + _MAX_LINK]
        is_half = not behind or (behind[0] == "(" and ")" not in behind)
    if not is_half:
        return len(line)
    return begin - 1 if line[begin - 1 : begin] == "!" else begin


def _begin_of_half_tag(line: str) -> int:
    begin = line.rfind("<")
    is_half = begin >= 0 and len(line) - begin <= _MAX_TAG and ">" not in line[begin:]
    name = line[begin + 1 :].removeprefix("/")[:1]
    return begin if is_half and (not name or name.isalnum()) else len(line)
