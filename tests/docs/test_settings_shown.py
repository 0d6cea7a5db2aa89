"""What the pages show besides code and commands is read by what will read it."""

import re
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager
from packaging.requirements import Requirement

from dingda.new import create_project
from dingda.shared.runtime.environment import written
from dingda.shared.runtime.plain_settings import variables_of
from dingda.shared.runtime.settings import load_settings, unknown_names
from dingda.simulator.demo import coupons
from dingda.simulator.settings import SimulatorSettings
from tests.docs.snippets import ROOT, Snippet, snippets

RUN_ELSEWHERE = {
    "python": "test_docs_run.py runs it",
    "console": "test_console_blocks.py runs it, or says why not",
    "yaml": "tests/chart/test_values.py renders it (make test-chart)",
    "{eval-rst}": "make docs builds it",
    "text": "a drawing, or a log's lines: nothing that anybody types",
}
"""The kinds of blocks that are no business of this module."""
INSTRUCTIONS = {"FROM", "USER", "RUN"}


def ids(kind: str) -> list[Any]:
    return [pytest.param(each, id=str(each)) for each in snippets(kind)]


def test_there_is_no_block_of_a_kind_that_nothing_reads() -> None:
    here = {"toml", "ini", "json", "sql", "dockerfile"}
    assert {each.kind for each in snippets()} == {*RUN_ELSEWHERE, *here}


@pytest.mark.parametrize("shown", ids("ini"))
def test_settings_are_known_and_are_accepted(
    shown: Snippet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`<…>` and `…` are for the reader to fill in, and robots.toml is where the reader puts it."""
    robots = tmp_path / "robots.toml"
    robots.write_text(a_robots_file(tmp_path), "utf-8")
    code = filled_in(shown.code)
    path = tmp_path / ".env"
    path.write_text(code.replace("/etc/dingda/robots.toml", str(robots)), "utf-8")
    if "DINGDA_APP_SECRET" not in code and "DINGDA_ROBOTS" not in code:
        monkeypatch.setenv("DINGDA_APP_SECRET", "given elsewhere")
    load_settings(path)
    assert unknown_names(path, also=variables_of(SimulatorSettings)) == {}
    assert set(written(path)) == set(re.findall(r"^(\w+)=", shown.code, re.MULTILINE))


def filled_in(code: str) -> str:
    return re.sub(r"<[^>\n]*>|…", "filled-in", code)


def a_robots_file(folder: Path) -> str:
    """The file of docs/robots.md, with a secret where it says that one is."""
    (shown,) = snippets("toml", page="docs/robots.md")
    secret = folder / "xiaoding"
    secret.write_text("wordless")
    return shown.code.replace("/run/secrets/xiaoding", str(secret))


@pytest.mark.parametrize("shown", ids("json"))
def test_groups_are_accepted(shown: Snippet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINGDA_APP_SECRET", "given elsewhere")
    monkeypatch.setenv("DINGDA_GROUPS", filled_in(shown.code))
    assert load_settings(None).groups.find("ops") == "cidAAA=="


@pytest.mark.parametrize("shown", [each for each in ids("toml") if "robots.md" not in each.id])
def test_what_a_page_adds_to_pyproject_makes_a_package(shown: Snippet, tmp_path: Path) -> None:
    create_project("acme-bot", tmp_path)
    package = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))
    added = tomllib.loads(shown.code)
    merged = package | {table: package.get(table, {}) | values for table, values in added.items()}
    metadata = ProjectMetadata(str(tmp_path), PluginManager(), merged)
    metadata.validate_fields()
    project = added.get("project", {})
    assert metadata.core.entry_points == project.get("entry-points", metadata.core.entry_points)
    assert set(map(Requirement, project.get("dependencies", ()))) <= set(
        map(Requirement, metadata.core.dependencies)
    )


def test_the_first_tests_pass_with_the_lines_that_the_page_gives_pytest(tmp_path: Path) -> None:
    (options,) = snippets("toml", page="docs/first-skill.md")
    tested = next(
        each
        for each in snippets("python", page="docs/first-skill.md")
        if "async def test" in each.code
    )
    (tmp_path / "pyproject.toml").write_text(options.code, "utf-8")
    (tmp_path / "test_dice.py").write_text(tested.code, "utf-8")
    command = [sys.executable, "-m", "pytest", "--strict-config", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout
    assert {each.code for each in snippets("toml", page="docs/testing.md")} == {options.code}


@pytest.mark.parametrize("shown", ids("sql"))
def test_a_table_can_be_made_and_has_a_name_of_the_skills_own(shown: Snippet) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(shown.code)
        (name,) = database.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchone()
    assert name in {"coupon_items", "employee_performance"}


def test_the_table_of_coupons_is_the_one_that_the_demo_makes(tmp_path: Path) -> None:
    coupons.create(tmp_path / "coupons.db")
    (shown,) = snippets("sql", page="docs/skills/coupons.md")
    columns = []
    for path, made in ((":memory:", shown.code), (str(tmp_path / "coupons.db"), "")):
        with closing(sqlite3.connect(path)) as database:
            database.execute(made)
            rows = database.execute("PRAGMA table_info(coupon_items)").fetchall()
        columns.append([row[1] for row in rows])
    assert columns[0] == columns[1]


@pytest.mark.parametrize("shown", ids("dockerfile"))
def test_an_image_on_top_of_ours_uses_what_ours_has(shown: Snippet) -> None:
    lines = [line.split(maxsplit=1) for line in shown.code.splitlines()]
    assert {instruction for instruction, _ in lines} <= INSTRUCTIONS
    ours = (ROOT / "Dockerfile").read_text("utf-8")
    users = {user for instruction, user in lines if instruction == "USER"} - {"root"}
    assert all(f" {user}\n" in ours for user in users)
    extras = set(re.findall(r"dingda\[(\w+)\]", shown.code))
    offered = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extras <= set(offered["optional-dependencies"])
