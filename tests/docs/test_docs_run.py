"""What the docs show works: their Python is run, their tables name every setting."""

import asyncio
import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from dingda.cli import dingda as command_line
from dingda.shared.dingtalk.content import File, Kind, Quoted, Voice
from dingda.shared.dingtalk.message import Mention, Message
from dingda.shared.runtime.settings import Settings
from dingda.shared.runtime.skill_modules import SHIPPED, SHOWCASE
from dingda.skill import Skill
from dingda.worker.__main__ import worker
from dingda.worker.engine.watchdog import BLOCKED_TIMEOUT_S
from dingda.worker.operations.dashboard.settings import DashboardSettings
from dingda.worker.sdk.loader import load_skills

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = (*map(ROOT.joinpath, READMES), *DOCS)
_TYPED = re.compile(
    r"(?:^\$ (?:[A-Z_]+=\S+ )*|`)(?:\.venv/bin/)?dingda (.+?)(?: <.*)?(?:`|$)", re.MULTILINE
)
_DEPLOYED = re.compile(r"^(?: *command: |ExecStart=\S+/)dingda (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> list[Any]:
    return [
        pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, code in enumerate(_BLOCK.findall(page.read_text("utf-8")), 1)
    ]


def typed_commands() -> list[str]:
    """Every call of `dingda` that a page shows, in a console or within a sentence."""
    texts = [page.read_text("utf-8") for page in PAGES]
    return sorted({line for text in texts for line in _TYPED.findall(text)})


def deployed_commands() -> list[str]:
    """Every call of `dingda` that a container or a unit of systemd makes."""
    compose = (ROOT / "docker-compose.yml", ROOT / "dingda/template/docker-compose.yml.tmpl")
    files = (*compose, *(ROOT / "deploy").glob("*.service"))
    return sorted({line for path in files for line in _DEPLOYED.findall(path.read_text("utf-8"))})


def variables() -> list[str]:
    return [f"DINGDA_{name}".upper() for name in Settings.model_fields]


def run_tests(namespace: dict[str, Any], given: dict[str, Any]) -> None:
    """Run a block's tests, but for those that need a fixture besides what is given."""
    for name, function in list(namespace.items()):
        needed = inspect.signature(function).parameters if name.startswith("test_") else None
        if needed is not None and needed.keys() <= given.keys():
            result = function(**{each: given[each] for each in needed})
            if inspect.isawaitable(result):
                asyncio.run(result)  # type: ignore[arg-type]


@pytest.mark.parametrize("code", blocks())
def test_each_python_block_runs_and_its_tests_pass(code: str, tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "docs_block"}
    exec(compile(code, "<docs>", "exec"), namespace)  # noqa: S102 - our own docs
    assert "Skill(" not in code or isinstance(namespace["skill"], Skill)
    run_tests(namespace, {"tmp_path": tmp_path})


@pytest.mark.parametrize("typed", sorted({*typed_commands(), *deployed_commands()}))
def test_each_command_that_is_shown_or_deployed_is_understood(
    typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(click.Command, "invoke", lambda *_: None)
    command_line.main(shlex.split(typed), "dingda", standalone_mode=False)


@pytest.mark.parametrize("page", [*READMES, ".env.example", "docker-compose.yml"])
def test_each_page_names_every_setting(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert [name for name in variables() if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("page", [".env.example", "docker-compose.yml"])
def test_files_for_operators_name_every_setting_of_the_skills(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    kinds = {kind for skill in load_skills((*SHIPPED, SHOWCASE)) for kind in skill.settings_types()}
    names = {
        f"{kind.model_config['env_prefix']}{n}".upper() for kind in kinds for n in kind.model_fields
    }
    ours = {name for name in names if name.startswith("DINGDA_")}
    assert [name for name in sorted(ours) if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("page", [".env.example", "docker-compose.yml", "docs/operations.md"])
def test_pages_for_operators_name_every_setting_of_the_dashboard(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    names = [f"DINGDA_DASHBOARD_{name}".upper() for name in DashboardSettings.model_fields]
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_containers_get_the_variables_of_opentelemetry_that_operators_are_told_of() -> None:
    told = (ROOT / "docs" / "operations.md").read_text("utf-8")
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    names = set(re.findall(r"OTEL_[A-Z_]+", told))
    assert len(names) == 3
    assert {name for name in names if f"\n  {name}:\n" not in compose} == set()


def test_the_example_environment_shows_the_defaults() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    shown = dict(re.findall(r"^#?(DINGDA_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    defaults = Settings(_env_file=None)  # type: ignore[call-arg]
    for name in ("HOST", "PORT", "CALLBACK_PATH", "QUEUE", "BACKLOG_LIMIT", "CONCURRENCY"):
        assert shown[f"DINGDA_{name}"] == str(getattr(defaults, name.lower()))


def test_all_that_a_skill_may_read_of_a_message_is_named() -> None:
    text = (ROOT / "docs/context.md").read_text("utf-8")
    table = text.partition("\n## What was sent\n")[2].partition("\n\nIt also holds")[0]
    rows = dict(re.findall(r"^\| (`.*?`) \| (.*) \|$", table, re.MULTILINE))
    named = {name for names in rows for name in re.findall(r"`(\w+)`", names)}
    ours = {"id", "session_webhook", "session_expires_ms", "ordering_key", "robot_code", "msg_id"}
    compared = {"sender_corp_id", "bot_corp_id"}
    properties = {name for name, each in vars(Message).items() if isinstance(each, property)}
    assert named == {each.name for each in fields(Message)} - ours - compared | properties
    told = {names: set(re.findall(r"`(\w+)`", what)) for names, what in rows.items()}
    assert told["`voice`"] == {each.name for each in fields(Voice)}
    assert told["`quoted`"] == {each.name for each in fields(Quoted)}
    assert told["`pictures`, `files`"] == {each.name for each in fields(File)}
    assert told["`mentions`, `mentioned_staff_ids`"] == {each.name for each in fields(Mention)}
    assert told["`kind`"] == {kind.value for kind in Kind}


def test_every_test_that_a_page_names_is_there() -> None:
    there = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    pages = [(ROOT / "docs" / page).read_text("utf-8") for page in ("tried.md", "faults.md")]
    named = {name for text in pages for name in re.findall(r"`(test_\w+)`", text)}
    assert [name for name in sorted(named) if f"def {name}(" not in there] == []


def test_both_readmes_have_the_same_parts() -> None:
    parts = [
        [len(marks) for marks in re.findall(r"^(#+) ", (ROOT / page).read_text(), re.MULTILINE)]
        for page in READMES
    ]
    assert parts[0] == parts[1]


def test_both_readmes_show_the_same_commands() -> None:
    commands = [
        re.findall(r"^\$ (.*)$", (ROOT / page).read_text("utf-8"), re.MULTILINE) for page in READMES
    ]
    assert commands[0] == commands[1]


def test_a_worker_or_a_stream_process_that_ends_is_started_again_whatever_its_exit_status() -> None:
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    for name in ("dingda-worker@.service", "dingda-stream@.service"):
        assert "\nRestart=always\n" in (ROOT / "deploy" / name).read_text("utf-8")
    assert re.search(r"^x-dingda:.*?^  restart: always$", compose, re.MULTILINE | re.DOTALL)


def test_a_supervisor_looks_at_workers_from_outside_too() -> None:
    unit = (ROOT / "deploy" / "dingda-worker@.service").read_text("utf-8")
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    watched_s = re.search(r"^WatchdogSec=(\d+)$", unit, re.MULTILINE)
    assert watched_s is not None
    assert int(watched_s[1]) > 2 * BLOCKED_TIMEOUT_S
    assert "\nNotifyAccess=main\n" in unit
    service = re.search(r"^  worker:\n(?:^    .*\n|^$\n)+", compose, re.MULTILINE)
    assert service is not None
    command = re.search(r'test: \["CMD", "dingda", "worker", "(\w+)"\]', service[0])
    assert command is not None
    assert command[1] == "alive"
    assert command[1] in worker.commands
