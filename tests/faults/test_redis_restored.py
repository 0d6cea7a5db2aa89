"""A Redis that is put back to an earlier state, or begins empty: what operators choose between."""

import shutil
from pathlib import Path

import pytest

from tests.faults.environment import EMPTY, FaultEnvironment
from tests.support.builders import now_ms
from tests.support.processes import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.fault("F71")]

SESSION_MS = 8_000


def put_back(env: FaultEnvironment, folder: Path, backup: Path) -> None:
    """Start the server on what was copied of its folder."""
    env.server.kill()
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    env.server.start()


def test_a_backup_answers_again_what_was_open_when_it_was_made(
    env: FaultEnvironment, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # This is the one way to a second reply, and why operators are told to begin empty instead.
    backup = tmp_path_factory.mktemp("backup") / "redis"
    env.accept("text", 3)
    shutil.copytree(tmp_path, backup)
    with env.worker() as first:
        env.expect_ends(answered=3)
        first.stop()
    put_back(env, tmp_path, backup)
    with env.worker():
        wait_until(lambda: len(env.webhook.posts) == 6)
    assert set(env.shown().values()) == {2}


def test_a_backup_whose_sessions_have_closed_answers_nothing_again(
    env: FaultEnvironment, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    backup = tmp_path_factory.mktemp("backup") / "redis"
    closes_ms = now_ms() + SESSION_MS
    env.accept("text", 3, sessionWebhookExpiredTime=closes_ms)
    shutil.copytree(tmp_path, backup)
    with env.worker() as first:
        env.expect_ends(answered=3)
        first.stop()
    wait_until(lambda: now_ms() > closes_ms)
    put_back(env, tmp_path, backup)
    with env.worker():
        env.expect_ends(within_s=30, dead={"expired": 3})
    assert len(env.webhook.posts) == 3


def test_a_redis_that_begins_empty_answers_nothing_twice_and_takes_what_comes(
    env: FaultEnvironment,
) -> None:
    with env.worker():
        env.accept("text", 3)
        env.expect_ends(answered=3)
        with env.server.client() as client:
            client.flushdb()
        assert env.say("text").json() == EMPTY
        wait_until(lambda: len(env.webhook.posts) == 4)
    assert set(env.shown().values()) == {1}
