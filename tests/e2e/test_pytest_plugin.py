"""The pytest plugin, as somebody uses it who has a skill of their own in a folder of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT

_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONFTEST = """
import pytest

pytest_plugins = ["dingda.simulator.pytest_plugin"]


@pytest.fixture(scope="session")
def dingda_settings():
    return {"DINGDA_SKILLS": "coffee"}
"""
COFFEE = """
import asyncio

from dingda.worker.skill import Ask, Skill, Text

skill = Skill("coffee", summary="来一杯咖啡")


@skill.command("咖啡")
async def brew(ask: Ask) -> Text:
    await asyncio.sleep(0.2)
    return Text("咖啡好了", at=ask.mention)


@skill.command("咖啡单")
def menu() -> Text:
    return Text("\\n".join(f"{number} 号：美式" for number in range(2500)))
"""
TESTS = """
from dingda.simulator.bad_day import CallbackTrouble, ReplyTrouble
from dingda.simulator.callback import Said, staff_id_of
from dingda.simulator.export import as_test


def test_coffee_is_ready_and_says_for_whom(dingtalk):
    record = dingtalk.ask("咖啡", sender="李四")
    assert record.shown[0].notified == (staff_id_of("李四"),)


def test_a_long_reply_is_waited_for_to_its_last_part(dingtalk):
    assert len(dingtalk.ask("咖啡单").shown) == 3


def test_nobody_makes_tea(dingtalk):
    record = dingtalk.ask("茶")
    assert (record.shown, record.story.state) == ((), "unmatched")


def test_twice_delivered_is_once_answered(dingtalk):
    record = dingtalk.say(Said("咖啡"))
    dingtalk.redeliver(record)
    assert len(dingtalk.look(record, wait_s=5).shown) == 1


def test_too_late_is_too_late(dingtalk):
    record = dingtalk.expire(dingtalk.say(Said("咖啡")))
    record = dingtalk.look(record, wait_s=5)
    assert [reply.errcode for reply in record.replies] == [300001]


def test_a_bad_day_ends_with_its_block(dingtalk):
    with dingtalk.bad_day(callbacks=CallbackTrouble.WRONG_SIGNATURE):
        assert dingtalk.ask("咖啡").ack.status == 401
    with dingtalk.bad_day(replies=ReplyTrouble.REFUSE):
        assert dingtalk.ask("咖啡").story.reason.startswith("failed")
    assert dingtalk.ask("咖啡").shown


async def test_it_serves_async_tests_as_well(dingtalk):
    assert dingtalk.ask("咖啡").shown


def test_a_copied_test_passes(dingtalk):
    copied = {}
    exec(as_test(dingtalk.ask("咖啡")), copied)
    copied["test_the_answer_to_咖啡"](dingtalk)
"""


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skill_is_tested_with_the_whole_bot_behind_it(tmp_path: Path) -> None:
    for name, text in (("conftest", CONFTEST), ("coffee", COFFEE), ("test_coffee", TESTS)):
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    ended = run_pytest(tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert "8 passed" in ended.stdout


def test_the_example_in_the_docs_passes(tmp_path: Path) -> None:
    readme, guide = (
        _PYTHON.findall((ROOT / page).read_text("utf-8"))
        for page in ("README.md", "docs/simulator.md")
    )
    coffee = next(code for code in readme if 'Skill("coffee"' in code)
    of_a_client, conftest, tests = guide
    compile(of_a_client, "docs/simulator.md", "exec")
    for name, text in (("conftest", conftest), ("coffee", coffee), ("test_coffee", tests)):
        (tmp_path / f"{name}.py").write_text(text, "utf-8")
    ended = run_pytest(tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout


def test_a_bot_that_does_not_start_is_an_error_that_says_why(tmp_path: Path) -> None:
    settings = CONFTEST.replace('"DINGDA_SKILLS": "coffee"', '"DINGDA_REDIS_URL": "nonsense"')
    (tmp_path / "conftest.py").write_text(settings, "utf-8")
    (tmp_path / "test_coffee.py").write_text("def test_coffee(dingtalk):\n    pass\n", "utf-8")
    ended = run_pytest(tmp_path)
    assert ended.returncode == 1
    assert "DINGDA_REDIS_URL" in ended.stdout
