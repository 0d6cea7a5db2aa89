"""A database for each test, on a Saturday."""

from datetime import date, datetime
from pathlib import Path

import pytest
from acme_oncall.sample import fill
from acme_oncall.settings import OnCallSettings
from pydantic import SecretStr

from dingda.skill import CHINA

SATURDAY = date(2026, 11, 28)


@pytest.fixture
def settings(tmp_path: Path) -> OnCallSettings:
    """Settings with a SQLite database of four weeks from Saturday on."""
    url = f"sqlite:///{tmp_path}/oncall.db"
    fill(url, SATURDAY)
    return OnCallSettings(database=SecretStr(url), seconds_per_day=0)


@pytest.fixture(scope="session")
def dingda_settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The whole bot's: what `dingtalk` is started with."""
    url = f"sqlite:///{tmp_path_factory.mktemp('bot')}/oncall.db"
    fill(url, datetime.now(CHINA).date())
    return {
        "DINGDA_SKILLS": "acme_oncall.convert,acme_oncall.duty,acme_oncall.report",
        "ACME_ONCALL_DATABASE": url,
        "ACME_ONCALL_SECONDS_PER_DAY": "0.5",
        # Less than the report takes: its own time-out holds.
        "DINGDA_SKILL_TIMEOUT": "2",
    }
