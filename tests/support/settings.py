"""The names of all settings, as the environment has them."""

import re
from typing import TYPE_CHECKING

from dingda.shared.runtime.settings import Settings
from dingda.shared.runtime.skill_modules import SHIPPED, SHOWCASE
from dingda.worker.sdk.loader import load_skills

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings


_SECRET = {"SecretStr", "Robots", "Groups"}
"""The types of secrets, and of what holds some."""


def variables(*, secret: bool) -> set[str]:
    """Every setting of the bot and of the shipped skills that is a secret, or that is none."""
    kinds: list[type[BaseSettings]] = [Settings]
    kinds += [
        kind for skill in load_skills((*SHIPPED, SHOWCASE)) for kind in skill.settings_types()
    ]
    return {
        f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        for kind in kinds
        for name, field in kind.model_fields.items()
        if bool(_SECRET & set(re.findall(r"\w+", repr(field.annotation)))) is secret
    }
