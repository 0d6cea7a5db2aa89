"""How words sound: most typing errors in Chinese are homophones, because people type sounds."""

import difflib
from collections.abc import Sequence
from functools import cache, lru_cache

from xpinyin import Pinyin

MAX_SIMILAR = 3
_CLOSE = 0.6
_FEWEST = 2
"""The fewest characters of a name: too many single characters sound alike."""


def sounding_alike(text: str, names: Sequence[str]) -> list[str]:
    """The Chinese names that sound like the beginning of a text, tones aside.

    Args:
        text: the typed text, folded.
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
    """The names that a text may be a misspelling of: first by sound, then by spelling.

    Args:
        text: the typed text, folded.
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
