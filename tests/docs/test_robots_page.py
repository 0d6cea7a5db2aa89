"""What docs/robots.md shows is what DINGDA_ROBOTS reads."""

import re
from pathlib import Path

import pytest

from dingda.shared.runtime import robots_file
from tests.support.environment import Environment

PAGE = (Path(__file__).parents[2] / "docs" / "robots.md").read_text("utf-8")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)


def block(language: str, holding: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(next(text for text in found if holding in text))


def the_file(folder: Path) -> str:
    """The page's file, with its secret in a folder of the test."""
    secret = folder / "xiaoding"
    secret.write_text("a-secret\n")
    return block("toml", "[[robot]]").replace("/run/secrets/xiaoding", str(secret))


def test_its_file_is_read(environment: Environment, tmp_path: Path) -> None:
    file = tmp_path / "robots.toml"
    file.write_text(the_file(tmp_path), "utf-8")
    stream, http = environment.settings(ROBOTS=str(file)).robots
    assert (stream.label, stream.code, stream.mode) == ("小钉", "dingabc", "stream")
    assert (http.label, http.code, http.mode) == ("人事助手", "dinghr", "http")
    assert (stream.secrets, http.secrets) == (("a-secret",), ("the-new-one", "the-old-one"))
    assert http.conversations == ("cidGroupOfHR==",)


def test_its_json_is_read(environment: Environment) -> None:
    value = block("ini", "[{").partition("=")[2].strip().strip("'")
    (robot,) = environment.settings(ROBOTS=value).robots
    assert robot.label == "小钉"


def test_its_table_has_every_key() -> None:
    table = PAGE.partition("| key | default | meaning |\n")[2].partition("\n\n")[0]
    keys = re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)
    assert sorted(keys) == sorted(robots_file._KEYS)


def test_its_error_is_the_one_that_one_gets(environment: Environment, tmp_path: Path) -> None:
    misspelt = the_file(tmp_path).replace("\nsecret ", "\nsercet ")
    assert environment.complaint(ROBOTS=misspelt) in block("console", "dingda settings")
