"""The values of a function's parameters: found in a text, or sent beside it."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Protocol, Self, get_args, get_origin, runtime_checkable

from dingda.shared.dingtalk.content import File, Picture, Quoted, Voice
from dingda.shared.dingtalk.message import Message
from dingda.shared.texts import USAGE
from dingda.worker.errors import ClarificationNeeded
from dingda.worker.language.patterns import Pattern
from dingda.worker.language.text import FoldedText, fold
from dingda.worker.services.address_book import Person

_NUMBER = Pattern(r"-?\d+(?:\.\d+)?")
_MAX_NUMBER_CHARS = 30
"""A longer match is no number: float makes infinity of it."""
_NUMERIC = (int, float, Decimal)
TEXTS = (str, Person)
"""The types that are read last, from what the others leave."""


@runtime_checkable
class Slot(Protocol):
    """A type whose values can be found in a text.

    >>> class Room:
    ...     label = "会议室"
    ...     @classmethod
    ...     def extract(cls, words: FoldedText, now: datetime) -> tuple[str, FoldedText] | None:
    ...         found = Pattern("[a-z][0-9]{3}").search(words.folded)
    ...         return (found.taken.upper(), words.without(*found.span)) if found else None
    >>> Room.extract(FoldedText.of("预订a301"), datetime(2026, 11, 28))[0]
    'A301'
    """

    label: str
    """Its name for people, such as 城市."""

    @classmethod
    def extract(cls, words: FoldedText, now: datetime) -> tuple[Self, FoldedText] | None:
        """Find it, and return it with the words that are left; None if it isn't there.

        Raises:
            ClarificationNeeded: if it is there but could mean several things; its suggestions are
                what to type instead, without the command.
            RefusalError: if it is there and can't be, such as a day long past.
        """
        ...


def _picture(message: Message) -> Picture | None:
    quoted = message.quoted.pictures if message.quoted else ()
    return next(iter(message.pictures or quoted), None)


def _file(message: Message) -> File | None:
    quoted = message.quoted.files if message.quoted else ()
    return next(iter(message.files or quoted), None)


SENT: dict[type, Callable[[Message], object]] = {
    Picture: _picture,
    File: _file,
    Voice: lambda message: message.voice,
    Quoted: lambda message: message.quoted,
}
"""What a message may carry besides its text, and how to get it."""


def with_usage(sentence: str, usage: str, template: str = USAGE) -> str:
    """A sentence to somebody who typed a command wrong, and how to type it; "" in a step."""
    return sentence + template.format(usage=usage) if usage else sentence


def is_readable(kind: Any) -> bool:
    """Whether a parameter of this type can be read from a message."""
    if kind in TEXTS or kind in _NUMERIC or kind in SENT or get_origin(kind) is Literal:
        return True
    return isinstance(kind, type) and hasattr(kind, "extract")


def extract_value(
    kind: Any, words: FoldedText, now: datetime, *, last: bool, usage: str
) -> tuple[Any, FoldedText] | None:
    """Find a value of a type in a text.

    Args:
        kind: the type, one that `is_readable`.
        words: what is left of the text.
        now: the present.
        last: whether text takes all that is left, or one word of it.
        usage: how to type the command, which suggestions begin with; "" in a step of a dialogue.

    Returns:
        The value and the words that are left; None if there is none.

    Raises:
        ClarificationNeeded: what a slot raises, with the command before each suggestion.
        RefusalError: what a slot raises.
    """
    try:
        return _extract(kind, words, now, last=last)
    except ClarificationNeeded as unclear:
        command = usage.partition(" ")[0]
        suggestions = tuple(f"{command} {each}".strip() for each in unclear.suggestions)
        raise ClarificationNeeded(str(unclear), suggestions=suggestions) from None


def _extract(
    kind: Any, words: FoldedText, now: datetime, *, last: bool
) -> tuple[Any, FoldedText] | None:
    if kind is str:
        return _extract_text(words, last=last)
    if kind in _NUMERIC:
        return _extract_number(kind, words)
    if get_origin(kind) is Literal:
        return _extract_choice(get_args(kind), words)
    extracted: tuple[Any, FoldedText] | None = kind.extract(words, now)
    return extracted


def _extract_text(words: FoldedText, *, last: bool) -> tuple[str, FoldedText] | None:
    rest = words.rest
    if not rest:
        return None
    if last:
        return rest, FoldedText("", "")
    word, _, others = rest.partition(" ")
    return word, FoldedText.of(others)


def _extract_number(kind: Any, words: FoldedText) -> tuple[Any, FoldedText] | None:
    found = _NUMBER.search(words.folded)
    if found is None or len(found.taken) > _MAX_NUMBER_CHARS:
        return None
    if kind is int and "." in found.taken:
        return None
    return kind(found.taken), words.without(*found.span)


def _extract_choice(choices: tuple[str, ...], words: FoldedText) -> tuple[str, FoldedText] | None:
    """The choice that is typed first; of several that begin there, the longest."""
    found = [
        (at, folded, choice)
        for folded, choice in _longest_first(choices)
        if (at := words.folded.find(folded)) >= 0
    ]
    if not found:
        return None
    at, folded, choice = min(found, key=lambda each: each[0])
    return choice, words.without(at, at + len(folded))


@cache
def _longest_first(choices: tuple[str, ...]) -> list[tuple[str, str]]:
    """Each choice, folded and as it is declared, the longest first."""
    return [(fold(choice), choice) for choice in sorted(choices, key=len, reverse=True)]
