"""What all classes of settings share: where values come from, and what is said of wrong ones."""

import os
from typing import Any, cast

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.environment import ENV_FILE
from dingda.shared.runtime.secret_files import MountedSecretFiles, NamedSecretFiles, file_variables
from dingda.shared.runtime.setting_values import bare


class PlainSettings(BaseSettings):
    """What every class of settings begins with: variables `DINGDA_…`, or lines in `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="DINGDA_",
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Say what wins over what: see `secret_files`."""
        in_env_file = cast("EnvSettingsSource", dotenv_settings).env_vars
        return (
            init_settings,
            NamedSecretFiles(settings_cls, os.environ),
            env_settings,
            NamedSecretFiles(settings_cls, in_env_file),
            dotenv_settings,
            MountedSecretFiles(settings_cls),
        )

    @field_validator("*", mode="before")
    @classmethod
    def _bare_value(cls, value: Any, info: ValidationInfo) -> Any:
        """Take a value without what surrounds it; nothing but blanks means the default."""
        if not isinstance(value, str) or not value:
            return value
        return bare(value) or cls.model_fields[str(info.field_name)].get_default()


def variables_of(kind: type[BaseSettings]) -> list[str]:
    """The variables that a class of settings reads, in capitals; those of secrets' files too."""
    prefix = kind.model_config.get("env_prefix", "")
    return [f"{prefix}{name}".upper() for name in kind.model_fields] + file_variables(kind)


def invalid_settings(kind: type[BaseSettings], error: ValidationError) -> SettingsError:
    """Return the error to raise for settings that pydantic finds wrong.

    Its message has a line for each wrong variable of *kind*, with the reason but not the value.
    """
    prefix = kind.model_config.get("env_prefix", "")
    problems = error.errors(include_input=False, include_url=False)
    return SettingsError("\n".join(_describe(prefix, kind.__name__, each) for each in problems))


def _describe(prefix: str, owner: str, problem: ErrorDetails) -> str:
    # What is wrong with several fields together belongs to none of them.
    name = f"{prefix}{problem['loc'][0]}".upper() if problem["loc"] else owner
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
