"""The package's settings: read from the environment and `.env`; `dingda settings` lists them."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from dingda.skill import SkillSettings


class OnCallSettings(SkillSettings):
    """The database, who may ask for phone numbers, and how slow the archive of alerts is."""

    model_config = SettingsConfigDict(env_prefix="ACME_ONCALL_")

    database: SecretStr = Field(
        default=SecretStr("sqlite:///oncall.db"), description="The database's URL."
    )
    may_ask: frozenset[str] = Field(
        default=frozenset(), description="Userids that may see phone numbers, as JSON."
    )
    departments: frozenset[int] = Field(
        default=frozenset(),
        description="Departments that may, as JSON; with neither, all of the organisation.",
    )
    seconds_per_day: float = Field(
        default=5.5, ge=0, description="What the archive of alerts takes for one day."
    )
