"""Finding skills: modules by name, or what installed packages offer, each with a `skill`."""

import importlib
import logging
import pkgutil
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from pydantic import ValidationError
from pydantic_settings import BaseSettings
from pydantic_settings import SettingsError as UnreadableSettingsError

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.logs import printable, trace
from dingda.shared.runtime.settings import invalid_settings, is_skills, names_set, nearest
from dingda.worker.sdk.skill import Skill

logger = logging.getLogger(__name__)

_MAX_CHARS = 500

ENTRY_POINTS = "dingda.skills"
"""The group under which a package names the modules of its skills."""
_SHIPPED = "dingda.worker.skills"
"""The package of our own skills, which are found by name as all others are."""


@dataclass(frozen=True, slots=True)
class FoundModule:
    """A module that should have a skill."""

    name: str
    skill: Skill | None
    problem: str = ""
    """Why it has none: a line, and perhaps others that say where it went wrong."""


def find_skills(modules: Sequence[str]) -> list[FoundModule]:
    """Import the modules of skills, in order, and take the skill of each.

    Args:
        modules: names of modules, or of entry points of the group `dingda.skills`. None named: all
            of `dingda.worker.skills`, then every entry point.
    """
    offered = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    names = [offered.get(name, _current(name)) for name in modules] or [
        *_shipped(),
        *offered.values(),
    ]
    return list(map(_find, names))


def load_skills(modules: Sequence[str]) -> list[Skill]:
    """Load skills, in order; see `find_skills`.

    What can't be loaded is named in the log with the reason; the rest still works.
    """
    found = find_skills(modules)
    for module in found:
        if module.problem:
            logger.error("skills of %s are missing: %s", module.name, module.problem)
    return [module.skill for module in found if module.skill]


def load_skill_settings(skills: Iterable[Skill]) -> dict[type[BaseSettings], BaseSettings]:
    """Read the settings that skills declare, from the environment and `.env`.

    Those that are wrong are named in the log, without their values, and left out; a question to
    their skill then ends in an apology.
    """
    loaded: dict[type[BaseSettings], BaseSettings] = {}
    for kind in dict.fromkeys(kind for skill in skills for kind in skill.settings_types()):
        try:
            loaded[kind] = read_settings(kind)
        except SettingsError as error:
            for problem in str(error).splitlines():
                logger.error("%s", problem)
    _warn_of_misspelt(loaded)
    return loaded


def _warn_of_misspelt(kinds: Iterable[type[BaseSettings]]) -> None:
    known = {
        f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        for kind in kinds
        for name in kind.model_fields
    }
    for name in names_set():
        if name not in known and is_skills(name) and (meant := nearest(name, known)):
            logger.warning("%s is read by no skill; did you mean %s?", name, meant)


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
        # A list or an object that is no JSON: pydantic-settings names the field, not its value.
        raise SettingsError(f"{kind.__name__}: {error}") from None


def _shipped() -> list[str]:
    folder = importlib.import_module(_SHIPPED).__path__
    return [module.name for module in pkgutil.iter_modules(folder, f"{_SHIPPED}.")]


def _current(name: str) -> str:
    """A module's name, if it is one that a shipped skill had before all were in `dingda`."""
    return f"dingda.{name}" if name.startswith("worker.skills.") else name


def _find(name: str) -> FoundModule:
    try:
        skill = getattr(importlib.import_module(name), "skill", None)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a module may raise anything, or exit
        # Nobody has typed anything yet: what it says is the author's, and helps.
        said = printable(traceback.format_exception_only(error)[-1].strip(), _MAX_CHARS)
        return FoundModule(name, None, f"{said}\n{trace(error)}")
    if not isinstance(skill, Skill):
        return FoundModule(name, None, "the module has no `skill = Skill(...)`")
    return FoundModule(name, skill)
