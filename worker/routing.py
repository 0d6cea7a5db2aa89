"""From text to skill: the command that somebody typed, however they typed it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from worker.skill import Skill, SkillFunction
from worker.text import clean, fold, without_mentions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers, and the words as the skill should see them."""

    skill: Skill
    function: SkillFunction
    text: str


class Router:
    """Finds the skill for a text; of two skills that claim a command, the first has it."""

    def __init__(self, skills: Sequence[Skill]) -> None:
        self._commands: dict[str, tuple[Skill, SkillFunction]] = {}
        for skill in skills:
            for names, function in skill.commands.items():
                for name in names:
                    self._claim(name, skill, function)

    def route(self, text: str) -> Route | None:
        """Find who answers a text; None if nobody does."""
        typed = clean(text)
        for words in (typed, without_mentions(typed)):
            found = self._commands.get(fold(words))
            if found:
                skill, function = found
                return Route(skill, function, words)
        return None

    def _claim(self, name: str, skill: Skill, function: SkillFunction) -> None:
        owner, _ = self._commands.setdefault(fold(name), (skill, function))
        if owner is not skill:
            logger.warning(
                "skills %s and %s both claim %r: %s has it",
                owner.name,
                skill.name,
                name,
                owner.name,
            )
