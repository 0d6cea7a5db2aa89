"""Reading Chinese as people type it: folded for matching, answered in the sender's own script.

No typed text is read beyond `MAX_CHARS`, here or anywhere: each function cuts its argument before
it does anything else, so that a text of 64 KiB costs no more than one of 500 characters.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from opencc import OpenCC

from dingda.shared.dingtalk.fields import encodable
from dingda.worker.language.patterns import Pattern

MAX_CHARS = 500
"""How much of a text is read; a longer one is no command.

>>> len(FoldedText.of("长" * 600).original) == MAX_CHARS
True
"""
MAX_RAW_CHARS = 4 * MAX_CHARS
"""The limit before invisible characters are removed, which do not count."""

# NFKC turns … into three dots; a single one may belong to a number or a name.
_SEPARATORS = Pattern(r"(?:[\s,。、!?;:~·\"'“”‘’()\[\]【】《》<>|/\\-]|\.{2,})+")
_EDGES = " \t\r\n,。、!?;:~…·的"
_LINE_BREAKS = "\t\r\n"
# The blanks that NFKC leaves alone.
_BLANKS = {0x1680: " ", 0x2028: "\n", 0x2029: "\n"}


@dataclass(frozen=True, slots=True)
class FoldedText:
    """A text in two forms of equal length: to be shown, and folded to be matched.

    >>> words = FoldedText.of("天氣　ＢＥＩＪＩＮＧ")
    >>> words.original, words.folded
    ('天氣 BEIJING', '天气 beijing')
    """

    original: str
    folded: str
    """Simplified, in one case and half width, with ASCII's digits and blanks."""

    @classmethod
    def of(cls, text: str) -> "FoldedText":
        """Fold a typed text: the first `MAX_CHARS` of it, no more."""
        # Clean and narrow before folding the case and again after it: each step can produce
        # characters that another removes (as in Unicode's NFKC_Casefold).
        original = clean(_narrow(clean(text)[:MAX_CHARS]))
        folded = to_simplified(_with_plain_digits(clean(_narrow(original.casefold()))))
        # A few characters change the length when folded; then positions would not agree.
        return cls(original, folded) if len(original) == len(folded) else cls(folded, folded)

    def without(self, start: int, end: int) -> "FoldedText":
        """The text without a part that has been read."""
        return self.without_all([(start, end)])

    def without_all(self, spans: Sequence[tuple[int, int]]) -> "FoldedText":
        """The text without several parts that have been read, in their order."""
        return FoldedText(
            *(" ".join(_around(text, spans)) for text in (self.original, self.folded))
        )

    @property
    def normalized(self) -> str:
        """The text as commands are compared: folded, with one blank for blanks and punctuation."""
        return _SEPARATORS.replace(" ", self.folded).strip()

    @property
    def rest(self) -> str:
        """The original text with single blanks, and without punctuation at its ends."""
        return " ".join(self.original.split()).strip(_EDGES)


def clean(text: str) -> str:
    """Remove invisible characters and surrounding blanks, and replace halves of surrogate pairs.

    DingTalk leaves a blank where it removed the bot's mention, at either end.

    Returns:
        At most the first `MAX_RAW_CHARS` characters.
    """
    beginning = encodable(text.strip()[:MAX_RAW_CHARS])
    return "".join(character for character in beginning if not _invisible(character)).strip()


def fold(text: str) -> str:
    """Fold for matching, never for display: width, case, script and punctuation don't count.

    >>> fold("【ＳＯＮＹ】降噪-耳機")
    'sony 降噪 耳机'
    """
    return FoldedText.of(text).normalized


def is_traditional(text: str) -> bool:
    """Whether a text has traditional characters: some would differ in simplified script.

    >>> is_traditional("天氣"), is_traditional("天气")
    (True, False)
    """
    beginning = text[:MAX_CHARS]
    return to_simplified(beginning) != beginning


def localizer(*, like: str) -> Callable[[str], str]:
    """The conversion of the bot's own texts to the script of another text, the sender's.

    >>> localizer(like="天氣")("请稍后再试")
    '請稍後再試'
    """
    return to_traditional if is_traditional(like) else _unchanged


def to_simplified(text: str) -> str:
    """Turn traditional characters into simplified ones.

    >>> to_simplified("優惠券")
    '优惠券'
    """
    return _convert("t2s", text)


def to_traditional(text: str) -> str:
    """Turn simplified characters into traditional ones; a long text of our own is not cut."""
    return _convert("s2t", text)


def _unchanged(text: str) -> str:
    return text


def _narrow(text: str) -> str:
    # One character may become eighteen (U+FDFA).
    return unicodedata.normalize("NFKC", text).translate(_BLANKS)[:MAX_CHARS]


def _with_plain_digits(text: str) -> str:
    """Replace the digits of every script by ASCII's, the only ones that patterns know."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _around(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    starts = (0, *(end for _, end in spans))
    ends = (*(start for start, _ in spans), len(text))
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc") and character not in _LINE_BREAKS


def _convert(conversion: str, text: str) -> str:
    if text.isascii():
        return text
    # In parts: OpenCC copies the rest of the line for each word that it converts.
    lines = text.splitlines(keepends=True)
    parts = (line[at : at + MAX_CHARS] for line in lines for at in range(0, len(line), MAX_CHARS))
    convert = _converter(conversion).convert
    return "".join(part if part.isascii() else convert(part) for part in parts)


@cache
def _converter(conversion: str) -> OpenCC:
    return OpenCC(conversion)
