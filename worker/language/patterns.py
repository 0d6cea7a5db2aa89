r"""Regular expressions for what people type: in linear time, whatever they type.

Everything that is matched against typed text is compiled here, by RE2, which guarantees it; over
forty `@` a pattern of Python's own `re` may take for ever. RE2 has no lookaround and no
backreferences, and its `\d`, `\s`, `\w` and `\b` know ASCII only. So what must stand beside a match
is written out, and what is meant is named: `(?P<taken>天气)(?:[^温]|$)` is 天气 unless 温 follows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import re2

TAKEN = "taken"
"""The group that is meant, of a pattern that looks at what stands beside it as well."""
_MAX_MEMORY_BYTES = 1024 * 1024
"""For one pattern with all that RE2 remembers of it; a pattern that doesn't fit is refused."""

# What `re` knows and RE2 doesn't, as it is written there, and what to write instead.
_REMEDIES = {
    r"\(\?<?[=!]": "write what stands beside it out, and name what is meant, as in "
    "(?P<taken>天气)(?:[^温]|$) for 天气(?!温)",
    r"[+*?}]\+|\(\?>": "leave it out, for nothing is tried twice",
    r"\\[1-9]|\(\?P=": "compare in the function",
    r"\\Z": r"write $ or \z",
    r"\\[uUN]": r"write the character itself, or \x{4e00}",
    r"\{,\d": "write {0,n}",
}
_NO_LOWER_BOUND = re.compile(r"\{,\d+\}")
_HALVES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


class UnsupportedPatternError(ValueError):
    """It is no regular expression, or needs more than linear time; says what to write instead.

    >>> Pattern("(?!温)")
    Traceback (most recent call last):
    dingda.worker.language.patterns.UnsupportedPatternError: the pattern '(?!温)' can't be used: ...
    """

    def __init__(self, source: str, reason: str) -> None:
        remedies = [remedy for mark, remedy in _REMEDIES.items() if re.search(mark, source)]
        super().__init__("; ".join((f"the pattern {source!r} can't be used: {reason}", *remedies)))


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern was found.

    >>> found = Pattern("q([1-4])").search("我的q3业绩")
    >>> found.taken, found.span, found.groups
    ('q3', (2, 4), ('3',))
    """

    found: Any
    taken_group: int

    @property
    def span(self) -> tuple[int, int]:
        """Where that which is meant begins and ends: the group `taken`, or else all of it."""
        begin, end = self.found.span(self.taken_group)
        return (begin, end) if begin >= 0 else self.found.span()

    @property
    def taken(self) -> str:
        """The words there."""
        begin, end = self.span
        return str(self.found.string[begin:end])

    @property
    def groups(self) -> tuple[Any, ...]:
        """What the other groups hold, in their order; None where one took no part."""
        held: tuple[Any, ...] = self.found.groups()
        return held[: self.taken_group - 1] + held[self.taken_group :] if self.taken_group else held

    def __getitem__(self, group: str) -> Any:
        return self.found[group]


class Pattern:
    """A compiled regular expression.

    Args:
        source: in RE2's syntax.

    Raises:
        UnsupportedPatternError: if RE2 doesn't take it.

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
        """What it was compiled from."""
        return str(self._pattern.pattern)

    def search(self, text: str) -> Match | None:
        """Find it: the leftmost, and of alternatives the first."""
        found = self._pattern.search(_encodable(text))
        return Match(found, self._taken_group) if found else None

    def find_all(self, text: str) -> Iterator[Match]:
        """Find it as often as it is there, without overlaps."""
        for found in self._pattern.finditer(_encodable(text)):
            yield Match(found, self._taken_group)

    def replace(self, by: str, text: str) -> str:
        """Put something else wherever it is found, with all that it found."""
        return str(self._pattern.sub(lambda _: by, _encodable(text)))


def _encodable(text: str) -> str:
    """RE2 wants UTF-8, which has nothing for half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.translate(_HALVES)
    return text
