"""From text to skill: what somebody typed, however they typed it."""

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.skill import Command, Skill
from worker.text import MAX_CHARS, MAX_RAW_CHARS, Words, clean, fold, without_mentions

logger = logging.getLogger(__name__)

_MAX_SUGGESTIONS = 3
_CLOSE = 0.6


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers, and the words as the skill should see them."""

    skill: Skill
    command: Command
    text: str = field(repr=False)
    arguments: Words = field(repr=False)
    """What stands besides the command."""


class Router:
    """Finds the skill for a text; of two skills that claim a command, the first has it.

    First come whole commands, then commands with arguments behind them (the longest first), then
    patterns, in the order of the skills.
    """

    def __init__(self, skills: Sequence[Skill]) -> None:
        self._commands: dict[str, tuple[Skill, Command]] = {}
        self._patterns = [
            (pattern, skill, command)
            for skill in skills
            for command in skill.commands
            for pattern in command.patterns
        ]
        for skill in skills:
            for command in skill.commands:
                for name in command.names:
                    self._claim(name, skill, command)
        self._with_arguments = sorted(
            (name for name, (_, command) in self._commands.items() if command.signature.parameters),
            key=len,
            reverse=True,
        )

    def route(self, text: str) -> Route | None:
        """Find who answers a text; None if nobody does, or if it is too long to be a question."""
        if len(text.strip()) > MAX_RAW_CHARS:
            return None
        typed = clean(text)
        if len(typed) > MAX_CHARS:
            return None
        words, bare = Words.of(typed), without_mentions(typed)
        whole = self._whole(typed, words)
        if whole or bare == typed:
            return whole or self._within(typed, words)
        words = Words.of(bare)
        return self._whole(bare, words) or self._within(bare, words)

    def similar(self, text: str) -> list[str]:
        """Commands that a text may have been meant as, the likeliest first."""
        word = fold(without_mentions(clean(text))).partition(" ")[0]
        close = difflib.get_close_matches(word, self._commands, _MAX_SUGGESTIONS, _CLOSE)
        return list(dict.fromkeys(self._commands[name][1].names[0] for name in close))

    def _whole(self, text: str, words: Words) -> Route | None:
        found = self._commands.get(words.folded)
        return Route(*found, text, Words("", "")) if found else None

    def _within(self, text: str, words: Words) -> Route | None:
        """Find a command that the text begins with, or a pattern somewhere in it."""
        begun = Words(words.shown.lstrip("/"), words.matched.lstrip("/"))
        for name in self._with_arguments:
            if begun.matched.startswith(name) and _ends_word(begun.matched, len(name)):
                return Route(*self._commands[name], text, begun.without(0, len(name)))
        for pattern, skill, command in self._patterns:
            if found := pattern.search(words.matched):
                return Route(skill, command, text, words.without(*found.span))
        return None

    def _claim(self, name: str, skill: Skill, command: Command) -> None:
        owner, _ = self._commands.setdefault(fold(name), (skill, command))
        if owner is not skill:
            logger.warning("%s has %r, which %s claims as well", owner.name, name, skill.name)


def _ends_word(text: str, end: int) -> bool:
    """Chinese needs no blank after a command; a Latin one does, or `text` would eat `textile`."""
    before, after = text[end - 1], text[end : end + 1]
    return not (before.isascii() and before.isalnum() and after.isascii() and after.isalnum())
