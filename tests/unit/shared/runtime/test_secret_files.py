"""A secret may be in a file: named by a variable, or mounted under the variable's name."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from dingda.shared.runtime import preflight, secret_files
from dingda.shared.runtime.settings import Settings, load_settings, unknown_names
from dingda.skill import SkillSettings
from dingda.worker.operations.settings_list import list_settings, show_settings
from tests.support.environment import Environment

CANARY = "s3cret-canary"


pytestmark = pytest.mark.usefixtures("dingda")


@pytest.fixture(autouse=True)
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory of secrets, and a folder without `.env`."""
    folder = tmp_path / "run-secrets"
    folder.mkdir()
    monkeypatch.setattr(secret_files, "_SECRETS_DIRECTORY", str(folder))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def a_file(tmp_path: Path) -> Callable[..., str]:
    def write(content: str | bytes = CANARY) -> str:
        path = tmp_path / "a-secret"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o600)
        return str(path)

    return write


def test_the_file_that_a_variable_names_holds_the_secret(
    dingda: Environment, a_file: Callable[..., str]
) -> None:
    assert dingda.settings(APP_SECRET_FILE=a_file("one,two\n")).secrets == ("one", "two")


@pytest.mark.parametrize(
    "variable",
    sorted({*secret_files.secret_variables(Settings)} - {"DINGDA_ROBOTS", "DINGDA_GROUPS"}),
)
def test_every_secret_setting_may_be_in_a_file(
    dingda: Environment, a_file: Callable[..., str], variable: str
) -> None:
    name = variable.removeprefix("DINGDA_")
    value = {
        "REDIS_URL": "redis://:pw@redis.example:6379/0",
        "PROXY_URL": "http://u:p@proxy.example",
        "ALERT_WEBHOOK": "https://oapi.dingtalk.com/robot/send?access_token=abc",
        "PUSH_TOKEN": "0123456789abcdef",
    }.get(name, CANARY)
    settings = dingda.settings(**{f"{name}_FILE": a_file(value)})
    got = getattr(settings, name.lower())
    (secret,) = got if isinstance(got, tuple) else (got,)
    assert secret.get_secret_value() == value


def test_the_groups_may_be_in_a_file(dingda: Environment, a_file: Callable[..., str]) -> None:
    groups = dingda.settings(GROUPS_FILE=a_file('{"ops": "cidOPS=="}')).groups
    assert groups.find("ops") == "cidOPS=="


def test_the_secrets_are_those_that_never_show() -> None:
    assert {"DINGDA_APP_SECRET", "DINGDA_REDIS_URL", "DINGDA_PROXY_URL"} <= set(
        secret_files.secret_variables(Settings)
    )
    assert "DINGDA_QUEUE" not in secret_files.secret_variables(Settings)


def test_a_named_file_wins_over_the_variable(
    dingda: Environment, a_file: Callable[..., str]
) -> None:
    assert dingda.settings(APP_SECRET="other", APP_SECRET_FILE=a_file()).secrets == (CANARY,)


@pytest.mark.parametrize(
    ("environment", "env_file", "mounted", "wins"),
    [
        ({"": "e"}, {"_FILE": "f"}, "m", "e"),
        ({}, {"_FILE": "f", "": "d"}, "m", "f"),
        ({}, {"": "d"}, "m", "d"),
        ({}, {}, "m", "m"),
        ({"": ""}, {"": ""}, "m", "m"),
    ],
)
def test_what_wins_over_what(
    mounts: Path,
    a_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    env_file: dict[str, str],
    mounted: str,
    wins: str,
) -> None:
    (mounts / "dingda_app_secret").write_text(mounted)
    for suffix, value in environment.items():
        monkeypatch.setenv(f"DINGDA_APP_SECRET{suffix}", value)
    named = a_file("f")
    Path(".env").write_text(
        "".join(
            f"DINGDA_APP_SECRET{suffix}={named if suffix else value}\n"
            for suffix, value in env_file.items()
        )
    )
    assert load_settings().secrets == (wins,)


@pytest.mark.parametrize("name", ["dingda_app_secret", "DINGDA_APP_SECRET"])
def test_a_mounted_file_is_called_as_the_variable(mounts: Path, name: str) -> None:
    (mounts / name).write_text(f"{CANARY}\n")
    assert load_settings().secrets == (CANARY,)


def test_systemds_credentials_come_before_run_secrets(
    mounts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mounts / "dingda_app_secret").write_text("mounted")
    (tmp_path / "DINGDA_APP_SECRET").write_text("a credential")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_settings().secrets == ("a credential",)


def test_a_directory_of_secrets_that_may_not_be_read_is_as_if_there_were_none(
    dingda: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/proc/1/no-such-folder")
    assert dingda.settings().secrets == ()


def test_only_secrets_are_read_from_files(dingda: Environment, mounts: Path) -> None:
    (mounts / "dingda_port").write_text("9000")
    assert dingda.settings().port == 8000


def test_one_newline_at_the_end_belongs_to_the_file_and_lines_within_to_the_secret(
    a_file: Callable[..., str],
) -> None:
    for ending in ("", "\n", "\r\n"):
        path = Path(a_file(f"-----BEGIN\n  {CANARY}{ending}"))
        assert secret_files.read_secret("X", path) == f"-----BEGIN\n  {CANARY}"
    assert secret_files.read_secret("X", Path(a_file(f"{CANARY}\n\n"))) == f"{CANARY}\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "holds no text"),
        (b" \n", "holds no text"),
        (b"a\0b", "holds no text"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * (secret_files.MAX_BYTES + 1), "larger than 64 KiB"),
    ],
)
def test_a_file_that_can_be_no_secret_is_refused_by_name_and_not_shown(
    dingda: Environment, a_file: Callable[..., str], content: bytes, why: str
) -> None:
    path = a_file(content)
    assert dingda.complaint(APP_SECRET_FILE=path).startswith(f"DINGDA_APP_SECRET: the file {path}")
    assert why in dingda.complaint(APP_SECRET_FILE=path)


def test_a_file_that_is_missing_is_refused(dingda: Environment, tmp_path: Path) -> None:
    complaint = dingda.complaint(APP_SECRET_FILE=str(tmp_path / "nowhere"))
    assert complaint.endswith("cannot be read: No such file or directory")


def test_a_folder_or_a_pipe_is_refused_without_waiting(dingda: Environment, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in dingda.complaint(APP_SECRET_FILE=str(tmp_path / "pipe"))
    assert "cannot be read" in dingda.complaint(APP_SECRET_FILE=str(tmp_path))


def test_a_skills_secret_may_be_in_a_file_too(
    a_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class LeaveSettings(SkillSettings):
        leave_token: SecretStr | None = None
        leave_url: str = ""

    monkeypatch.setenv("DINGDA_LEAVE_TOKEN_FILE", a_file())
    monkeypatch.setenv("DINGDA_LEAVE_URL_FILE", "/nowhere")
    token = LeaveSettings().leave_token
    assert token
    assert token.get_secret_value() == CANARY


def test_a_secret_is_read_again_with_the_settings(
    dingda: Environment, a_file: Callable[..., str]
) -> None:
    assert dingda.settings(APP_SECRET_FILE=a_file("old")).secrets == ("old",)
    a_file("new")
    assert dingda.settings().secrets == ("new",)


def test_the_list_of_settings_says_where_a_secret_comes_from_and_not_what_it_is(
    mounts: Path, a_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = a_file()
    (mounts / "dingda_proxy_url").write_text(f"http://{CANARY}@proxy.example")
    monkeypatch.setenv("DINGDA_APP_SECRET_FILE", named)
    Path(".env").write_text(f"DINGDA_REDIS_URL=redis://:{CANARY}@redis.example/0\n")
    listed = show_settings(list_settings([]), as_json=False)
    assert f"DINGDA_APP_SECRET=***   (default: none)   (from {named})" in listed
    assert "DINGDA_REDIS_URL=***   (from .env)" in listed
    assert f"(from {mounts / 'dingda_proxy_url'})" in listed
    as_json = json.loads(show_settings(list_settings([]), as_json=True))
    assert CANARY not in listed + str(as_json)
    sources = {each["variable"]: each["source"] for each in as_json[0]["settings"]}
    assert sources["DINGDA_APP_SECRET"] == named
    assert sources["DINGDA_PORT"] == ""


def test_a_variable_that_names_a_secrets_file_is_known_and_another_is_not(
    a_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINGDA_APP_SECRET_FILE", a_file())
    monkeypatch.setenv("DINGDA_QUEUE_FILE", "/nowhere")
    assert list(unknown_names()) == ["DINGDA_QUEUE_FILE"]


@pytest.mark.parametrize(("mode", "found"), [(0o600, []), (0o640, []), (0o644, ["secret-files"])])
def test_a_file_that_anybody_may_read_is_a_finding(
    dingda: Environment, a_file: Callable[..., str], mode: int, found: list[str]
) -> None:
    path = a_file()
    Path(path).chmod(mode)
    findings = preflight.check(
        dingda.settings(APP_SECRET_FILE=path, REDIS_URL="redis://127.0.0.1:1")
    )
    named = [finding for finding in findings if finding.name == "secret-files"]
    assert [finding.name for finding in named] == found
    assert CANARY not in "".join(map(str, findings))


def test_a_skills_file_that_is_missing_stops_no_gateway(
    dingda: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINGDA_TAOBAO_APP_SECRET_FILE", "/nowhere")
    preflight.check(dingda.settings(REDIS_URL="redis://127.0.0.1:1"))
