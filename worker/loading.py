"""Finding skills: modules by name, or what installed packages offer, each with a `skill`."""

import importlib
import logging
import pkgutil
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from worker import skills as shipped
from worker.skill import Skill

logger = logging.getLogger(__name__)

ENTRY_POINTS = "dingda.skills"
"""The group under which a package names the modules of its skills."""


def load_skills(modules: Sequence[str]) -> list[Skill]:
    """Load skills, in order.

    What can't be loaded is named in the log with the reason; the rest still works.

    Args:
        modules: names of modules, or of entry points of the group `dingda.skills`. None named: all
            of `worker.skills`, then every entry point.
    """
    offered = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    names = [offered.get(name, name) for name in modules] or [
        *(f"{shipped.__name__}.{module.name}" for module in pkgutil.iter_modules(shipped.__path__)),
        *offered.values(),
    ]
    return [skill for name in names if (skill := _load(name))]


def load_skill_settings(skills: Iterable[Skill]) -> dict[type[BaseSettings], BaseSettings]:
    """Read the settings that skills declare, from the environment and `.env`.

    Those that are wrong are named in the log, without their values, and left out; a question to
    their skill then ends in an apology.
    """
    loaded: dict[type[BaseSettings], BaseSettings] = {}
    for kind in dict.fromkeys(kind for skill in skills for kind in skill.settings_types()):
        try:
            loaded[kind] = kind()
        except ValidationError as error:
            for problem in error.errors(include_input=False, include_url=False):
                name = f"{kind.model_config.get('env_prefix', '')}{problem['loc'][0]}".upper()
                logger.error("%s: %s", name, problem["msg"].removeprefix("Value error, "))
    return loaded


def _load(name: str) -> Skill | None:
    try:
        skill = getattr(importlib.import_module(name), "skill", None)
    except Exception:
        logger.exception("skills of %s are missing: the module cannot be imported", name)
        return None
    if not isinstance(skill, Skill):
        logger.error("skills of %s are missing: the module has no `skill = Skill(...)`", name)
        return None
    return skill
