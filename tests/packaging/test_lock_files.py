"""The lock files hold the dependencies of pyproject.toml."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "requirements.txt": ((), ()),
    "requirements-demo.txt": (("demo",), ("build",)),
    "requirements-dev.txt": (("demo", "otel", "testing"), ("build", "dev")),
}
"""Lock file → its extras and dependency groups."""


@cache
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def wanted(page: str) -> list[Requirement]:
    extras, groups = LOCKS[page]
    project = pyproject()["project"]
    texts = [
        *project["dependencies"],
        *(text for extra in extras for text in project["optional-dependencies"][extra]),
        *(text for group in groups for text in pyproject()["dependency-groups"][group]),
    ]
    return [Requirement(text) for text in texts if isinstance(text, str)]


def locked(page: str) -> dict[str, str]:
    """The packages of a lock file and their versions."""
    text = (ROOT / page).read_text("utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("page", LOCKS)
def test_a_lock_file_holds_every_dependency_in_a_permitted_version(page: str) -> None:
    versions = locked(page)
    unfit = [
        str(wish)
        for wish in wanted(page)
        if not wish.specifier.contains(versions.get(canonicalize_name(wish.name), "0"))
    ]
    assert unfit == []


@pytest.mark.parametrize("page", LOCKS)
def test_each_package_of_a_lock_file_has_a_hash(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    entries = re.findall(r"^[\w.-]+==\S.*\n(?:[ #].*\n)*", text, re.MULTILINE)
    assert len(entries) == len(locked(page))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_files_agree() -> None:
    pages = [set(locked(page).items()) for page in LOCKS]
    assert pages[0] < pages[1] < pages[2]


def test_every_extra_is_locked_for_the_tests() -> None:
    assert set(pyproject()["project"]["optional-dependencies"]) == set(
        LOCKS["requirements-dev.txt"][0]
    )


def test_the_wheel_is_built_by_the_locked_backend() -> None:
    assert pyproject()["build-system"]["requires"] == pyproject()["dependency-groups"]["build"]
