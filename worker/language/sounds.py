"""How words sound: most typing errors in Chinese are homophones, for people type sounds."""

import difflib
from collections.abc import Sequence
from functools import cache, lru_cache

from xpinyin import Pinyin

MAX_SIMILAR = 3
_CLOSE = 0.6
_FEWEST = 2
"""How many characters a name has. Of one character there are too many that sound alike."""


def sounding_alike(text: str, names: Sequence[str]) -> list[str]:
    """The Chinese names that a text begins with, by their sound, tones aside.

    Args:
        text: what was typed, folded.
        names: the names, folded.
    """
    return [
        name
        for name in names
        if len(name) >= _FEWEST
        and not name.isascii()
        and _sounds(text[: len(name)]) == _sounds(name)
    ]


def similar_to(text: str, names: Sequence[str]) -> list[str]:
    """The names that a text may have been meant as: that sound alike, then that look alike.

    Args:
        text: what was typed, folded.
        names: the names, folded.
    """
    word = text.partition(" ")[0]
    close = difflib.get_close_matches(word, names, MAX_SIMILAR, _CLOSE)
    return list(dict.fromkeys((*sounding_alike(text, names), *close)))


def _sounds(text: str) -> tuple[str, ...]:
    return tuple(map(_sound, text))


@lru_cache(maxsize=8192)
def _sound(character: str) -> str:
    return str(_table().get_pinyin(character, ""))


@cache
def _table() -> Pinyin:
    return Pinyin()
