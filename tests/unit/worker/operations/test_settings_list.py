"""An operator sees every setting, what it is now and what it means, and no secret."""

from datetime import timedelta

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from dingda.shared.runtime.settings import Settings
from dingda.skill import Skill, SkillSettings
from dingda.worker.operations.settings_list import list_settings, show_settings

CANARY = "s3cret-canary"


class AcmeSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ACME_")

    token: SecretStr = Field(SecretStr(""), description="The key of the time sheet.")
    timeout: float = Field(8.0, description="Seconds.")
    note: str | None = Field(None, description="A note.")


class TeamSettings(SkillSettings):
    model_config = SettingsConfigDict(env_prefix="TEAM_")

    may_ask: frozenset[str] = frozenset()
    floors: list[int] = Field(default_factory=lambda: [1, 2])
    names: dict[str, str] = Field({}, description="Names.")
    is_open: bool = False
    closed_for: timedelta = timedelta(minutes=1)


def team() -> Skill:
    skill = Skill("team", summary="测试")

    @skill.command("组")
    def show(settings: TeamSettings) -> str:
        return str(settings)

    return skill


def acme() -> Skill:
    skill = Skill("acme", summary="测试")

    @skill.command("一")
    def first(settings: AcmeSettings) -> str:
        return str(settings)

    @skill.command("二")
    def second(settings: AcmeSettings) -> str:
        return str(settings)

    return skill


def listed_settings(skills: list[Skill]) -> str:
    return show_settings(list_settings(skills), as_json=False)


@pytest.fixture(autouse=True)
def _nobodys_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DINGDA_{name}".upper(), raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("no-dotenv"))


def test_every_setting_of_the_bot_is_listed_with_what_it_means() -> None:
    listed = listed_settings([])
    for name, field in Settings.model_fields.items():
        assert f"DINGDA_{name}".upper() + "=" in listed
        assert f"    {field.description}" in listed


def test_a_default_stands_alone() -> None:
    lines = listed_settings([]).splitlines()
    assert "DINGDA_PORT=8000" in lines
    assert "DINGDA_SKILL_TIMEOUT=30" in lines
    assert "DINGDA_SKILLS=" in lines


def test_a_changed_setting_shows_its_default_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_PORT", "9000")
    monkeypatch.setenv("DINGDA_SKILLS", "acme.leave, dingda.worker.skills.demo")
    lines = listed_settings([]).splitlines()
    assert "DINGDA_PORT=9000   (default: 8000)" in lines
    assert "DINGDA_SKILLS=acme.leave,dingda.worker.skills.demo   (default: none)" in lines


def test_secrets_only_show_whether_and_how_many_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_APP_SECRET", f"{CANARY}1,{CANARY}2")
    monkeypatch.setenv("DINGDA_REDIS_URL", f"redis://user:{CANARY}@redis.example:6379/0")
    monkeypatch.setenv("ACME_TOKEN", CANARY)
    listed = listed_settings([acme()])
    assert CANARY not in listed
    assert "DINGDA_APP_SECRET=***,***   (default: none)" in listed
    assert "DINGDA_REDIS_URL=***" in listed
    assert "ACME_TOKEN=***   (default: none)" in listed


def test_a_secret_that_is_not_set_is_shown_as_empty() -> None:
    lines = listed_settings([acme()]).splitlines()
    assert "DINGDA_APP_SECRET=" in lines
    assert "ACME_TOKEN=" in lines


def test_the_settings_of_each_skill_are_listed_once_under_its_name() -> None:
    listed = listed_settings([acme()])
    assert listed.count("ACME_TOKEN=") == 1
    part = listed.partition("# skill acme\n")[2]
    assert part.splitlines() == [
        "ACME_TOKEN=",
        "    The key of the time sheet.",
        "ACME_TIMEOUT=8",
        "    Seconds.",
        "ACME_NOTE=",
        "    A note.",
    ]


def values(listed: str) -> list[str]:
    """The lines of the settings that begin with TEAM_."""
    return [line for line in listed.splitlines() if line.startswith("TEAM_")]


def test_a_value_is_shown_as_one_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MAY_ASK", '["张三"]'), ("FLOORS", "[]"), ("NAMES", '{"a":"甲"}')):
        monkeypatch.setenv(f"TEAM_{name}", value)
    monkeypatch.setenv("TEAM_IS_OPEN", "1")
    assert values(listed_settings([team()])) == [
        'TEAM_MAY_ASK=["张三"]   (default: none)',
        "TEAM_FLOORS=   (default: [1, 2])",
        'TEAM_NAMES={"a": "甲"}   (default: none)',
        "TEAM_IS_OPEN=true   (default: false)",
        "TEAM_CLOSED_FOR=PT1M",
    ]


def test_what_is_empty_is_shown_as_empty() -> None:
    assert values(listed_settings([team()]))[:3] == [
        "TEAM_MAY_ASK=",
        "TEAM_FLOORS=[1, 2]",
        "TEAM_NAMES=",
    ]


def test_a_wrong_setting_is_named_without_its_value_and_the_rest_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_TIMEOUT", CANARY)
    listed = listed_settings([acme()])
    assert "# skill acme\nACME_TIMEOUT: Input should be a valid number" in listed
    assert CANARY not in listed
    assert "DINGDA_PORT=8000" in listed
