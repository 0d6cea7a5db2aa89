"""Texts on which a bad pattern takes for ever, made from what the pattern itself looks for."""

import re
from collections.abc import Iterator
from itertools import pairwise

LONGEST_COMMAND = 500
LONGEST_BODY = 64 * 1024
"""The limit of a callback's body, in bytes."""

UNITS = (
    "@", " @", "@a", "a@b;", "@用户1", " ", "\n", "\u3000", "\u2028", "a ", "1", "1.", "-1", "٣",
    "，", "的", "。的", "一", "十", "百", "上", "下", "体", "體", "出来了吗", "查看", "a", "A", "ß",
    "「", "【", "【a", "(", "[", "/", "\\", ".", "-", "¥", "¥a", "http://", "://", "session=",
    "\u0130", "\ufdfa", "\u0390",
    "e\u0301", "\u0315\u0300\u0327", "\u200b", "\u200b ", "\u202e", "\x00",
    "\ud800", "\U0001f468\u200d\U0001f469", "\U0001f1e8", "ｆ", "ﬃ", "Ⅷ", "½", "北京", "san ", "s",
)  # fmt: skip
"""The units to repeat: mentions, blanks, digits, marks, halves, letters that grow when folded."""
_AROUND = ("", ""), ("x ", " x"), ("天气 ", ""), ("绩效 x", "。x"), ("优惠券 ", " x")
_LITERAL = re.compile(r"[\u4e00-\u9fff]{1,8}|[a-z]{2,12}|[@#¥:/.-]+")


def odd_texts(length: int, *, source: str = "") -> Iterator[str]:
    """Texts of a length, of units repeated, with something before and behind them.

    Args:
        length: in characters.
        source: a pattern, whose own fragments are repeated as well; without one there are commands
            before some.
    """
    own = list(dict.fromkeys(_LITERAL.findall(source)))[:12]
    units = (*UNITS, *own, *(a + b for a, b in pairwise(own)), "".join(own))
    for unit in filter(None, units):
        for before, behind in _AROUND[:2] if source else _AROUND:
            room = length - len(before) - len(behind)
            yield f"{before}{(unit * length)[:room]}{behind}"
