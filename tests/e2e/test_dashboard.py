"""The dashboard and `dingda top` on a running bot: what an operator does there comes to pass."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from dingda.simulator.testing.processes import clean_environment, free_port
from tests.support.builders import a_callback
from tests.support.processes import (
    ROOT,
    Process,
    Script,
    SessionWebhook,
    gateway,
    post_callback,
    process,
    valkey,
    wait_until,
    worker,
)

ACT = "for-operators-only"
REFUSED = Script(body=b'{"errcode":300001,"errmsg":"session"}', shows=False)


@contextmanager
def a_dashboard(redis_url: str) -> Iterator[tuple[Process, httpx.Client]]:
    """A dashboard's process, and a client that has signed in to act and sends what forms send."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    env = {"DINGDA_REDIS_URL": redis_url, "DINGDA_DASHBOARD_ACT_PASSWORD": ACT}
    with process("-m", "dingda", "dashboard", "--port", str(port), env=env) as started:
        started.wait_for(f"the dashboard is at {address}/")
        headers = {"origin": address, "accept-language": "en"}
        with httpx.Client(base_url=address, headers=headers, trust_env=False) as page:
            page.post("/sign-in", data={"password": ACT})
            yield started, page


def test_a_dead_letter_that_is_retried_on_the_page_is_answered(tmp_path: Path) -> None:
    with (
        valkey(tmp_path) as server,
        SessionWebhook() as webhook,
        gateway(server.url) as (_, address),
        worker(server.url, webhook.origin, DINGDA_SKILLS="dingda.worker.skills.demo"),
        a_dashboard(server.url) as (dashboard, page),
    ):
        webhook.first.append(REFUSED)
        body = a_callback("text", sessionWebhook=webhook.url())
        assert post_callback(address, body).json() == {"msgtype": "empty"}
        wait_until(lambda: "failed: errcode 300001" in page.get("/dead").text)
        group = {"reason": "failed: errcode 300001", "act": "retry"}
        assert "1 with an open session" in page.post("/dead/review", data=group).text
        assert "1 accepted again" in page.post("/dead/act", data=group).text
        wait_until(lambda: webhook.shown)
        wait_until(lambda: "1 accepted + 1 retried = 2 ended + 0 open" in page.get("/").text)
        assert "No dead letters" in page.get("/dead").text
        dashboard.wait_for("audit: act at 127.0.0.1: retries 1 dead letters")


def test_while_the_workers_are_paused_messages_wait_and_are_answered_afterwards(
    tmp_path: Path,
) -> None:
    with (
        valkey(tmp_path) as server,
        SessionWebhook() as webhook,
        gateway(server.url) as (_, address),
        worker(server.url, webhook.origin, DINGDA_SKILLS="dingda.worker.skills.demo"),
        a_dashboard(server.url) as (_, page),
        server.client() as client,
    ):
        (worker_key,) = wait_until(lambda: client.smembers("rq:workers:dingda"))
        page.post("/pause")
        wait_until(lambda: client.hget(worker_key, "state") == "suspended")
        post_callback(address, a_callback("text", sessionWebhook=webhook.url()))
        assert "1 queued · 0 held" in page.get("/").text
        assert webhook.posts == []
        page.post("/resume")
        assert len(webhook.wait_for(1)) == 1


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    with valkey(tmp_path) as server:
        yield server.url


def top(*arguments: str, redis_url: str, **streams: object) -> "subprocess.Popen[bytes]":
    env = clean_environment() | {"PYTHONPATH": str(ROOT), "DINGDA_REDIS_URL": redis_url}
    command = [sys.executable, "-m", "dingda", "top", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=env, **streams)  # type: ignore[call-overload,no-any-return]


def test_top_prints_once_for_scripts(redis_url: str) -> None:
    done = top("--once", redis_url=redis_url, stdout=subprocess.PIPE)
    output = done.communicate(timeout=20)[0].decode()
    assert done.returncode == 0
    assert "\x1b" not in output
    assert "accepted/s 0   open 0   queued 0   oldest –   dead letters 0" in output
    assert re.search(r"^Valkey \S+  master ", output, re.MULTILINE)


@pytest.mark.parametrize("ending", ["q", "Ctrl-C"])
def test_top_draws_again_until_it_is_told_to_end_and_leaves_the_terminal_as_it_was(
    redis_url: str, ending: str
) -> None:
    ours, theirs = pty.openpty()
    running = top(redis_url=redis_url, stdin=theirs, stdout=theirs, stderr=theirs)
    shown = b""
    with redis.Redis.from_url(redis_url) as client:
        while shown.count(b"accepted/s") < 2:
            shown += os.read(ours, 4096)
            client.set("rq:suspended", 1)
    assert b"PAUSED" in shown
    os.write(ours, b"q") if ending == "q" else running.send_signal(signal.SIGINT)
    while b"\x1b[?1049l" not in shown:
        shown += os.read(ours, 4096)
    assert running.wait(20) == 0
    os.close(ours)
    os.close(theirs)
