"""The dashboard's own settings; those shared with the bot are in `shared.runtime.settings`.

Each is an environment variable that begins with `DINGDA_DASHBOARD_`, or a line in `.env`. They are
apart, so that neither the gateway nor a worker holds the passwords.
"""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from dingda.shared.dingtalk.origin import is_loopback, origin_of
from dingda.shared.errors import InvalidOriginError
from dingda.shared.runtime.environment import ENV_FILE, check_env_file
from dingda.shared.runtime.plain_settings import PlainSettings, invalid_settings

MIN_PASSWORD_CHARS = 12


def _password(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < MIN_PASSWORD_CHARS:
        raise ValueError(f"a password has at least {MIN_PASSWORD_CHARS} characters")
    return secret


def _public_url(url: str) -> str:
    try:
        if url:
            origin_of(url)
    except InvalidOriginError as error:
        raise ValueError(f"{error}; write it as https://dingda.example") from None
    if urlsplit(url).path.strip("/"):
        raise ValueError("it has no path; write it as https://dingda.example")
    return url.rstrip("/")


_Password = Annotated[SecretStr, AfterValidator(_password)]


class DashboardSettings(PlainSettings):
    """What `dingda dashboard` reads at its start."""

    model_config = SettingsConfigDict(env_prefix="DINGDA_DASHBOARD_")

    host: str = Field("127.0.0.1", description="The address that the dashboard listens on.")
    port: int = Field(9109, ge=1, le=65535, description="The port that the dashboard listens on.")
    url: Annotated[str, AfterValidator(_public_url)] = Field(
        "",
        description="Where browsers find it behind a proxy, such as https://dingda.example; the "
        "cookie is then for TLS only. Empty: at its host and port.",
    )
    read_password: _Password = Field(
        SecretStr(""),
        description="The password to look at it. Empty: on loopback everyone may look, and "
        "elsewhere only those who may act.",
    )
    act_password: _Password = Field(
        SecretStr(""),
        description="The password to retry, discard, pause and resume. Empty: nobody may.",
    )
    show_words: bool = Field(
        False,  # noqa: FBT003 - a field's default
        description="Whether those who may act can see what people wrote, one message at a time "
        "and with a line in the log.",
    )

    @model_validator(mode="after")
    def _is_protected(self) -> Self:
        passwords = {self.read_password.get_secret_value(), self.act_password.get_secret_value()}
        if passwords != {""} and len(passwords) == 1:
            raise ValueError("the passwords to read and to act must differ")
        if not self.is_private and passwords == {""}:
            raise ValueError(
                "others can reach the dashboard at this address: set "
                "DINGDA_DASHBOARD_READ_PASSWORD or DINGDA_DASHBOARD_ACT_PASSWORD, or let it listen "
                "on 127.0.0.1"
            )
        return self

    @property
    def is_private(self) -> bool:
        """Whether only programs on this machine reach it, as far as the settings tell."""
        return is_loopback(self.host) and (not self.url or is_loopback(urlsplit(self.url).hostname))


def load_dashboard_settings(
    env_file: Path | None = ENV_FILE, **replaced: str | int | None
) -> DashboardSettings:
    """Read the settings from the environment and `env_file` (None: the environment only).

    Args:
        env_file: where else settings may be.
        replaced: what the command line says instead; None where it says nothing.

    Raises:
        SettingsError: naming each wrong variable and why, without its value.
    """
    if env_file:
        check_env_file(env_file)
    given = {name: value for name, value in replaced.items() if value is not None}
    try:
        return DashboardSettings(_env_file=env_file, **given)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        raise invalid_settings(DashboardSettings, error) from None
