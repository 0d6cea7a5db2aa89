"""`dingda new`: the files it writes, and the names it accepts."""

import errno
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest.mock import Mock

import click
import pytest

from dingda.new import ProjectError, create_project

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy-cache")


def strict_mypy(project: Path, cache: Path) -> str:
    """What mypy says of a project in strict mode, as it reads it beside an installed dingda."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"),
            *("--config-file=", f"--cache-dir={cache}", "--no-error-summary", "."),
        ],
        cwd=project,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_project_is_a_package_with_a_skill_its_tests_and_its_deployment_files(
    tmp_path: Path,
) -> None:
    written = create_project("acme-bot", tmp_path / "acme-bot")
    assert [str(path.relative_to(tmp_path / "acme-bot")) for path in written] == [
        ".dockerignore",
        ".env.example",
        ".gitignore",
        "Dockerfile",
        "README.md",
        "acme_bot/__init__.py",
        "acme_bot/canteen.py",
        "docker-compose.yml",
        "pyproject.toml",
        "tests/test_canteen.py",
    ]


def test_its_skill_is_found_by_its_entry_point(tmp_path: Path) -> None:
    create_project("acme-bot", tmp_path)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "acme-bot"
    assert project["entry-points"]["dingda.skills"] == {"acme-bot": "acme_bot.canteen"}


def test_no_placeholder_is_left(tmp_path: Path) -> None:
    written = create_project("acme-bot", tmp_path)
    # A prompt, and what compose itself puts in.
    meant = re.compile(r"^\$ |\$\{DINGDA_\w+:-", re.MULTILINE)
    left = [path.name for path in written if "$" in meant.sub("", path.read_text("utf-8"))]
    assert left == []


def test_a_new_project_passes_mypy_in_strict_mode(tmp_path: Path, mypy_cache: Path) -> None:
    create_project("acme-bot", tmp_path)
    assert strict_mypy(tmp_path, mypy_cache) == ""


def test_the_example_passes_mypy_in_strict_mode(mypy_cache: Path) -> None:
    assert strict_mypy(ROOT / "examples/leave", mypy_cache) == ""


def test_an_empty_folder_is_accepted(tmp_path: Path) -> None:
    assert create_project("acme-bot", tmp_path)


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ProjectError, match="exists already"):
        create_project("acme-bot", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "acme-bot").touch()
    with pytest.raises(ProjectError, match="exists already"):
        create_project("acme-bot", tmp_path / "acme-bot")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "lower-case letters"),
        ("Acme", "lower-case letters"),
        ("acme_bot", "lower-case letters"),
        ("acme--bot", "lower-case letters"),
        ("1acme", "lower-case letters"),
        ("../acme", "lower-case letters"),
        ("acme-bot\n", "lower-case letters"),
        ("钉答", "lower-case letters"),
        ("class", "is a Python keyword"),
        ("json", "is installed here"),
        ("dingda", "is installed here"),
    ],
)
def test_a_name_that_cannot_name_a_package_is_refused(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=why):
        create_project(name, tmp_path / "project")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_which_nothing_can_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", Mock(side_effect=PermissionError(errno.EACCES, "")))
    with pytest.raises(ProjectError, match="acme-bot can't be written: Permission denied"):
        create_project("acme-bot", tmp_path / "acme-bot")
