"""Skills are found by name or offered by packages; a broken one does not affect the rest."""

import logging
import textwrap
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoints, PathDistribution
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Self

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dingda.shared.runtime import skill_modules
from dingda.shared.runtime.logs import RedactingFormatter
from dingda.shared.runtime.settings import SKILLS_PREFIXES
from dingda.shared.runtime.skill_modules import ENTRY_POINTS, SHIPPED, SHOWCASE, choose_modules
from dingda.skill import Skill
from dingda.worker import skills as shipped
from dingda.worker.sdk.loader import load_skill_settings, load_skills, load_skills_of

GOOD = """
from dingda.skill import Skill
skill = Skill("{name}", summary="好")
"""
Folder = Callable[..., None]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Put modules, given by names and sources, into a folder on the path."""
    monkeypatch.syspath_prepend(tmp_path)

    def put(**sources: str) -> None:
        for name, source in sources.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), "utf-8")

    return put


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install the metadata of a package that has these entry points, and hide all others."""
    folder = tmp_path / "acme-1.0.dist-info"
    folder.mkdir()

    def of_this_package(*, group: str) -> EntryPoints:
        return PathDistribution(folder).entry_points.select(group=group)

    monkeypatch.setattr(skill_modules, "entry_points", of_this_package)

    def put(**modules_by_name: str) -> None:
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        lines = [f"{name} = {module}" for name, module in modules_by_name.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[{ENTRY_POINTS}]", *lines, ""]))

    return put


def names(skills: Sequence[Skill]) -> list[str]:
    return [skill.name for skill in skills]


def test_without_any_skill_of_its_own_a_bot_answers_with_the_shipped_ones(
    offer: Callable[..., None],
) -> None:
    offer()
    assert names(load_skills(())) == ["coupons", "demo", "performance", "weather"]


def test_every_shipped_module_is_loaded_by_a_bot_or_by_the_demo() -> None:
    found = {f"{shipped.__name__}.{each.name}" for each in iter_modules(shipped.__path__)}
    assert found == {*SHIPPED, SHOWCASE}


def test_a_module_is_loaded_by_its_name() -> None:
    assert names(load_skills(["dingda.worker.skills.demo"])) == ["demo"]


def test_a_shipped_skill_is_still_found_by_its_name_from_before_the_dingda_package() -> None:
    skills = load_skills(["worker.skills.demo"])
    assert skills == load_skills(["dingda.worker.skills.demo"])


def test_modules_are_loaded_in_the_order_they_are_named(modules: Folder) -> None:
    modules(order_a=GOOD.format(name="a"), order_b=GOOD.format(name="b"))
    assert names(load_skills(["order_b", "dingda.worker.skills.demo", "order_a"])) == [
        "b",
        "demo",
        "a",
    ]


def test_a_package_offers_its_skill_by_an_entry_point(
    modules: Folder, offer: Callable[..., None]
) -> None:
    modules(offered_module=GOOD.format(name="offered"))
    offer(leave="offered_module")
    assert names(load_skills(["leave"])) == ["offered"]
    assert names(load_skills(["offered_module"])) == ["offered"]


def test_where_a_package_offers_skills_no_shipped_one_is_loaded(
    modules: Folder, offer: Callable[..., None]
) -> None:
    modules(also_offered=GOOD.format(name="offered"))
    offer(leave="also_offered")
    assert names(load_skills(())) == ["offered"]


def test_what_the_settings_name_is_all_that_is_loaded(
    modules: Folder, offer: Callable[..., None]
) -> None:
    modules(offered_here=GOOD.format(name="offered"), named_here=GOOD.format(name="named"))
    offer(leave="offered_here")
    assert names(load_skills(["named_here"])) == ["named"]


def test_a_line_says_that_the_shipped_skills_are_not_loaded_and_how_to_get_them_back(
    modules: Folder, offer: Callable[..., None]
) -> None:
    modules(acme_leave=GOOD.format(name="leave"))
    offer(leave="acme_leave")
    for named, why in (((), "as installed packages offer them"), (["leave"], "as the settings")):
        line = choose_modules(named).describe()
        assert line.startswith("acme_leave and the help, ")
        assert why in line
        loaded = line.partition("for the shipped ones too: DINGDA_SKILLS=")[2].split(",")
        assert names(load_skills(loaded)) == ["leave", "coupons", "demo", "performance", "weather"]


def test_a_line_says_why_the_shipped_skills_are_loaded(offer: Callable[..., None]) -> None:
    offer()
    assert (
        choose_modules(())
        .describe()
        .endswith(
            "the shipped ones, as DINGDA_SKILLS names none and no installed package offers any"
        )
    )
    assert "for the shipped ones too" not in choose_modules(["worker.skills.demo"]).describe()


def test_robots_share_the_skill_of_a_module_that_both_name(modules: Folder) -> None:
    modules(shared_a=GOOD.format(name="a"), shared_b=GOOD.format(name="b"))
    loaded = load_skills_of({"ding1": ["shared_a", "shared_b"], "ding2": ["shared_b"]}).by_robot
    assert {robot: names(skills) for robot, skills in loaded.items()} == {
        "ding1": ["a", "b"],
        "ding2": ["b"],
    }
    assert loaded["ding1"][1] is loaded["ding2"][0]


def test_a_module_that_several_robots_name_in_vain_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loaded = load_skills_of({"ding1": ["acme.nowhere"], "ding2": ["acme.nowhere"]})
    assert [module.name for module in loaded.failed] == ["acme.nowhere"]
    assert caplog.text.count("skills of acme.nowhere are missing") == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere", "No module named 'no_such_module_anywhere'"),
        ("def broken(:", "SyntaxError"),
        ("raise RuntimeError('no coffee')", "no coffee"),
        (
            """
            from dingda.skill import Skill
            skill = Skill("bad", summary="坏")
            @skill.command("坏")
            def bad(untyped): return ""
            """,
            "parameter 'untyped' can't be read from text",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_logged_with_the_reason_and_the_rest_still_loads(
    modules: Folder, caplog: pytest.LogCaptureFixture, source: str, reason: str
) -> None:
    name = f"broken_{abs(hash(source))}"
    modules(**{name: source})
    assert names(load_skills([name, "dingda.worker.skills.demo"])) == ["demo"]
    assert f"skills of {name} are missing" in caplog.text
    assert reason in caplog.text


def test_the_log_shows_the_authors_line_below_the_reason(
    modules: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    modules(cold="\nraise RuntimeError('no coffee')")
    load_skills(["cold"])
    record = caplog.records[0]
    record.exc_text = None  # pytest has formatted it before
    first, *below = RedactingFormatter().format(record).splitlines()
    assert first == "skills of cold are missing: RuntimeError: no coffee"
    assert below[-1].endswith("cold.py:2 in <module>")
    assert not any("importlib._bootstrap" in line for line in below)


def test_a_missing_module_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert names(load_skills(["acme.nowhere", "dingda.worker.skills.demo"])) == ["demo"]
    assert "skills of acme.nowhere are missing" in caplog.text


@pytest.mark.parametrize("source", ["", "skill = 'a string'", "from dingda.skill import Skill"])
def test_a_module_without_a_skill_is_logged_with_the_reason(
    modules: Folder, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    name = f"without_skill_{abs(hash(source))}"
    modules(**{name: source})
    assert names(load_skills([name, "dingda.worker.skills.demo"])) == ["demo"]
    assert f"skills of {name} are missing: the module has no `skill = Skill(...)`" in caplog.text


class AcmeSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ACME_")

    token: SecretStr = Field(default=SecretStr(""), description="The key.")
    days: int = Field(default=7, description="Days.")


class OtherSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="OTHER_")

    url: str = Field(default="https://other.example", description="Where.")


def a_skill(*functions: Any) -> Skill:
    skill = Skill("acme", summary="测试")
    for number, function in enumerate(functions):
        skill.command(f"问{number}")(function)
    return skill


def first(settings: AcmeSettings) -> str:
    return str(settings.days)


def second(settings: AcmeSettings, other: OtherSettings) -> str:
    return f"{settings.days} {other.url}"


def test_the_settings_of_skills_are_read_from_the_environment_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACME_DAYS", "3")
    settings = load_skill_settings([a_skill(first, second), a_skill(first)])
    assert settings == {AcmeSettings: AcmeSettings(days=3), OtherSettings: OtherSettings()}


def test_wrong_settings_are_logged_without_their_values_and_the_rest_is_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ACME_DAYS", "s3cret-canary")
    with pytest.raises(ValidationError):
        AcmeSettings()
    with caplog.at_level(logging.ERROR):
        settings = load_skill_settings([a_skill(second)])
    assert list(settings) == [OtherSettings]
    assert "ACME_DAYS: Input should be a valid integer" in caplog.text
    assert "s3cret-canary" not in caplog.text


class PairSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PAIR_")

    cities: list[str] = Field(default=[], description="Cities, as JSON.")
    user: str = Field(default="", description="Who.")
    password: SecretStr = Field(default=SecretStr(""), description="And how.")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("set PAIR_USER and PAIR_PASSWORD, or neither")
        return self


def paired(settings: PairSettings, other: OtherSettings) -> str:
    return f"{settings.user} {other.url}"


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ("PAIR_PASSWORD", "PairSettings: set PAIR_USER and PAIR_PASSWORD, or neither"),
        ("PAIR_CITIES", 'PairSettings: error parsing value for field "cities"'),
    ],
)
def test_settings_that_are_wrong_together_or_unreadable_do_not_stop_the_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str, problem: str
) -> None:
    monkeypatch.setenv(variable, "s3cret-canary")
    assert list(load_skill_settings([a_skill(paired)])) == [OtherSettings]
    assert problem in caplog.text
    assert "s3cret-canary" not in caplog.text


def test_the_prefixes_that_the_gateway_knows_are_those_of_the_shipped_skills_settings() -> None:
    modules = [f"{shipped.__name__}.{found.name}" for found in iter_modules(shipped.__path__)]
    variables = [
        f"{kind.model_config.get('env_prefix', '')}{field}".upper()
        for skill in load_skills(modules)
        for kind in skill.settings_types()
        for field in kind.model_fields
    ]
    assert [name for name in variables if not name.startswith(SKILLS_PREFIXES)] == []
    assert [p for p in SKILLS_PREFIXES if not any(name.startswith(p) for name in variables)] == []
