"""Commands find the demo that runs in this folder, and no other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.running_demo import announced, find_demo, join_demo

PAGE = "http://127.0.0.1:8110"
SETTINGS = {"DINGDA_REDIS_URL": "redis://127.0.0.1:6390/0", "DINGDA_SIMULATOR_PORT": "8110"}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SETTINGS:
        # Set first, so that what a test sets in between is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def a_dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def write_demo(**facts: object) -> None:
    Path("data").mkdir(exist_ok=True)
    demo = {"pid": os.getpid(), "page": PAGE, "settings": SETTINGS} | facts
    Path("data/demo.json").write_text(json.dumps(demo), "utf-8")


def test_a_command_takes_the_settings_of_a_running_demo_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with announced(SETTINGS, page=PAGE):
        join_demo("DINGDA_REDIS_URL")
    assert {name: os.environ[name] for name in SETTINGS} == SETTINGS
    said = capsys.readouterr()
    assert said.err == f"(with the demo that runs in this folder, {PAGE})\n"
    assert said.out == ""


def test_a_demo_that_has_ended_is_not_found() -> None:
    with announced(SETTINGS, page=PAGE):
        assert find_demo() is not None
    assert find_demo() is None
    assert not Path("data/demo.json").exists()


def test_a_file_that_a_killed_demo_left_is_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    write_demo(pid=a_dead_pid())
    join_demo("DINGDA_REDIS_URL")
    assert not SETTINGS.keys() & os.environ.keys()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("pid", [0, -1, 2**70, "soon", None])
def test_a_file_without_a_pid_is_ignored(pid: object) -> None:
    write_demo(pid=pid)
    assert find_demo() is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": 1, "page": "", "settings": 2}'])
def test_a_file_that_is_not_the_demos_is_ignored(text: str) -> None:
    write_demo()
    Path("data/demo.json").write_text(text, "utf-8")
    assert find_demo() is None


def test_where_the_environment_says_where_to_go_the_demo_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_demo()
    monkeypatch.setenv("DINGDA_REDIS_URL", "redis://redis.example:6379/0")
    join_demo("DINGDA_REDIS_URL")
    assert os.environ["DINGDA_REDIS_URL"] == "redis://redis.example:6379/0"
    assert "DINGDA_SIMULATOR_PORT" not in os.environ


def test_where_the_env_file_says_where_to_go_the_demo_is_left_alone() -> None:
    write_demo()
    Path(".env").write_text("DINGDA_REDIS_URL=redis://redis.example:6379/0\n", "utf-8")
    join_demo("DINGDA_REDIS_URL")
    assert not SETTINGS.keys() & os.environ.keys()


def test_a_variable_of_the_environment_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo()
    monkeypatch.setenv("DINGDA_SIMULATOR_PORT", "8120")
    join_demo("DINGDA_REDIS_URL")
    assert os.environ["DINGDA_SIMULATOR_PORT"] == "8120"


def test_nothing_but_settings_of_dingda_is_taken_over() -> None:
    write_demo(settings=SETTINGS | {"LD_PRELOAD": "evil.so"})
    join_demo("DINGDA_REDIS_URL")
    assert "LD_PRELOAD" not in os.environ


def test_an_env_file_that_cannot_be_read_is_a_sentence() -> None:
    Path(".env").write_bytes("DINGDA_PORT=8000 # 端口\n".encode("gbk"))
    with pytest.raises(SettingsError, match="not UTF-8"):
        join_demo("DINGDA_REDIS_URL")
