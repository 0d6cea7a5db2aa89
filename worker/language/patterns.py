r"""Regular expressions for typed text, which match in linear time whatever is typed.

Every pattern that is matched against typed text is compiled here, by RE2, which guarantees that; on
forty `@` a pattern of Python's own `re` may take for ever. RE2 has no lookaround and no
backreferences, and its `\d`, `\s`, `\w` and `\b` know ASCII only. So a pattern spells out what must
be beside a match, and names the match: `(?P<taken>天气)(?:[^温]|$)` is 天气 unless 温 follows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import re2

TAKEN = "taken"
"""The name of the group that is the match, in a pattern that spells out its surroundings."""
_MAX_MEMORY_BYTES = 1024 * 1024
"""For one compiled pattern and RE2's caches for it; a pattern that doesn't fit is refused."""

# Syntax that `re` knows and RE2 doesn't → what to write instead.
_REMEDIES = {
    r"\(\?<?[=!]": "write out what is beside it, and name what is meant, as in "
    "(?P<taken>天气)(?:[^温]|$) for 天气(?!温)",
    r"[+*?}]\+|\(\?>": "leave it out: nothing is tried twice",
    r"\\[1-9]|\(\?P=": "compare in the function",
    r"\\Z": r"write $ or \z",
    r"\\[uUN]": r"write the character itself, or \x{4e00}",
    r"\{,\d": "write {0,n}",
}
_NO_LOWER_BOUND = re.compile(r"\{,\d+\}")
_HALVES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


class UnsupportedPatternError(ValueError):
    """A pattern that is no regular expression, or not linear; the text says what to write instead.

    >>> Pattern("(?!温)")
    Traceback (most recent call last):
    dingda.worker.language.patterns.UnsupportedPatternError: the pattern '(?!温)' can't be used: ...
    """

    def __init__(self, source: str, reason: str) -> None:
        remedies = [remedy for mark, remedy in _REMEDIES.items() if re.search(mark, source)]
        super().__init__("; ".join((f"the pattern {source!r} can't be used: {reason}", *remedies)))


@dataclass(frozen=True, slots=True)
class Match:
    """A match of a pattern.

    >>> found = Pattern("q([1-4])").search("我的q3业绩")
    >>> found.taken, found.span, found.groups
    ('q3', (2, 4), ('3',))
    """

    found: Any
    taken_group: int

    @property
    def span(self) -> tuple[int, int]:
        """Start and end of the group `taken`, or else of the whole match."""
        start, end = self.found.span(self.taken_group)
        return (start, end) if start >= 0 else self.found.span()

    @property
    def taken(self) -> str:
        """The text there."""
        start, end = self.span
        return str(self.found.string[start:end])

    @property
    def groups(self) -> tuple[Any, ...]:
        """The texts of the other groups, in their order; None where one took no part."""
        texts: tuple[Any, ...] = self.found.groups()
        taken = self.taken_group
        return texts[: taken - 1] + texts[taken:] if taken else texts

    def __getitem__(self, group: str) -> Any:
        return self.found[group]


class Pattern:
    """A compiled regular expression.

    Args:
        source: the expression in RE2's syntax.

    Raises:
        UnsupportedPatternError: if RE2 doesn't accept it.

    >>> Pattern("(?P<taken>天气)(?:[^温]|$)").search("北京天气").taken
    '天气'
    """

    __slots__ = ("_pattern", "_taken_group")

    def __init__(self, source: str) -> None:
        if _NO_LOWER_BOUND.search(source):  # RE2 would take it literally
            raise UnsupportedPatternError(source, "no lower bound")
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MAX_MEMORY_BYTES
        try:
            self._pattern = re2.compile(source, options)
        except re2.error as error:
            raise UnsupportedPatternError(source, error.args[0].decode(errors="replace")) from None
        self._taken_group = self._pattern.groupindex.get(TAKEN, 0)

    @property
    def source(self) -> str:
        """The expression it was compiled from."""
        return str(self._pattern.pattern)

    def search(self, text: str) -> Match | None:
        """Find the leftmost match; of alternatives at one place, the first."""
        found = self._pattern.search(_encodable(text))
        return Match(found, self._taken_group) if found else None

    def find_all(self, text: str) -> Iterator[Match]:
        """Find every match, without overlaps."""
        for found in self._pattern.finditer(_encodable(text)):
            yield Match(found, self._taken_group)

    def replace(self, by: str, text: str) -> str:
        """Replace every whole match, whatever its group `taken`."""
        return str(self._pattern.sub(lambda _: by, _encodable(text)))


def _encodable(text: str) -> str:
    """Replace halves of surrogate pairs, which RE2's UTF-8 cannot encode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_HALVES)
    return text
