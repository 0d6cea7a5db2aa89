"""What the settings of skills have in common."""

from dingda.shared.runtime.settings import PlainSettings


class SkillSettings(PlainSettings):
    """What a skill's settings begin with: variables `DINGDA_…`, or lines in `.env`.

    Another prefix is set with `model_config = SettingsConfigDict(env_prefix="ACME_")`.

    >>> class LeaveSettings(SkillSettings):
    ...     leave_url: str = "http://127.0.0.1:8200"  # DINGDA_LEAVE_URL
    >>> LeaveSettings(leave_url="https://hr.example").leave_url
    'https://hr.example'
    """
