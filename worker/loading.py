"""Finding skills: modules by name, each with a `skill` of its own."""

import importlib
import logging
import pkgutil
from collections.abc import Sequence

from worker import skills as shipped
from worker.skill import Skill

logger = logging.getLogger(__name__)


def load_skills(modules: Sequence[str]) -> list[Skill]:
    """Load the skills of modules, in order; of all of `worker.skills` when none is named.

    A module that cannot be loaded is named in the log with the reason; the rest still work.
    """
    names = modules or [
        f"{shipped.__name__}.{module.name}" for module in pkgutil.iter_modules(shipped.__path__)
    ]
    return [skill for name in names if (skill := _load(name))]


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
