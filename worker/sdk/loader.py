"""Find skills: in modules named in the settings, or offered by installed packages."""

import importlib
import logging
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from pydantic import ValidationError
from pydantic_settings import BaseSettings
from pydantic_settings import SettingsError as UnreadableSettingsError

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.logs import class_name, printable, redact
from dingda.shared.runtime.plain_settings import invalid_settings, variables_of
from dingda.shared.runtime.skill_modules import choose_modules
from dingda.worker.sdk.skill import Skill

logger = logging.getLogger(__name__)

_MAX_CHARS = 500
_MAX_NAME_CHARS = 100

_FORMER_PACKAGES = {"shared", "worker"}
"""Where skills imported from before `dingda` held all."""
_IMPORT_FROM = "import Skill from dingda.skill"


@dataclass(frozen=True, slots=True)
class FoundModule:
    """A module that should hold a skill."""

    name: str
    skill: Skill | None
    problem: str = ""
    """Why it has none, in a line."""
    raised: BaseException | None = field(default=None, repr=False)
    """What its import raised."""
    error: str = "no skill"
    """The problem in a word, which quotes nothing that an author wrote: the error's class."""

    @property
    def brief(self) -> str:
        """The module and why it has no skill, such as `acme.leave (ModuleNotFoundError)`."""
        return f"{printable(self.name, _MAX_NAME_CHARS)} ({self.error})"

    def log(self, line: str) -> None:
        """Log why it has no skill, and where that was raised.

        Args:
            line: what logging takes, with a place for the module's name and one for the reason.
        """
        logger.error(line, self.name, self.problem, exc_info=self.raised)


def find_skills(modules: Sequence[str]) -> list[FoundModule]:
    """Import the modules of skills, in order, and take the skill of each.

    Args:
        modules: what `choose_modules` takes.
    """
    return list(map(_find, choose_modules(modules).modules))


def find_skills_of(robots: Iterable[Sequence[str]]) -> list[FoundModule]:
    """The same for several robots, each module once.

    Args:
        robots: the modules of each, as `choose_modules` takes them.
    """
    chosen = (choose_modules(modules).modules for modules in robots)
    return list(map(_find, dict.fromkeys(chain.from_iterable(chosen))))


@dataclass(frozen=True, slots=True)
class LoadedSkills:
    """The skills of one or several robots."""

    by_robot: Mapping[str, Sequence[Skill]]
    failed: tuple[FoundModule, ...]
    """The modules without a skill, each once."""


def load_skills(modules: Sequence[str]) -> list[Skill]:
    """Load skills, in order; see `find_skills`.

    A module that can't be loaded is logged with the reason; the rest still works.
    """
    return list(load_skills_of({"": modules}).by_robot[""])


def load_skills_of(modules: Mapping[str, Sequence[str]]) -> LoadedSkills:
    """Load the skills of several robots; they share the skill of a module that several name.

    Args:
        modules: the modules of each robot's skills, as `load_skills` takes them, by any name of it.

    Returns:
        The skills by the same names.
    """
    found = {module.name: module for module in find_skills_of(modules.values())}
    failed = tuple(module for module in found.values() if module.problem)
    for module in failed:
        module.log("skills of %s are missing: %s")
    skills = {
        robot: [skill for name in choose_modules(each).modules if (skill := found[name].skill)]
        for robot, each in modules.items()
    }
    return LoadedSkills(skills, failed)


def load_skill_settings(skills: Iterable[Skill]) -> dict[type[BaseSettings], BaseSettings]:
    """Read the settings that skills declare, from the environment and `.env`.

    Wrong ones are logged, without their values, and left out; senders of messages to
    their skill then hear that an administrator must look.
    """
    loaded: dict[type[BaseSettings], BaseSettings] = {}
    users = {kind: skill.name for skill in skills for kind in skill.settings_types()}
    for kind, user in users.items():
        try:
            loaded[kind] = read_settings(kind)
        except SettingsError as error:
            for problem in str(error).splitlines():
                logger.error("skill %s has a setting to mend: %s", user, problem)
    return loaded


def names_read(skills: Iterable[Skill]) -> set[str]:
    """The variables that the settings of skills read."""
    kinds = {kind for skill in skills for kind in skill.settings_types()}
    return {name for kind in kinds for name in variables_of(kind)}


def read_settings(kind: type[BaseSettings]) -> BaseSettings:
    """Read one settings class of a skill.

    Raises:
        SettingsError: naming each wrong variable and why, without its value.
    """
    try:
        return kind()
    except ValidationError as error:
        raise invalid_settings(kind, error) from None
    except UnreadableSettingsError as error:
        # Invalid JSON for a list or an object: pydantic-settings names the field, not its value.
        raise SettingsError(f"{kind.__name__}: {error}") from None


def _find(name: str) -> FoundModule:
    try:
        skill = getattr(importlib.import_module(name), "skill", None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a module may raise anything, or exit
        # No message has been read yet, so the text is the author's and safe to log.
        reason = printable(redact(_reason(error)), _MAX_CHARS)
        return FoundModule(name, None, reason, error, class_name(error))
    if not isinstance(skill, Skill):
        return FoundModule(name, None, _no_skill(skill))
    return FoundModule(name, skill)


def _reason(error: BaseException) -> str:
    reason = traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename:
        # The traceback ends in the import system; only the error knows the author's line.
        return f"{reason} ({error.filename}, line {error.lineno})"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if (missing or "").partition(".")[0] in _FORMER_PACKAGES:
        return f"{reason}; {_IMPORT_FROM}"
    return reason


def _no_skill(found: object) -> str:
    """Why an object named `skill` is not a skill."""
    if class_name(found) == Skill.__name__:
        module = printable(str(type(found).__module__))
        return f"the class of `skill` is {module}.{Skill.__name__}; {_IMPORT_FROM}"
    return "the module has no `skill = Skill(...)`"
