"""The command `dingda`: its commands have a help, and load no more than they need."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import dingda
from dingda.cli import ENTRIES, SECTIONS, main
from dingda.cli import dingda as command_line

pytestmark = pytest.mark.heavy

ROOT = Path(__file__).parents[2]
HELP_CPU_S = 0.3
"""The most CPU time that `dingda --help` may take: a promise of ours."""


def commands(path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all commands, subcommands included."""
    command: click.Command = command_line
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            yield from commands((*path, name))


def run(*arguments: str, cwd: Path = ROOT, **settings: str) -> "subprocess.CompletedProcess[str]":
    ours = {name: value for name, value in os.environ.items() if "DINGDA" not in name}
    return subprocess.run(
        [sys.executable, "-m", "dingda", *arguments],
        cwd=cwd,
        env=ours | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | settings,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_each_command_has_a_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main([*path, "--help"], "dingda", standalone_mode=False) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"Usage: {' '.join(('dingda', *path))} ")
    assert "-h, --help" in output


@pytest.mark.parametrize("name", ENTRIES)
def test_the_line_of_a_command_in_the_help_is_its_own_first_sentence(name: str) -> None:
    command = command_line.get_command(click.Context(command_line), name)
    assert command is not None
    assert command.get_short_help_str(limit=80) == ENTRIES[name].help
    assert command.name == name


def test_the_help_lists_every_command_on_one_line() -> None:
    lines = run("--help").stdout.splitlines()
    for name, entry in ENTRIES.items():
        assert [line.split(maxsplit=1) for line in lines if line.startswith(f"  {name} ")] == [
            [name, entry.help]
        ]
    assert [line for line in lines if line.removesuffix(":") in SECTIONS] == [
        f"{title}:" for title in SECTIONS
    ]


def test_the_help_is_quick() -> None:
    def cpu_s() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    took_s = []
    for _ in range(3):  # a first start may have to compile
        before_s = cpu_s()
        assert run("--help").returncode == 0
        took_s.append(cpu_s() - before_s)
    assert min(took_s) < HELP_CPU_S


@pytest.mark.parametrize(
    ("name", "rooms"),
    [
        ("gateway", {"shared", "gateway"}),
        ("check", {"shared", "gateway"}),
        ("worker", {"shared", "worker"}),
        ("dead", {"shared", "worker"}),
        ("say", {"shared", "simulator"}),
        ("demo", {"shared", "simulator"}),
    ],
)
def test_a_command_loads_its_own_room_only(name: str, rooms: set[str]) -> None:
    code = (
        "import sys, click, dingda.cli\n"
        f"dingda.cli.dingda.get_command(click.Context(dingda.cli.dingda), {name!r})\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {
        module.split(".")[1] for module in done.stdout.split() if module.startswith("dingda.")
    }
    assert loaded & {"shared", "gateway", "worker", "simulator"} == rooms


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").stdout == f"dingda, version {dingda.__version__}\n"


def test_an_unknown_command_is_refused_in_a_sentence() -> None:
    done = run("weather")
    assert done.returncode == 2
    assert "No such command 'weather'" in done.stderr


def test_a_misspelt_command_is_answered_with_the_nearest_one() -> None:
    assert "No such command 'setings'. Did you mean 'settings'?" in run("setings").stderr


def test_a_name_that_no_package_can_have_is_a_wrong_argument(tmp_path: Path) -> None:
    done = run("new", "A b", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: Invalid value for NAME: 'A b': use lower-case letters" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_skills_that_cannot_be_loaded_make_the_exit_status_1() -> None:
    assert run("skills", DINGDA_SKILLS="dingda.worker.skills.demo").returncode == 0
    done = run("skills", DINGDA_SKILLS="dingda.worker.skills.demo,acme.missing")
    assert done.returncode == 1
    assert "cannot be loaded: acme.missing: ModuleNotFoundError" in done.stdout


def test_the_list_of_skills_says_how_to_get_the_shipped_ones() -> None:
    done = run("skills", DINGDA_SKILLS="tests.e2e.slow_skill")
    assert "tests.e2e.slow_skill and the help, as the settings name them" in done.stderr
    assert "for the shipped ones too: DINGDA_SKILLS=tests.e2e.slow_skill," in done.stderr


def test_a_skill_may_be_in_the_current_folder_and_shadows_no_library(tmp_path: Path) -> None:
    (tmp_path / "coffee.py").write_text(
        "from dingda.skill import Skill\n"
        "skill = Skill('coffee', summary='来一杯咖啡')\n"
        "skill.command('咖啡')(lambda: '好了')\n"
    )
    for name in ("shared", "worker", "redis", "httpx"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not ours')")
    done = run("ask", "咖啡", cwd=tmp_path, DINGDA_SKILLS="coffee")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("skill    coffee: answered\nreply    after ")


def test_settings_are_listed_as_json_without_secrets(tmp_path: Path) -> None:
    done = run("settings", "--json", cwd=tmp_path, DINGDA_APP_SECRET="canary")
    sections = json.loads(done.stdout)
    assert sections[0]["owner"] == "the bot"
    secret = next(
        each for each in sections[0]["settings"] if each["variable"] == "DINGDA_APP_SECRET"
    )
    assert (secret["value"], secret["default"]) == ("***", "")
    assert "canary" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "shown"),
    [
        (("text",), 0, "skill    demo: answered\n"),
        (("text", "--nick", "李四", "--as", "0002"), 0, "         @李四 你刚刚发的消息是：[text]"),
        (("text", "--single"), 0, "         你刚刚发的消息是：[text]"),
        (("帮助",), 0, "skill    help: answered\n"),
        (("今天吃了三碗饭",), 1, "skill    none: unmatched\nno reply\n"),
    ],
)
def test_ask_shows_the_skill_that_answers_and_its_reply(
    arguments: tuple[str, ...], status: int, shown: str, tmp_path: Path
) -> None:
    done = run("ask", *arguments, cwd=tmp_path, DINGDA_SKILLS="dingda.worker.skills.demo")
    assert shown in done.stdout
    assert done.returncode == status


def test_ask_as_json_is_one_object(tmp_path: Path) -> None:
    done = run("ask", "text", "--json", cwd=tmp_path, DINGDA_SKILLS="dingda.worker.skills.demo")
    facts = json.loads(done.stdout)
    assert (facts["skill"], facts["end"], facts["private"]) == ("demo", "answered", False)
    assert facts["reply"]["msgtype"] == "text"


def test_ask_warns_of_a_misspelt_setting(tmp_path: Path) -> None:
    done = run("ask", "帮助", cwd=tmp_path, DINGDA_SKILS="coffee")
    assert "nothing reads DINGDA_SKILS (did you mean DINGDA_SKILLS?)" in done.stderr


def test_ask_fails_if_the_skill_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from dingda.skill import Skill\n"
        "skill = Skill('broken', summary='坏的')\n"
        "skill.command('坏')(lambda: 1 / 0)\n"
    )
    done = run("ask", "坏", cwd=tmp_path, DINGDA_SKILLS="broken")
    assert done.returncode == 1
    assert "skill    broken: dead (failed: ZeroDivisionError in the skill)" in done.stdout
    facts = json.loads(run("ask", "坏", "--json", cwd=tmp_path, DINGDA_SKILLS="broken").stdout)
    assert (facts["end"], facts["reason"]) == ("dead", "failed: ZeroDivisionError in the skill")


ASKING = """
from dataclasses import dataclass
from dingda.skill import ActionButton, Card, Question, Skill

skill = Skill('duty', summary='排班')

@dataclass(frozen=True)
class Decide:
    approved: bool

@skill.action(Decide)
def decide(decision: Decide) -> str:
    return '好'

@skill.command('请假')
def leave() -> Card:
    return Card('请假', '周五', (ActionButton('同意', Decide(True)),))

@skill.step
def assign(team: str) -> str:
    return team

@skill.command('排班')
def plan() -> Question:
    return Question('哪个组？', choices=('支付组',), then=assign)
"""


@pytest.mark.parametrize(("text", "shown"), [("请假", "[同意]"), ("排班", "哪个组？")])
def test_ask_shows_a_card_and_a_question(text: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "duty.py").write_text(ASKING, "utf-8")
    done = run("ask", text, cwd=tmp_path, DINGDA_SKILLS="duty")
    assert (done.returncode, done.stderr) == (0, "")
    assert "skill    duty: answered\n" in done.stdout
    assert shown in done.stdout


def test_ask_ends_a_silent_skills_message_as_the_ledger_does(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(
        "from dingda.skill import Skill\n"
        "skill = Skill('silent', summary='沉默')\n"
        "skill.command('嘘')(lambda: None)\n"
    )
    done = run("ask", "嘘", cwd=tmp_path, DINGDA_SKILLS="silent")
    assert (done.returncode, done.stdout) == (0, "skill    silent: unmatched\nno reply\n")


ROBOTS = json.dumps(
    [
        {"name": name, "app_key": code, "secret": code, "skills": [f"dingda.worker.skills.{skill}"]}
        for name, code, skill in (("小钉", "ding1", "demo"), ("小红", "ding2", "coupons"))
    ]
)


def test_the_skills_of_several_robots_are_listed_for_each(tmp_path: Path) -> None:
    of_both = run("skills", "--json", cwd=tmp_path, DINGDA_ROBOTS=ROBOTS)
    listed = json.loads(of_both.stdout)
    assert [(robot, listed[robot]["skills"][0]["name"]) for robot in listed] == [
        ("小钉", "demo"),
        ("小红", "coupons"),
    ]
    of_one = run("skills", "--robot", "ding2", cwd=tmp_path, DINGDA_ROBOTS=ROBOTS)
    assert of_one.stdout.startswith("coupons ")


def test_ask_asks_the_first_of_several_robots_or_the_one_that_is_named(tmp_path: Path) -> None:
    first = run("ask", "小钉 feed", "--json", cwd=tmp_path, DINGDA_ROBOTS=ROBOTS)
    assert json.loads(first.stdout)["skill"] == "demo"
    other = run("ask", "feed", "--robot", "小红", "--json", cwd=tmp_path, DINGDA_ROBOTS=ROBOTS)
    assert json.loads(other.stdout)["skill"] == ""


def test_a_robot_that_there_is_not_is_a_wrong_argument(tmp_path: Path) -> None:
    done = run("ask", "feed", "--robot", "小灰", cwd=tmp_path, DINGDA_ROBOTS=ROBOTS)
    assert done.returncode == 2
    assert "no robot has this name or code; there are 小钉, 小红" in done.stderr


def test_settings_fail_if_a_skills_setting_is_missing(tmp_path: Path) -> None:
    (tmp_path / "unset.py").write_text(
        "from dingda.skill import Skill, SkillSettings\n"
        "class Unset(SkillSettings):\n"
        "    acme_url: str\n"
        "skill = Skill('unset', summary='没有设置')\n"
        "@skill.command('问')\n"
        "def answer(settings: Unset) -> str: return settings.acme_url\n"
    )
    done = run("settings", cwd=tmp_path, DINGDA_SKILLS="unset")
    assert "DINGDA_ACME_URL: Field required" in done.stdout
    assert done.returncode == 2
    done = run(
        "settings", cwd=tmp_path, DINGDA_SKILLS="unset", DINGDA_ACME_URL="https://hr.example"
    )
    assert done.returncode == 0


def test_check_as_json_is_a_list_of_findings(tmp_path: Path) -> None:
    done = run(
        "check",
        "--json",
        cwd=tmp_path,
        DINGDA_APP_SECRET="s" * 64,
        DINGDA_REDIS_URL="redis://127.0.0.1:1/0",
    )
    severities = {each["name"]: each["severity"] for each in json.loads(done.stdout)}
    assert (severities["secret"], severities["redis"]) == ("ok", "warning")


def test_a_current_folder_that_was_deleted_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert main() == 1
    assert capsys.readouterr().err == "The current folder has been deleted: change to another.\n"
