"""Reading Chinese as people type it: folded for matching, answered in the asker's own script."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from opencc import OpenCC

# NFKC turns … into three dots; a single one may belong to a number or a name.
_SEPARATORS = re.compile(r"(?:[\s,。、!?;:~·\"'“”‘’()\[\]【】《》<>|/\\-]|\.{2,})+")
_EDGES = " \t\r\n,。、!?;:~…·的"
_MENTION_BEFORE = re.compile(r"^(?:[@＠]\S+\s+)+")
_MENTION_AFTER = re.compile(r"(?:\s*[@＠]\S*)+$")
_LINE_BREAKS = "\t\r\n"


@dataclass(frozen=True, slots=True)
class Words:
    """A text to be read: as it is shown, and as it is matched, position by position."""

    shown: str
    matched: str
    """Simplified, in one case and half width."""

    @classmethod
    def of(cls, text: str) -> "Words":
        """Prepare what somebody typed for reading."""
        # Cleaned and narrowed around the case and once more, for each can bring forth what another
        # takes out (Unicode's NFKC_Casefold).
        shown = clean(_narrow(clean(text)))
        matched = to_simplified(clean(_narrow(shown.casefold())))
        # A few characters change their number when folded; then positions would lie.
        return cls(shown, matched) if len(shown) == len(matched) else cls(matched, matched)

    def without(self, start: int, end: int) -> "Words":
        """What is left when a part has been read."""
        return Words(*(f"{text[:start]} {text[end:]}" for text in (self.shown, self.matched)))

    @property
    def folded(self) -> str:
        """The text as commands are compared: punctuation and blanks don't count either."""
        return _SEPARATORS.sub(" ", self.matched).strip()

    @property
    def rest(self) -> str:
        """What is left, as it is shown, without what stands between words."""
        return " ".join(self.shown.split()).strip(_EDGES)


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
    return Words.of(text).folded


def is_traditional(text: str) -> bool:
    """Whether somebody writes traditional characters: some would differ in simplified ones."""
    return to_simplified(text) != text


def to_simplified(text: str) -> str:
    """Turn traditional characters into simplified ones."""
    return text if text.isascii() else str(_converter("t2s").convert(text))


def to_traditional(text: str) -> str:
    """Turn simplified characters into traditional ones."""
    return text if text.isascii() else str(_converter("s2t").convert(text))


def _narrow(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc") and character not in _LINE_BREAKS


@cache
def _converter(conversion: str) -> OpenCC:
    return OpenCC(conversion)
