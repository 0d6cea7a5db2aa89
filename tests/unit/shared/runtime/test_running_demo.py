"""Commands find the demo that runs in this folder, and no other."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.runtime.running_demo import (
    DemoRunsError,
    announced,
    claimed,
    find_demo,
    join_demo,
)
from tests.support.processes import ROOT

PAGE = "http://127.0.0.1:8110"
SETTINGS = {"DINGDA_REDIS_URL": "redis://127.0.0.1:6390/0", "DINGDA_SIMULATOR_PORT": "8110"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        # Set first, so that what a test sets in between is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def claim() -> Iterator[None]:
    with claimed():
        yield


@contextmanager
def running() -> Iterator[None]:
    with claimed(), announced(SETTINGS, page=PAGE):
        yield


KILLED = """
import os, signal
from dingda.shared.runtime.running_demo import announced, claimed
with claimed(), announced({"DINGDA_REDIS_URL": "redis://x"}, page="http://127.0.0.1:8110"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def write_demo(**facts: object) -> None:
    demo = {"page": PAGE, "settings": SETTINGS} | facts
    Path("data/demo.json").write_text(json.dumps(demo), "utf-8")


def test_a_command_takes_the_settings_of_a_running_demo_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running():
        join_demo("DINGDA_REDIS_URL")
    assert {name: os.environ[name] for name in SETTINGS} == SETTINGS
    said = capsys.readouterr()
    assert said.err == f"(with the demo that runs in this folder, {PAGE})\n"
    assert said.out == ""


def test_a_demo_that_has_ended_is_not_found() -> None:
    with running():
        assert find_demo() is not None
    assert find_demo() is None
    assert not Path("data/demo.json").exists()


def test_a_file_that_a_killed_demo_left_is_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=env, check=False)
    assert killed.returncode == -signal.SIGKILL
    # In a container its process id is that of the next process, too.
    write_demo(pid=os.getpid())
    join_demo("DINGDA_REDIS_URL")
    assert not SETTINGS.keys() & os.environ.keys()
    assert capsys.readouterr().err == ""
    with claimed():
        pass


def test_a_second_demo_of_the_folder_learns_where_the_first_is() -> None:
    with (
        running(),
        pytest.raises(DemoRunsError, match=f"A demo runs in this folder already: {PAGE}/"),
        claimed(),
    ):
        pass


def test_a_file_in_place_of_the_data_folder_is_a_sentence() -> None:
    Path("data").touch()
    with (
        pytest.raises(DingdaError, match="data can't be the demo's folder: File exists"),
        claimed(),
    ):
        pass


def test_a_folder_in_which_nothing_can_be_written_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "mkdir", Mock(side_effect=PermissionError(errno.EACCES, "")))
    with (
        pytest.raises(DingdaError, match="can't be the demo's folder: Permission denied"),
        claimed(),
    ):
        pass


@pytest.mark.usefixtures("claim")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"page": 1e999, "settings": {}}',
        '{"page": "", "settings": 2}',
        '{"page": "", "settings": {"DINGDA_PORT": 8000}}',
        '{"page": "", "settings": {"DINGDA_PORT": "\\u0000"}}',
        '{"page": "", "settings": {"DINGDA_PORT": "\\ud800"}}',
        '{"page": "", "settings": {"DINGDA_A=B": ""}}',
        '{"page": "", "settings": {"DINGDA_A\\u0000": ""}}',
        '{"page": "", "settings": {"LD_PRELOAD": "evil.so"}}',
        '{"page": "", "settings": {}, "pid": 1e999}',
        "[" * 50_000,
        '{"page": "", "settings": ' + '{"DINGDA_A":' * 4_000,
        '{"page": "", "settings": {}}' + " " * 65_536,
    ],
    ids=lambda text: text[:60],
)
def test_a_file_that_is_not_the_demos_is_ignored(text: str) -> None:
    Path("data/demo.json").write_text(text, "utf-8")
    assert find_demo() is None


@pytest.mark.usefixtures("claim")
@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", ["demo.json", "demo.lock"])
def test_a_pipe_in_place_of_a_file_is_ignored_and_not_waited_for(name: str) -> None:
    write_demo()
    assert find_demo() is not None
    Path("data", name).unlink()
    os.mkfifo(Path("data", name))
    assert find_demo() is None


@pytest.mark.usefixtures("claim")
def test_a_page_that_would_move_the_cursor_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    write_demo(page="\x1b[2J")
    join_demo("DINGDA_REDIS_URL")
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.usefixtures("claim")
def test_where_the_environment_says_where_to_go_the_demo_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_demo()
    monkeypatch.setenv("DINGDA_REDIS_URL", "redis://redis.example:6379/0")
    join_demo("DINGDA_REDIS_URL")
    assert os.environ["DINGDA_REDIS_URL"] == "redis://redis.example:6379/0"
    assert "DINGDA_SIMULATOR_PORT" not in os.environ


@pytest.mark.usefixtures("claim")
def test_where_the_env_file_says_where_to_go_the_demo_is_left_alone() -> None:
    write_demo()
    Path(".env").write_text("DINGDA_REDIS_URL=redis://redis.example:6379/0\n", "utf-8")
    join_demo("DINGDA_REDIS_URL")
    assert not SETTINGS.keys() & os.environ.keys()


@pytest.mark.usefixtures("claim")
def test_a_variable_of_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo()
    monkeypatch.setenv("DINGDA_SIMULATOR_PORT", "8120")
    join_demo("DINGDA_REDIS_URL")
    assert os.environ["DINGDA_SIMULATOR_PORT"] == "8120"


@pytest.mark.usefixtures("claim")
def test_what_the_env_file_sets_stays() -> None:
    write_demo()
    Path(".env").write_text("DINGDA_SIMULATOR_PORT=8120\n", "utf-8")
    join_demo("DINGDA_REDIS_URL")
    assert os.environ["DINGDA_REDIS_URL"] == SETTINGS["DINGDA_REDIS_URL"]
    assert "DINGDA_SIMULATOR_PORT" not in os.environ


@pytest.mark.usefixtures("claim")
def test_nothing_but_settings_of_dingda_is_taken_over() -> None:
    write_demo(settings=SETTINGS | {"LD_PRELOAD": "evil.so"})
    join_demo("DINGDA_REDIS_URL")
    assert "LD_PRELOAD" not in os.environ


def test_an_env_file_that_cannot_be_read_is_a_sentence() -> None:
    Path(".env").write_bytes("DINGDA_PORT=8000 # 端口\n".encode("gbk"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        join_demo("DINGDA_REDIS_URL")
