"""Redis does what it is asked, and the answer is lost: the client asks again."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dingda.shared.runtime.lua_source import lua_source
from tests.faults.conftest import Figure
from tests.faults.environment import BUSY, EMPTY, FaultEnvironment, scene_behind_proxy
from tests.faults.proxy import Proxy
from tests.support.builders import a_message


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[tuple[FaultEnvironment, Proxy]]:
    with scene_behind_proxy(tmp_path) as opened:
        yield opened


def sha_of(step: str) -> bytes:
    """What Redis knows a step's script by."""
    script = lua_source("dingda.shared.ledger", step)
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest().encode()


@pytest.mark.fault("F17")
@pytest.mark.parametrize("step", ["accept", "lease", "claim_send", "finish"])
def test_a_step_whose_answer_is_lost_is_taken_once(
    behind_proxy: tuple[FaultEnvironment, Proxy], figure: Figure, step: str
) -> None:
    scene, proxy = behind_proxy
    with scene.worker():
        scene.accept("text")  # so that the server knows the scripts
        scene.expect_ends(answered=1)
        proxy.cut_after = sha_of(step)
        assert scene.say("text").json() == EMPTY
        took_s = scene.took_s(lambda: scene.counts().open == 0, within_s=10)
        assert proxy.was_cut.is_set()
        scene.expect_ends(answered=2)
    figure(step, f"answered after {took_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F18")
def test_a_job_that_redis_gave_and_nobody_got_is_handed_out_again(
    behind_proxy: tuple[FaultEnvironment, Proxy], figure: Figure
) -> None:
    scene, proxy = behind_proxy
    with scene.worker():
        proxy.cut_answer = a_message(msgId="msg1").id.encode()
        scene.accept("text")
        took_s = scene.took_s(lambda: scene.counts().open == 0, within_s=15)
        assert proxy.was_cut.is_set()
        scene.expect_ends(answered=1)
    figure("answered after", f"{took_s:.1f} s")


@pytest.mark.fault("F57")
def test_who_hears_busy_because_redis_is_late_is_answered_once_all_the_same(
    behind_proxy: tuple[FaultEnvironment, Proxy], figure: Figure
) -> None:
    scene, proxy = behind_proxy
    scene.accept("text")
    body = scene.body("text")
    proxy.latency_s = 0.6
    began = time.monotonic()
    assert BUSY in scene.post(body).text
    busy_after_s = time.monotonic() - began
    proxy.latency_s = 0.0
    with scene.worker():
        scene.expect_ends(answered=2)
        assert scene.post(body).json() == EMPTY  # and comes again
        scene.expect_ends(answered=2)
    figure("Redis 600 ms late", f"busy after {busy_after_s * 1000:.0f} ms, and answered once")
