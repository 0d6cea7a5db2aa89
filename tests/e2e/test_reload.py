"""`dingda worker --reload`, and `dingda demo --reload`: a skill that is saved answers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from dingda.testing import SimulatedDingTalk
from tests.support.builders import a_callback
from tests.support.demo import free_ports, run_demo
from tests.support.processes import (
    Process,
    SessionWebhook,
    gateway,
    post_callback,
    process,
    valkey,
    wait_until,
)

_SKILL = """
import asyncio
import logging
import sys
import time
from pathlib import Path

from dingda.skill import Skill

skill = Skill("coffee", summary="来一杯咖啡")


@skill.command("咖啡")
async def brew() -> str:
    Path("begun").touch()
    await asyncio.sleep({takes_s})
    return "{answer}"
"""
_HANGS_AT_THE_END = """

class Hangs(logging.Handler):
    def emit(self, record): ...

    def flush(self):
        while sys.argv[1:2] == ["worker"]:
            time.sleep(60)


logging.getLogger().addHandler(Hangs())
"""
_RELOADED_WITHIN_S = 60.0


@dataclass(frozen=True)
class Author:
    """The author of a skill, with a bot that reloads it."""

    folder: Path
    worker: Process
    webhook: SessionWebhook
    address: str

    def saves(self, source: str) -> None:
        (self.folder / "coffee.py").write_text(source, "utf-8")

    def saves_and_waits(self, answer: str, *, takes_s: float = 0, more: str = "") -> None:
        """Save a skill, and wait until the worker has restarted."""
        begun = self.worker.output.count("takes up to")
        self.saves(_SKILL.format(answer=answer, takes_s=takes_s) + more)
        wait_until(
            lambda: self.worker.output.count("takes up to") > begun, within_s=_RELOADED_WITHIN_S
        )

    def asks(self) -> None:
        session = self.webhook.url(uuid4().hex)
        body = a_callback("咖啡", msgId=uuid4().hex, sessionWebhook=session)
        assert post_callback(self.address, body).json() == {"msgtype": "empty"}

    @property
    def replies(self) -> list[str]:
        return [post.payload["text"]["content"].splitlines()[-1] for post in self.webhook.posts]

    def is_answered(self) -> str:
        """Ask, and return the next reply."""
        before = len(self.replies)
        self.asks()
        wait_until(lambda: len(self.replies) > before)
        return self.replies[-1]


@contextmanager
def running(folder: Path) -> Iterator[Author]:
    (folder / "coffee.py").write_text(_SKILL.format(answer="first", takes_s=0), "utf-8")
    with (
        valkey(folder / "valkey") as server,
        SessionWebhook() as webhook,
        gateway(server.url, DINGDA_SESSION_WEBHOOK_ORIGINS=webhook.origin) as (_, address),
    ):
        env = {
            "DINGDA_REDIS_URL": server.url,
            "DINGDA_SESSION_WEBHOOK_ORIGINS": webhook.origin,
            "DINGDA_SKILLS": "coffee",
        }
        command = ("-P", "-m", "dingda", "worker", "--reload")
        with process(*command, env=env, cwd=folder) as worker:
            worker.wait_for("takes up to", within_s=60)
            worker.wait_for("--reload watches")
            yield Author(folder, worker, webhook, address)


@pytest.fixture(scope="module")
def author(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Author]:
    with running(tmp_path_factory.mktemp("acme")) as author:
        yield author
        assert author.worker.stop() == 0


def test_a_skill_that_is_saved_answers_from_then_on_in_the_same_process(author: Author) -> None:
    begun_s = psutil.Process(author.worker.popen.pid).create_time()
    assert author.is_answered() == "first"
    author.saves_and_waits("second")
    assert author.is_answered() == "second"
    assert psutil.Process(author.worker.popen.pid).create_time() == begun_s


def test_what_does_not_load_leaves_the_skill_as_it_was_until_it_is_mended(author: Author) -> None:
    before = author.is_answered()
    author.saves("def brew(:\n")
    author.worker.wait_for(r"SyntaxError.*coffee\.py, line 1", within_s=_RELOADED_WITHIN_S)
    author.worker.wait_for("coffee.py has changed, and is not loaded")
    assert author.is_answered() == before
    author.saves_and_waits("mended")
    assert author.is_answered() == "mended"


@pytest.mark.slow
def test_what_was_begun_is_answered_once_by_the_changed_skill(author: Author) -> None:
    author.saves_and_waits("too slow", takes_s=600)
    (author.folder / "begun").unlink(missing_ok=True)
    before = len(author.replies)
    author.asks()
    wait_until((author.folder / "begun").exists)
    author.saves_and_waits("quick")
    assert author.is_answered() == "quick"
    wait_until(lambda: len(author.replies) == before + 2)
    assert author.replies[before:] == ["quick", "quick"]


@pytest.mark.slow
def test_a_worker_that_does_not_end_for_its_restart_is_killed_and_says_where_it_hung(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as author:
        author.saves_and_waits("hangs", more=_HANGS_AT_THE_END)
        author.saves(_SKILL.format(answer="never", takes_s=0))
        assert author.worker.wait(within_s=60) == 1
        assert re.search(r"coffee\.py.* in flush", author.worker.output)


@pytest.mark.slow
def test_the_demo_keeps_its_chat_while_both_its_workers_reload(tmp_path: Path) -> None:
    with (
        run_demo(tmp_path, free_ports(), "--reload") as demo,
        SimulatedDingTalk.at(demo.page) as dingtalk,
    ):
        wait_until(lambda: demo.process.output.count("--reload watches") == 2, within_s=60)
        before = dingtalk.ask("咖啡")
        source = (tmp_path / "coffee.py").read_text("utf-8")
        (tmp_path / "coffee.py").write_text(source.replace("趁热喝", "趁热吃"), "utf-8")
        wait_until(lambda: demo.process.output.count("takes up to") == 4, within_s=60)
        assert dingtalk.ask("咖啡").text == before.text.replace("趁热喝", "趁热吃")
        assert dingtalk.look(before).text == before.text
        assert "died" not in demo.process.output
