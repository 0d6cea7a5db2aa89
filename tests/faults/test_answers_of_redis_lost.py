"""Redis does what it is asked, and the answer is lost: the client asks again."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dingda.shared.runtime.lua_source import lua_source
from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import BUSY, EMPTY, FaultEnvironment, environment_behind_proxy
from tests.faults.proxy import Proxy
from tests.support.builders import a_message


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[tuple[FaultEnvironment, Proxy]]:
    with environment_behind_proxy(tmp_path) as opened:
        yield opened


def sha_of(step: str) -> bytes:
    """What Redis knows a step's script by."""
    script = lua_source("dingda.shared.ledger", step)
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest().encode()


@pytest.mark.fault("F17")
@pytest.mark.parametrize(
    "step", slow_but("accept", "claim_send", of=("accept", "lease", "claim_send", "finish"))
)
def test_a_step_whose_answer_is_lost_is_taken_once(
    behind_proxy: tuple[FaultEnvironment, Proxy], figure: Figure, step: str
) -> None:
    env, proxy = behind_proxy
    with env.worker():
        env.accept("text")  # so that the server knows the scripts
        env.expect_ends(answered=1)
        proxy.cut_after = sha_of(step)
        assert env.say("text").json() == EMPTY
        took_s = env.took_s(lambda: env.counts().open == 0, within_s=10)
        assert proxy.was_cut.is_set()
        env.expect_ends(answered=2)
    figure(step, f"answered after {took_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F18")
def test_a_job_that_redis_gave_and_nobody_got_is_handed_out_again(
    behind_proxy: tuple[FaultEnvironment, Proxy], figure: Figure
) -> None:
    env, proxy = behind_proxy
    with env.worker():
        proxy.cut_answer = a_message(msgId="msg1").id.encode()
        env.accept("text")
        took_s = env.took_s(lambda: env.counts().open == 0, within_s=15)
        assert proxy.was_cut.is_set()
        env.expect_ends(answered=1)
    figure("answered after", f"{took_s:.1f} s")


@pytest.mark.fault("F57")
def test_a_sender_told_busy_because_redis_is_late_is_answered_once_all_the_same(
    behind_proxy: tuple[FaultEnvironment, Proxy], figure: Figure
) -> None:
    env, proxy = behind_proxy
    env.accept("text")
    body = env.body("text")
    proxy.latency_s = 0.6
    began = time.monotonic()
    assert BUSY in env.post(body).text
    busy_after_s = time.monotonic() - began
    proxy.latency_s = 0.0
    with env.worker():
        env.expect_ends(answered=2)
        assert env.post(body).json() == EMPTY  # and comes again
        env.expect_ends(answered=2)
    figure("Redis 600 ms late", f"busy after {busy_after_s * 1000:.0f} ms, and answered once")
