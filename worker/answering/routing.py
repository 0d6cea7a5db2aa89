"""From text to skill, however the text was typed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dingda.shared.dingtalk.message import Message
from dingda.worker.answering.dialogue import Dialogue
from dingda.worker.answering.mentions import (
    Reading,
    other_leading_names,
    without_leading_mentions,
    without_own_name,
    without_trailing_mentions,
)
from dingda.worker.language.patterns import Pattern
from dingda.worker.language.sounds import MAX_SIMILAR, similar_to, sounding_alike
from dingda.worker.language.text import MAX_CHARS, MAX_RAW_CHARS, FoldedText, clean, fold
from dingda.worker.sdk.skill import Command, Skill

logger = logging.getLogger(__name__)

HELP = "帮助"
"""A name of the command that explains the others."""
_HELP = r"帮助|help|菜单"
_HOW = r"(?:怎么|怎样|如何)(?:用|使用|玩)|how to use"
_ASKS_FOR_HELP = Pattern(rf"{_HELP}|{_HOW}|用法|说明")
"""A quick check before `_ABOUT`: most texts ask for no help."""
_ABOUT = Pattern(
    rf"^(?:(?:{_HELP}) (?P<typed>[^ ]+)|(?:{_HELP}|{_HOW}) ?(.+?)"
    rf"|(.+?) ?(?:的?(?:用法|使用说明|说明)|{_HELP}|{_HOW}))[呢啊呀吗]?$"
)


@dataclass(frozen=True, slots=True)
class Route:
    """The skill and command for a text, and the text as the skill should see it."""

    skill: Skill
    command: Command
    text: str = field(repr=False)
    arguments: FoldedText = field(repr=False)
    """What is left of the text without the command."""
    names: tuple[str, ...] = field(default=(), repr=False)
    """The names behind an @ at the text's edges; see `worker.answering.mentions`."""
    dialogue: Dialogue | None = None
    """The dialogue that its sender was in; None outside of one."""
    is_step: bool = False
    """Whether it goes on with that dialogue, rather than leaves it."""
    otherwise: "Route | None" = field(default=None, repr=False)
    """Where the message goes if that step can't read it; None: the question stays open."""

    @property
    def is_secret(self) -> bool:
        """Whether its answer may be for the sender alone."""
        return self.skill.private or bool(self.otherwise and self.otherwise.is_secret)


class Readings(NamedTuple):
    """The ways to read a text, by how much of what may be a mention is left out."""

    whole: Reading
    first: Reading
    """Without those at the beginning."""
    middle: Reading
    """Without those at the end either."""


class Router:
    """Finds the skill for a text; of two skills that claim a command, the first has it.

    Exact commands are tried first, then commands with arguments behind them (the longest first),
    then patterns, in the order of the skills.

    Args:
        skills: in this order.
        own_name: the robot's, as people type it; "" where that is not known.
    """

    def __init__(self, skills: Sequence[Skill], *, own_name: str = "") -> None:
        self._commands: dict[str, tuple[Skill, Command]] = {}
        self._skills = skills
        self._all = [(skill, command) for skill in skills for command in skill.commands]
        self._patterns = [
            (pattern, skill, command)
            for skill, command in self._all
            for pattern in command.patterns
        ]
        for skill, command in self._all:
            for name in command.names:
                self._claim(name, skill, command)
        self._help = self._commands.get(HELP)
        if self._help and self._help[0].name != "help":
            self._help = None
        self._with_arguments = sorted(
            (
                name
                for name, found in self._commands.items()
                # What follows 帮助 is mostly a sentence; `_help_on_command` finds the others.
                if found[1].signature.parameters and found != self._help
            ),
            key=len,
            reverse=True,
        )
        self._names = tuple(self._commands)
        self._own_name = FoldedText.of(own_name)
        self._own_name_is_command = self._own_name.normalized in self._commands
        self._looked_at_chars = 2 * max(map(len, self._names), default=0)

    def route(self, text: str) -> Route | None:
        """Find the command for a text; None if there is none, or if the text is too long."""
        readings = self.readings(text)
        return (self.by_name(readings) or self.by_pattern(readings)) if readings else None

    def readings(self, text: str) -> Readings | None:
        """The ways to read a text; None if it is too long."""
        if len(text.strip()) > MAX_RAW_CHARS:
            return None
        typed = self.words_in(text)
        if len(typed) > MAX_CHARS:
            return None
        whole = Reading.of(typed)
        first = without_leading_mentions(whole)
        return Readings(whole, first, without_trailing_mentions(first, glued=True))

    def by_name(self, readings: Readings) -> Route | None:
        """Find the command that a text names, with or without arguments behind it."""
        whole, first, middle = readings
        return (
            self._exact(whole)
            or (first is not whole and self._exact(first))
            or (middle is not first and self._exact(middle, needs_nothing=True))
            or self._help_on_command(first)
            or self._by_prefix(first)
            or self._after_another_name(whole.text)
            or None
        )

    def by_pattern(self, readings: Readings) -> Route | None:
        """Find the command one of whose patterns is somewhere in a text."""
        words = readings.first.words
        for pattern, skill, command in self._patterns:
            if found := pattern.search(words.folded):
                return route_to(skill, command, readings.first, words.without(*found.span))
        return None

    def find_step(self, skill_name: str, step_name: str) -> tuple[Skill, Command] | None:
        """The step of a dialogue; None if no skill here has it."""
        for skill in self._skills:
            if skill.name == skill_name and (step := skill.find_step(step_name)):
                return skill, step
        return None

    def words_in(self, text: str) -> str:
        """A text as skills see it: cleaned, and without the robot's own name before it."""
        needs_sign = self._own_name_is_command
        return without_own_name(clean(text), self._own_name, needs_sign=needs_sign)

    def route_sent(self, message: Message) -> Route | None:
        """Find the command for a picture, a file or a quotation that comes without words."""
        for skill, command in self._all:
            if command.signature.answers_to(message):
                return Route(skill, command, "", FoldedText("", ""))
        return None

    def similar(self, text: str) -> list[str]:
        """Commands that a text may have been meant as, with the arguments that were typed."""
        folded = without_leading_mentions(Reading.of(clean(text))).words.normalized
        alike = sounding_alike(folded, self._names)
        found = dict[str, str]()
        for name in similar_to(folded, self._names):
            command = self._commands[name][1]
            typed = folded[len(name) :] if name in alike else folded.partition(" ")[2]
            rest = typed.strip() if command.signature.parameters else ""
            found.setdefault(command.names[0], f"{command.names[0]} {rest}".strip())
        return list(found.values())[:MAX_SIMILAR]

    def _help_on_command(self, reading: Reading) -> Route | None:
        """Find the help for one command: 帮助 换算, 换算 帮助, 怎么用换算."""
        if self._help is None or not _ASKS_FOR_HELP.search(reading.words.folded):
            return None
        found = _ABOUT.search(reading.words.normalized)
        if found is None:
            return None
        name = next(filter(None, found.groups)).strip()
        # An unknown word may be a typing error, or the rest of a sentence.
        if name in self._commands or (found["typed"] and similar_to(name, self._names)):
            return Route(*self._help, reading.text, FoldedText.of(name), reading.names)
        return None

    def _exact(self, reading: Reading, *, needs_nothing: bool = False) -> Route | None:
        """Find a command that is all of the text; with `needs_nothing` one that works so."""
        found = self._commands.get(reading.words.normalized)
        if not found or (needs_nothing and any(p.required for p in found[1].signature.parameters)):
            return None
        return Route(*found, reading.text, FoldedText("", ""), reading.names)

    def _by_prefix(self, reading: Reading) -> Route | None:
        """Find a command that the text begins with."""
        words = reading.words
        begun = FoldedText(words.original.lstrip("/"), words.folded.lstrip("/"))
        for name in self._with_arguments:
            if begun.folded.startswith(name) and _ends_word(begun.folded, len(name)):
                return route_to(*self._commands[name], reading, begun.without(0, len(name)))
        return None

    def _after_another_name(self, typed: str) -> Route | None:
        """Find a command behind a mention that has blanks in it, or is glued to the command."""
        for name, rest in other_leading_names(typed):
            # Folding all of each text would take long.
            if not fold(rest[: self._looked_at_chars]).startswith(self._names):
                continue
            reading = Reading.of(rest, [name])
            if route := self._exact(reading) or self._by_prefix(reading):
                return route
        return None

    def _claim(self, name: str, skill: Skill, command: Command) -> None:
        owner, _ = self._commands.setdefault(fold(name), (skill, command))
        if owner is not skill:
            logger.warning("%s has %r, which %s claims as well", owner.name, name, skill.name)


def route_to(skill: Skill, command: Command, reading: Reading, arguments: FoldedText) -> Route:
    """A route whose arguments end before the trailing mentions, if any arguments are left then."""
    whole = Reading(arguments.original.rstrip(), arguments, reading.names)
    rest = without_trailing_mentions(whole, glued=False)
    if not rest.text.strip():
        rest = whole
    if reading.kept:
        rest = Reading.of(f"{reading.kept} {rest.text}", rest.names)
    return Route(skill, command, reading.text, rest.words, rest.names)


def _ends_word(text: str, end: int) -> bool:
    """Chinese needs no blank after a command; a Latin one does, or `text` would eat `textile`."""
    before, after = text[end - 1], text[end : end + 1]
    return not (before.isascii() and before.isalnum() and after.isascii() and after.isalnum())
