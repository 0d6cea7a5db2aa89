"""Reading Chinese as people type it: folded for matching, answered in the asker's own script."""

import re
import unicodedata
from functools import cache

from opencc import OpenCC

_SEPARATORS = re.compile(r"[\s,。、!?;:~…·\"'“”‘’()\[\]【】《》<>|/\\-]+")
_MENTION_BEFORE = re.compile(r"^(?:[@＠]\S+\s+)+")
_MENTION_AFTER = re.compile(r"(?:\s*[@＠]\S*)+$")
_LINE_BREAKS = "\t\r\n"


def clean(text: str) -> str:
    """What a person meant to type: without invisible characters and surrounding blanks.

    DingTalk leaves a blank where it took the bot's mention out, at either end.
    """
    return "".join(character for character in text if not _invisible(character)).strip()


def without_mentions(text: str) -> str:
    """The text without mentions before or after it: some clients leave the bot's own in."""
    return _MENTION_AFTER.sub("", _MENTION_BEFORE.sub("", text)).strip()


def fold(text: str) -> str:
    """Fold for matching, never for display: width, case, script and punctuation don't count."""
    narrow = unicodedata.normalize("NFKC", clean(text))
    # Once more, because NFKC can bring forth what `clean` takes out.
    simplified = _simplifier().convert(clean(narrow))
    return _SEPARATORS.sub(" ", simplified).strip().casefold()


def is_traditional(text: str) -> bool:
    """Whether somebody writes traditional characters: some would differ in simplified ones."""
    return bool(_simplifier().convert(text) != text)


def to_traditional(text: str) -> str:
    """Turn simplified characters into traditional ones."""
    return str(_traditionalizer().convert(text))


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc") and character not in _LINE_BREAKS


@cache
def _simplifier() -> OpenCC:
    return OpenCC("t2s")


@cache
def _traditionalizer() -> OpenCC:
    return OpenCC("s2t")
