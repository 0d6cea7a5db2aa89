"""Cuts a text without parting an emoji or a letter from what is joined to it."""

import re
import unicodedata

_JOINER = "\u200d"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_MOST_JOINED = 32


def shorten(text: str, max_chars: int) -> str:
    """The text, or its beginning and an ellipsis: `max_chars` at the most.

    No emoji or letter is parted from what is joined to it (a skin tone, an accent), unless that
    goes on and on.

    >>> shorten("一二三四五六", 4)
    '一二三…'
    """
    return text if len(text) <= max_chars else text[: whole_until(text, max_chars - 1)] + "…"


def whole_until(text: str, end: int) -> int:
    """The last place up to `end` where a cut parts no emoji or letter from what is joined to it."""
    places = range(end, max(end - _MOST_JOINED, 0), -1)
    return next((at for at in places if not _is_joined(text, at)), end)


def _is_joined(text: str, at: int) -> bool:
    if at >= len(text):
        return False
    before, behind = text[at - 1], text[at]
    if ord(behind) in _FLAG_LETTERS:  # a flag is two of them
        row = re.search(r"[\U0001F1E6-\U0001F1FF]*$", text[max(at - _MOST_JOINED, 0) : at])
        return row is not None and len(row[0]) % 2 == 1
    is_mark = unicodedata.category(behind).startswith("M") or ord(behind) in _SKIN_TONES
    return is_mark or _JOINER in (before, behind)
