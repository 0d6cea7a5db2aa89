"""Mentions that a client left in the text: the bot's own name, or somebody's.

DingTalk takes the bot's mention out of a text, but some clients leave it in, and people type an @
by hand. Unless the settings name the bot, nothing tells its name from a colleague's. So a text is
read without possible mentions at either edge, and the names are kept for skills that are asked
about people.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dingda.worker.language.patterns import Pattern
from dingda.worker.language.text import FoldedText

_MAX_NAME_WORDS = 3
_MAX_GLUED_NAME_CHARS = 12
_SIGNS = ("@", "＠")
_LEADING = (*_SIGNS, "「")
"""What a mention or a quotation at the beginning begins with."""
# No name has a slash, dot or second @: packages, addresses and versions do, and are arguments.
_NAME = r"[@＠][^\s\p{Z}@＠/.:,，]{1,40}"
_EVERYBODY = Pattern(r"^[@＠](?:所有人|全体成员|all(?:[\s\p{Z}]|$))[\s\p{Z}]*")
_FIRST = Pattern(rf"^(?:{_NAME}[\s\p{{Z}}]+)+")
_AFTER_NAME = Pattern(r"^[\s\p{Z},，、:：.。!！?？~～]+")
_LAST = Pattern(rf"(?:[\s\p{{Z}}]+(?:{_NAME}|[@＠]))+$")
_LAST_GLUED = Pattern(rf"(?:[\s\p{{Z}}]*(?:{_NAME}|[@＠]))+$")
_OTHER_FIRST = Pattern(r"^[@＠][^\s\p{Z}]+[\s\p{Z}]+")
# How clients that know no quotations put one into the text; the question follows it.
_QUOTATION = Pattern(r"^「[^」]*」[\s\p{Z}]*(?:(?:-[\s\p{Z}]*){5,}|(?:—[\s\p{Z}]*){2,})")


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a text: the words for a skill, and the names beside them."""

    text: str = field(repr=False)
    words: FoldedText = field(repr=False)
    """The same, folded."""
    names: tuple[str, ...] = field(default=(), repr=False)
    """The names behind an @ at its edges, which may be the bot's or somebody else's."""
    kept: str = field(default="", repr=False)
    """A leading word that begins with @ and is no mention: it is one of the arguments."""

    @classmethod
    def of(cls, text: str, names: Sequence[str] = (), kept: str = "") -> "Reading":
        """Read a text that has been cleaned."""
        return cls(text, FoldedText.of(text), tuple(names), kept)


def without_own_name(text: str, name: FoldedText, *, needs_sign: bool) -> str:
    """The text without the robot's own name at its beginning: 小钉 天气, or @小钉 天气.

    Args:
        text: what was typed, cleaned.
        name: the robot's; an empty one is nowhere.
        needs_sign: whether it counts only behind an @: it is a command as well.
    """
    if not name.folded or (needs_sign and not text.startswith(_SIGNS)):
        return text
    begin = int(text.startswith(_SIGNS))
    end = begin + len(name.original)
    if FoldedText.of(text[begin:end]).folded != name.folded:
        return text
    rest = text[end:]
    found = _AFTER_NAME.search(rest)
    if rest and not found:  # a longer name, or one that is glued to the command
        return text
    return rest[found.span[1] :] if found else ""


def without_leading_mentions(whole: Reading) -> Reading:
    """The text without its possible leading mentions, however many."""
    if not whole.text.startswith(_LEADING):  # as most do: spare them four expressions
        return whole
    text = _EVERYBODY.replace("", _QUOTATION.replace("", whole.text))
    names: list[str] = []
    if found := _FIRST.search(text):
        names = _names_in(found.taken)
        text = text[found.span[1] :]
    if found := _OTHER_FIRST.search(text):
        end = found.span[1]
        return Reading.of(text[end:], names, text[:end].strip())
    return whole if text == whole.text else Reading.of(text, names)


def without_trailing_mentions(reading: Reading, *, glued: bool) -> Reading:
    """The same without its possible trailing mentions.

    Args:
        reading: the text.
        glued: whether a mention needs no blank before it, as in 帮助@钉答; so would an address.
    """
    if not any(sign in reading.text for sign in _SIGNS):
        return reading
    found = (_LAST_GLUED if glued else _LAST).search(reading.text)
    if found is None:
        return reading
    names = (*reading.names, *_names_in(found.taken))
    return Reading.of(reading.text[: found.span[0]].rstrip(), names, reading.kept)


def other_leading_names(text: str) -> Iterator[tuple[str, str]]:
    """Other ends of a leading mention: names may have blanks, or be glued to the command.

    Args:
        text: what was typed, cleaned.

    Yields:
        A name of several words, or of the first word's first characters; and what follows it.
    """
    if not text.startswith(_SIGNS):
        return
    words = text.split(maxsplit=_MAX_NAME_WORDS)
    for count in range(2, min(_MAX_NAME_WORDS, len(words) - 1) + 1):
        yield " ".join(words[:count])[1:], text.split(maxsplit=count)[count]
    for end in range(2, min(_MAX_GLUED_NAME_CHARS, len(words[0]) - 1) + 1):
        yield text[1:end].removesuffix("的"), text[end:]


def _names_in(mentions: str) -> list[str]:
    return [name for each in mentions.replace("＠", "@").split("@") if (name := each.strip())]
