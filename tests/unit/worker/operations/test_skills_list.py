"""An author sees what one types for each skill, which words collide, and what can't be loaded."""

import json
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from dingda.shared.runtime.finding import Severity
from dingda.shared.runtime.skill_modules import SHIPPED, SHOWCASE
from dingda.skill import Skill, SkillSettings
from dingda.worker.operations.skills_check import check_skills
from dingda.worker.operations.skills_list import Conflict, list_skills, show_skills
from dingda.worker.sdk.loader import FoundModule, find_skills


def a_skill(name: str, *words: str, pattern: str | None = None) -> FoundModule:
    skill = Skill(name, summary=f"测试 {name}")

    @skill.command(*words, pattern=pattern)
    def answer(city: str) -> str:
        return city

    return FoundModule(f"acme.{name}", skill)


def test_each_command_is_listed_with_its_module_aliases_and_patterns() -> None:
    listed = list_skills([a_skill("weather", "天气", "气温", pattern="下雨")])
    lines = show_skills(listed, as_json=False).splitlines()
    assert lines[0] == "weather  测试 weather  (acme.weather)"
    assert lines[1].startswith("  天气 <")
    assert lines[2:4] == ["      also: 气温", "      pattern: 下雨"]


def test_the_help_that_every_worker_has_is_listed_last() -> None:
    listed = list_skills([a_skill("weather", "天气")])
    assert [skill.name for skill in listed.skills] == ["weather", "help"]


def test_a_word_that_two_skills_claim_is_named_with_the_one_that_has_it() -> None:
    listed = list_skills(
        [a_skill("one", "天气", "Forecast"), a_skill("two", "温度", "ｆｏｒｅｃａｓｔ")]
    )
    assert listed.conflicts == [Conflict("Forecast", "acme.one", ("acme.two",))]
    shown = show_skills(listed, as_json=False)
    assert "conflict: Forecast is claimed by acme.one, acme.two; acme.one has it" in shown


def test_a_skill_that_claims_the_word_of_the_help_is_a_conflict_too() -> None:
    listed = list_skills([a_skill("one", "帮助")])
    assert listed.conflicts == [Conflict("帮助", "acme.one", ("dingda.worker.answering.help",))]


def test_a_word_that_one_skill_names_twice_is_no_conflict() -> None:
    assert list_skills([a_skill("one", "天气", "天氣")]).conflicts == []


def test_a_syntax_error_is_named_with_its_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    source = tmp_path / "misspelt_skill.py"
    source.write_text("import sys\n\ndef broken(:\n", "utf-8")
    (failure,) = list_skills(find_skills(["misspelt_skill"])).failures
    assert failure.reason == f"SyntaxError: invalid syntax ({source}, line 3)"


def test_the_shipped_skills_claim_no_word_twice() -> None:
    listed = list_skills(find_skills((*SHIPPED, SHOWCASE)))
    assert (listed.conflicts, listed.failures) == ([], [])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (
            "raise RuntimeError('https://oapi.dingtalk.com/robot/sendBySession?session=abc123')",
            "sendBySession?session=***",
        ),
        (
            "from worker.no_such_module import Skill",
            "No module named 'worker.no_such_module'; import Skill from dingda.skill",
        ),
        (
            "class Skill: pass\nSkill.__module__ = 'worker.sdk.skill'\nskill = Skill()",
            "the class of `skill` is worker.sdk.skill.Skill; import Skill from dingda.skill",
        ),
        ("skill = 1", "the module has no `skill = Skill(...)`"),
    ],
)
def test_a_module_that_cannot_be_loaded_is_named_with_the_reason_in_a_line(
    source: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_broken.py").write_text(source, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    listed = list_skills(find_skills(["acme_broken"]))
    sys.modules.pop("acme_broken", None)
    (failure,) = listed.failures
    assert failure.module == "acme_broken"
    assert reason in failure.reason
    assert "\n" not in failure.reason
    shown = show_skills(listed, as_json=False)
    assert f"cannot be loaded: acme_broken: {failure.reason}" in shown


def test_json_has_all_of_it() -> None:
    found = [a_skill("one", "天气", pattern="下雨" * 100), a_skill("two", "天气")]
    found.append(FoundModule("acme.three", None, "ImportError: no"))
    shown = json.loads(show_skills(list_skills(found), as_json=True))
    assert shown["skills"][0]["module"] == "acme.one"
    assert shown["skills"][0]["commands"][0]["patterns"] == ["下雨" * 100]
    assert shown["conflicts"] == [{"word": "天气", "module": "acme.one", "others": ["acme.two"]}]
    assert shown["failures"] == [{"module": "acme.three", "reason": "ImportError: no"}]


def test_the_hooks_of_a_skill_are_listed() -> None:
    skill = Skill("approval", summary="审批")
    skill.event("chat_add_member", "chat_disband")(lambda: None)
    skill.card_action("approve")(lambda: None)
    listed = list_skills([FoundModule("acme.approval", skill)])
    shown = show_skills(listed, as_json=False)
    for line in ("  event: chat_add_member", "  event: chat_disband", "  card action: approve"):
        assert line in shown.splitlines()
    facts = json.loads(show_skills(listed, as_json=True))["skills"][0]
    assert facts["events"] == ["chat_add_member", "chat_disband"]
    assert facts["card_actions"] == ["approve"]


def test_the_schedules_of_a_skill_are_listed_with_their_times() -> None:
    skill = Skill("morning", summary="早报")

    @skill.schedule("0 9 * * *", workdays=True)
    def report() -> None:
        pass

    listed = list_skills([FoundModule("acme.morning", skill)])
    line = "  schedule: report  0 9 * * *  Asia/Shanghai  on workdays"
    assert line in show_skills(listed, as_json=False).splitlines()


def test_a_setting_that_a_skill_lacks_is_a_danger_to_the_check() -> None:
    class BuildSettings(SkillSettings):
        model_config = SettingsConfigDict(env_prefix="ACME_BUILDS_")

        token: SecretStr

    skill = Skill("builds", summary="查构建")

    @skill.command("构建")
    @skill.command("发布")
    def build(settings: BuildSettings) -> str:
        return settings.token.get_secret_value()

    (finding,) = check_skills([FoundModule("acme.builds", skill)])
    assert finding.severity is Severity.DANGER
    assert finding.what == "acme.builds has a setting to mend: ACME_BUILDS_TOKEN: Field required"
