"""`examples/oncall`: its tests with the whole bot, its database, and what `dingda new` writes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from acme_oncall import duty, report
from acme_oncall.sample import fill
from acme_oncall.settings import OnCallSettings
from pydantic import SecretStr

from dingda.new import create_project
from dingda.skill import CHINA, Markdown, Text
from dingda.testing import ask
from tests.integration.postgres import Postgres, postgres

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/oncall"
SATURDAY = datetime(2026, 11, 28, 9, tzinfo=CHINA)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture(scope="module")
def settings(server: Postgres) -> OnCallSettings:
    fill(server.url, SATURDAY.date())
    return OnCallSettings(database=SecretStr(server.url), seconds_per_day=0)


@pytest.mark.heavy
def test_its_tests_with_the_whole_bot_pass() -> None:
    options = ("-q", "-p", "no:cacheprovider")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/test_whole_bot.py"],
        cwd=EXAMPLE,
        env=os.environ | {"PYTHONPATH": f"{EXAMPLE}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


async def test_who_is_on_call_is_found_in_a_postgresql(settings: OnCallSettings) -> None:
    reply = await ask(duty.skill, "值班 风控组", settings=[settings], now=SATURDAY, group=False)
    assert reply == Text("风控组值班\n11-28 周六：陈七 13800000005")


async def test_a_report_is_counted_in_a_postgresql_once(settings: OnCallSettings) -> None:
    reply = await ask(report.skill, "告警周报", settings=[settings], now=SATURDAY, crashes=1)
    assert isinstance(reply, Markdown)
    assert reply.title == "七天共 14 次告警"


def of_a_new_package(name: str, folder: Path) -> str:
    """A file as `dingda new` writes it; the example's own name is taken where it is installed."""
    create_project("acme-new", folder)
    written = (folder / name).read_text("utf-8")
    return written.replace("acme-new", "acme-oncall").replace("acme_new", "acme_oncall")


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore", ".gitignore"])
def test_it_has_what_a_new_package_has(name: str, tmp_path: Path) -> None:
    assert (EXAMPLE / name).read_text("utf-8").startswith(of_a_new_package(name, tmp_path))


def test_its_compose_file_is_that_of_a_new_package_and_a_database(tmp_path: Path) -> None:
    comment, *lines = of_a_new_package("docker-compose.yml", tmp_path).splitlines()
    mine = iter((EXAMPLE / "docker-compose.yml").read_text("utf-8").splitlines())
    assert comment.startswith("#")
    assert [line for line in lines if line not in mine] == []  # `in` an iterator: in this order
