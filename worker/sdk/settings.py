"""The base class of skills' settings."""

from dingda.shared.runtime.plain_settings import PlainSettings


class SkillSettings(PlainSettings):
    """The base of a skill's settings: variables `DINGDA_…`, or lines in `.env`.

    Another prefix is set with `model_config = SettingsConfigDict(env_prefix="ACME_")`.

    >>> class LeaveSettings(SkillSettings):
    ...     leave_url: str = "http://127.0.0.1:8200"  # DINGDA_LEAVE_URL
    >>> LeaveSettings(leave_url="https://hr.example").leave_url
    'https://hr.example'
    """
