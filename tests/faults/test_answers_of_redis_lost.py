"""Redis does what it is asked, and the answer is lost: the client asks again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.ledger import Ledger
from shared.queue import JobQueue
from tests.builders import a_message
from tests.faults.conftest import Figure
from tests.faults.proxy import Proxy
from tests.faults.scene import EMPTY, Scene, scene_behind_proxy


@pytest.fixture
def behind_proxy(tmp_path: Path) -> Iterator[tuple[Scene, Proxy]]:
    with scene_behind_proxy(tmp_path) as opened:
        yield opened


def sha_of(step: str) -> bytes:
    """What a step's script is called by."""
    ledger = Ledger(Redis(), JobQueue.create("dingda", skill_timeout_s=30))
    script = getattr(ledger, f"_{step}")
    return str(script.sha).encode()


@pytest.mark.fault("F17")
@pytest.mark.parametrize("step", ["accept", "lease", "sending", "done"])
def test_a_step_whose_answer_is_lost_is_taken_once(
    behind_proxy: tuple[Scene, Proxy], figure: Figure, step: str
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
    behind_proxy: tuple[Scene, Proxy], figure: Figure
) -> None:
    scene, proxy = behind_proxy
    with scene.worker():
        proxy.cut_answer = a_message(msgId="msg1").id.encode()
        scene.accept("text")
        took_s = scene.took_s(lambda: scene.counts().open == 0, within_s=15)
        assert proxy.was_cut.is_set()
        scene.expect_ends(answered=1)
    figure("answered after", f"{took_s:.1f} s")
