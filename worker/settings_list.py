"""`python -m worker settings`: every setting, what it is now, and what it means."""

from collections.abc import Iterable

from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from dingda.shared.errors import SettingsError
from dingda.shared.settings import Settings
from dingda.worker.loading import read_settings
from dingda.worker.skill import Skill


def list_settings(skills: Iterable[Skill]) -> str:
    """Describe the bot's own settings and those of its skills; secrets show only whether set."""
    declared = (
        _described(f"skill {skill.name}", kind)
        for skill in skills
        for kind in dict.fromkeys(skill.settings_types())
    )
    return "\n\n".join((_described("the bot", Settings), *declared))


def _described(owner: str, kind: type[BaseSettings]) -> str:
    try:
        current = read_settings(kind)
    except SettingsError as error:
        return f"# {owner}\n{error}"
    lines = [f"# {owner}"]
    for name, field in kind.model_fields.items():
        variable = f"{kind.model_config.get('env_prefix', '')}{name}".upper()
        value = _shown(getattr(current, name))
        default = "" if field.default is PydanticUndefined else _shown(field.default)
        changed = "" if value == default else f"   (default: {default or 'none'})"
        lines += [f"{variable}={value}{changed}", f"    {field.description}"]
    return "\n".join(lines)


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return "***" if value.get_secret_value() else ""
        case tuple():
            return ",".join(_shown(item) for item in value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)
