"""`dingda settings`: every setting, what it is now, and what it means."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python
from pydantic_settings import BaseSettings, NoDecode

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.plain_settings import PlainSettings
from dingda.shared.runtime.secret_files import place_of, secret_variables
from dingda.shared.runtime.settings import Settings
from dingda.worker.operations.dashboard.settings import DashboardSettings
from dingda.worker.sdk.loader import read_settings
from dingda.worker.sdk.skill import Skill


@dataclass(frozen=True, slots=True)
class ListedSetting:
    """A setting as it is shown; of a secret, whether it is set."""

    variable: str
    value: str
    default: str
    description: str
    source: str = ""
    """Of a secret: where its value comes from, the environment or a file; "" if it has none."""


@dataclass(frozen=True, slots=True)
class SettingsSection:
    """The settings of one owner: the bot, or a skill."""

    owner: str
    problem: str
    """What is wrong with them; "" if nothing is."""
    settings: Sequence[ListedSetting]


def list_settings(skills: Iterable[Skill]) -> list[SettingsSection]:
    """List the bot's own settings, the dashboard's, and those of its skills."""
    declared = (
        _section(f"skill {skill.name}", kind)
        for skill in skills
        for kind in dict.fromkeys(skill.settings_types())
    )
    own = [_section("the bot", Settings), _section("dingda dashboard", DashboardSettings)]
    return [*own, *declared]


def show_settings(sections: Iterable[SettingsSection], *, as_json: bool) -> str:
    """In lines, or as a JSON list. Secrets show only whether they are set."""
    if as_json:
        return to_json([asdict(section) for section in sections])
    return "\n\n".join(map(_described, sections))


def _section(owner: str, kind: type[BaseSettings]) -> SettingsSection:
    try:
        current = read_settings(kind)
    except SettingsError as error:
        return SettingsSection(owner, str(error), ())
    prefix = kind.model_config.get("env_prefix", "")
    secrets = secret_variables(kind) if issubclass(kind, PlainSettings) else []
    listed = [
        ListedSetting(
            variable,
            _shown(getattr(current, name), field),
            _default(field),
            field.description or "",
            str(place_of(variable)) if variable in secrets else "",
        )
        for name, field in kind.model_fields.items()
        for variable in (f"{prefix}{name}".upper(),)
    ]
    return SettingsSection(owner, "", listed)


def _described(section: SettingsSection) -> str:
    lines = [f"# {section.owner}"]
    if section.problem:
        lines.append(section.problem)
    for each in section.settings:
        changed = "" if each.value == each.default else f"   (default: {each.default or 'none'})"
        source = f"   (from {printable(each.source)})" if each.source else ""
        lines += [f"{each.variable}={each.value}{changed}{source}", f"    {each.description}"]
    return "\n".join(lines)


def _shown(value: object, field: FieldInfo) -> str:
    """A value as one writes it in `.env`."""
    match value:
        case None:
            return ""
        case SecretStr():
            return "***" if value.get_secret_value() else ""
        case float():
            return f"{value:g}"
        case tuple() if NoDecode in field.metadata:
            return ",".join(_shown(item, field) for item in value)
        case _ if NoDecode in field.metadata:
            return str(value)
        case _:
            return _as_json(value)


def _as_json(value: object) -> str:
    """As pydantic reads it: a lone text without quotes, and nothing for what is empty."""
    plain = to_jsonable_python(value, fallback=str)
    if plain in ("", [], {}):
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _default(field: FieldInfo) -> str:
    """A field's default; "" if it has none, or one that depends on other fields."""
    if field.is_required() or field.default_factory_takes_validated_data:
        return ""
    return _shown(field.get_default(call_default_factory=True), field)
