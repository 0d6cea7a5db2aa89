"""DINGDA_ROBOTS: read strictly, and what is wrong is said without a value."""

import json
from pathlib import Path
from typing import Any

import pytest

from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.runtime import preflight, secret_files
from dingda.shared.runtime.robots_file import MAX_ROBOTS
from dingda.worker.operations.settings_list import list_settings, show_settings
from tests.support.environment import Environment

pytestmark = pytest.mark.usefixtures("dingda")

CANARY = "s3cret-canary"
TOML = """
[[robot]]
name = "@小钉"
app_key = "dingsales"
secret = "sales-secret"
mode = "stream"

[[robot]]
code = "dingstaff"
app_key = "staffapp"
secret = ["new-secret", "old-secret"]
skills = ["acme.leave"]
conversations = ["cidA==", "cidB=="]
"""
ROBOTS = Robots(
    (
        Robot(
            "dingsales",
            name="小钉",
            app_key="dingsales",
            secrets=("sales-secret",),
            mode="stream",
        ),
        Robot(
            "dingstaff",
            app_key="staffapp",
            secrets=("new-secret", "old-secret"),
            skills=("acme.leave",),
            conversations=("cidA==", "cidB=="),
        ),
    )
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without `.env`, and no mounted secrets but those of the test."""
    monkeypatch.setattr(secret_files, "_SECRETS_DIRECTORY", str(tmp_path / "run-secrets"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def a_file(folder: Path, content: str | bytes = TOML, name: str = "robots.toml") -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(0o600)
    return str(path)


def an_entry(**fields: Any) -> dict[str, Any]:
    return {"code": "dinga", "secret": CANARY} | fields


def complaint(dingda: Environment, *entries: object) -> str:
    said = dingda.complaint(ROBOTS=json.dumps(entries))
    assert CANARY not in said
    return said


def test_the_variable_names_a_toml_file(dingda: Environment, folder: Path) -> None:
    assert dingda.settings(ROBOTS=a_file(folder)).robots == ROBOTS


def test_a_path_is_one_from_the_current_folder(dingda: Environment, folder: Path) -> None:
    a_file(folder)
    assert dingda.settings(ROBOTS=" robots.toml\r").robots == ROBOTS


def test_the_variable_may_hold_json(dingda: Environment) -> None:
    entries = [
        {"name": "小钉", "app_key": "dingsales", "secret": "sales-secret", "mode": "stream"},
        {
            "code": "dingstaff",
            "app_key": "staffapp",
            "secret": ["new-secret", "old-secret"],
            "skills": ["acme.leave"],
            "conversations": ["cidA==", "cidB=="],
        },
    ]
    assert dingda.settings(ROBOTS=json.dumps(entries, indent=2)).robots == ROBOTS


def test_the_file_of_the_setting_holds_its_content(dingda: Environment, folder: Path) -> None:
    assert dingda.settings(ROBOTS_FILE=a_file(folder, name="robots")).robots == ROBOTS


def test_a_mounted_file_holds_its_content(dingda: Environment, folder: Path) -> None:
    a_file(folder, name="run-secrets/dingda_robots")
    assert dingda.settings().robots == ROBOTS


def test_a_secret_may_be_in_a_file_of_its_own(dingda: Environment, folder: Path) -> None:
    path = a_file(folder, " new-one ,old-one\n", "a-secret")
    entry = {"code": "dinga", "secret_file": path}
    assert dingda.settings(ROBOTS=json.dumps([entry])).secrets == ("new-one", "old-one")


def test_the_secrets_of_all_robots_are_active(dingda: Environment, folder: Path) -> None:
    secrets = ("sales-secret", "new-secret", "old-secret")
    assert dingda.settings(ROBOTS=a_file(folder)).secrets == secrets


def test_without_it_there_is_the_one_robot_of_the_plain_settings(dingda: Environment) -> None:
    (robot,) = dingda.settings(APP_SECRET="new,old", APP_KEY="dingkey").robots
    assert robot == Robot("dingkey", app_key="dingkey", secrets=("new", "old"))
    (robot,) = dingda.settings(ROBOT_CODE="dingcode").robots
    assert robot.code == "dingcode"
    assert dingda.settings().robots.takes_any_code


@pytest.mark.parametrize("value", ["", " \r\n"])
def test_an_empty_value_is_none(dingda: Environment, value: str) -> None:
    assert dingda.settings(ROBOTS=value, APP_SECRET="a").secrets == ("a",)


def test_the_settings_of_one_robot_beside_it_are_refused(dingda: Environment, folder: Path) -> None:
    said = dingda.complaint(ROBOTS=a_file(folder), APP_SECRET=CANARY, ROBOT_CODE="dingcode")
    assert said.startswith("DINGDA_ROBOTS: the robots have their own: leave out ")
    assert said.endswith("DINGDA_APP_SECRET and DINGDA_ROBOT_CODE")


# Entries that are wrong.


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"sercet": CANARY}, "robot 2: sercet is no key: did you mean secret?"),
        ({"robot_code": CANARY}, "robot 2: robot_code is no key: did you mean code?"),
        ({"x" * 99: CANARY}, "is no key: known are code, name, app_key, secret, secret_file"),
        ({"name": "小钉", "mode": CANARY}, "robot 2 (小钉): mode: Input should be 'http' or"),
        ({"name": CANARY * 9}, "robot 2: name: it is longer than 32 characters"),
        ({"name": f"a\n{CANARY}"}, "robot 2: name: it must be on one line"),
        ({"name": 5}, "robot 2: name: Input should be a valid string"),
        ({"code": "normal"}, "robot 2: code: copy it from DingTalk's console"),
        ({"code": f"a {CANARY}"}, "robot 2: code: copy it from DingTalk's console"),
        ({"code": CANARY * 99}, "robot 2: code: copy it from DingTalk's console"),
        ({"secret": f"{CANARY} {CANARY}"}, "robot 2: secret: a secret has no blanks"),
        ({"secret": [""]}, "robot 2: secret: a secret has no blanks, and is not empty"),
        ({"secret": []}, "robot 2: write secret or secret_file: it is missing"),
        ({"secret": {CANARY: CANARY}}, "robot 2: secret: Input should be a list"),
        ({"secret_file": "/x"}, "robot 2: write secret or secret_file: both are there"),
        ({"skills": CANARY}, "robot 2: skills: Input should be a list"),
        ({"skills": [" "]}, "robot 2: skills: an item is empty"),
        ({"conversations": [1]}, "robot 2: conversations: Input should be a valid string"),
        ({"mode": "stream"}, "robot 2: app_key is missing"),
    ],
)
def test_a_wrong_entry_is_named_with_its_key_and_without_its_value(
    dingda: Environment, wrong: dict[str, Any], why: str
) -> None:
    first = {"code": "dingfirst", "secret": "first-secret"}
    assert why in complaint(dingda, first, an_entry(code="dingb") | wrong)


def test_a_robot_needs_a_code_or_an_app_key(dingda: Environment) -> None:
    assert "robot 1: code or app_key is missing" in complaint(dingda, {"secret": CANARY})


@pytest.mark.parametrize("entry", [CANARY, 5, None, [CANARY], [[CANARY]]])
def test_an_entry_that_is_no_object_is_refused(dingda: Environment, entry: object) -> None:
    assert "write" in complaint(dingda, an_entry(), entry)


@pytest.mark.parametrize(
    ("twin", "what"),
    [
        ({"code": "dinga"}, "code"),
        ({"code": "dingb", "app_key": "same"}, "app_key"),
        ({"code": "dingb", "name": "BOT"}, "name"),
        ({"code": "dingb", "name": "dinga"}, "name"),
        ({"code": "dingb", "secret": ["own-secret", CANARY]}, "secret"),
    ],
)
def test_what_tells_robots_apart_is_one_robots_alone(
    dingda: Environment, twin: dict[str, Any], what: str
) -> None:
    name = "bot" if twin.get("name") == "BOT" else ""
    first = an_entry(app_key="same", name=name)
    said = complaint(dingda, first, {"secret": "another-secret"} | twin)
    assert said.startswith(f"DINGDA_ROBOTS: robots 1 and 2 have the same {what}")


def test_there_are_so_many_robots_at_the_most(dingda: Environment) -> None:
    entries = [an_entry(code=f"ding{n}", secret=f"secret-{n}") for n in range(MAX_ROBOTS)]
    assert len(dingda.settings(ROBOTS=json.dumps(entries)).robots) == MAX_ROBOTS
    more = dingda.complaint(ROBOTS=json.dumps([*entries, an_entry()]))
    assert more == "DINGDA_ROBOTS: there are more than 100 robots"


# Files and values that are wrong.


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "holds no text"),
        ("\xff\xfe".encode("latin-1"), "is not UTF-8"),
        (b"#" * 70_000, "is larger than 64 KiB"),
        (f"[[robot]]\nsecret = {CANARY}\n", "neither JSON ([{...}]), nor TOML: line 2, column 10"),
        (f'[[robot]]\nsecret = "{CANARY}', "end of document"),
        (f'[[robot]]\nsecret = "{CANARY}"\nsecret = "{CANARY}"\ncode = "a"', "line 3"),
        (f'[robot]\nsecret = "{CANARY}"\n', "write an entry [[robot]] for each robot"),
        (f'[[robots]]\nsecret = "{CANARY}"\n', "robots is outside of the entries [[robot]]: begin"),
        (f'"" = "{CANARY}"\n[[robot]]\n', "outside of the entries [[robot]]"),
        (f'secret = "{CANARY}"\n[[robot]]\n', "outside of the entries [[robot]]"),
        ("# nothing\n", "write an entry [[robot]] for each robot"),
        ("a = " + "[" * 9_000, "nested too deeply"),
        ("[{" + '"a":[' * 9_000, "it is n"),
        ("a = " + "9" * 5_000, "nor TOML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place_and_nothing_of_its_content(
    dingda: Environment, folder: Path, content: str | bytes, why: str
) -> None:
    said = dingda.complaint(ROBOTS=a_file(folder, content))
    assert said.startswith("DINGDA_ROBOTS: ")
    assert why in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("/nowhere/robots.toml", "the file that it names cannot be read: No such file"),
        (f"{CANARY}.toml", "the file that it names cannot be read: No such file"),
        (CANARY, "it is neither JSON ([{...}]), nor the path of a file *.toml, nor TOML"),
        (f'{{"robot": "{CANARY}"}}', "write an entry [[robot]] for each robot, or a JSON list"),
        (f'[{{"code": "{CANARY}"', "it is not JSON: line 1, column"),
        (f'[{{"code": "a", "secret": "x", "secret": "{CANARY}"}}]', "a key is there twice"),
        ("[]", "write an entry"),
    ],
)
def test_a_value_that_is_wrong_is_refused_and_not_shown(
    dingda: Environment, value: str, why: str
) -> None:
    said = dingda.complaint(ROBOTS=value)
    assert said.startswith("DINGDA_ROBOTS: ")
    assert why in said
    assert CANARY not in said


def test_a_secrets_file_that_is_wrong_is_told_by_its_robot(
    dingda: Environment, folder: Path
) -> None:
    missing = complaint(dingda, {"code": "dinga", "name": "小钉", "secret_file": f"/{CANARY}"})
    assert missing == (
        "DINGDA_ROBOTS: robot 1 (小钉): the secret_file cannot be read: No such file or directory"
    )
    blank = a_file(folder, f"{CANARY} {CANARY}", "a-secret")
    said = complaint(dingda, {"code": "dinga", "secret_file": blank})
    assert said.startswith("DINGDA_ROBOTS: robot 1: secret_file: a secret has no blanks")


# What operators see.


def test_the_list_of_settings_shows_the_robots_without_their_secrets(
    dingda: Environment, folder: Path
) -> None:
    path = a_file(folder)
    dingda.settings(ROBOTS=path)
    shown = show_settings(list_settings([]), as_json=False)
    assert "DINGDA_ROBOTS=小钉 (stream), dingstaff (http)   (default: none)" in shown
    assert "-secret" not in shown


@pytest.mark.parametrize("variable", ["ROBOTS", "ROBOTS_FILE"])
def test_files_that_anybody_may_read_are_found(
    dingda: Environment, folder: Path, variable: str
) -> None:
    secret = a_file(folder, CANARY, "a-secret")
    robots = a_file(folder, f'[[robot]]\ncode = "dinga"\nsecret_file = "{secret}"\n')
    settings = dingda.settings(**{variable: robots})
    assert open_files(settings) == []
    for path in (secret, robots):
        Path(path).chmod(0o604)
    said = " ".join(open_files(settings))
    assert f"{robots}, of DINGDA_ROBOTS" in said
    assert f"{secret}, of DINGDA_ROBOTS: robot 1: secret_file" in said


def open_files(settings: Any) -> list[str]:
    findings = preflight.check(settings)
    return [finding.what for finding in findings if finding.name == "secret-files"]


def test_short_secrets_are_told_by_the_robots_label(dingda: Environment) -> None:
    long = "a-secret-of-more-than-16-characters"
    entries = [an_entry(name="小钉"), an_entry(code="dingb", secret=long)]
    settings = dingda.settings(ROBOTS=json.dumps(entries))
    (found,) = [each for each in preflight.check(settings) if each.name == "secret"]
    assert found.what == "a secret of 小钉 is shorter than 16 characters"
