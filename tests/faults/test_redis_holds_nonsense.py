"""Things in Redis that nobody of ours put there, or that somebody left behind."""

import signal

import pytest

from tests.builders import a_message
from tests.faults.conftest import Figure
from tests.faults.scene import Scene


@pytest.mark.fault("F28")
def test_nonsense_in_the_queue_does_not_hold_up_the_others(scene: Scene) -> None:
    with scene.server.client() as client:
        client.rpush("rq:queue:dingda", "no-such-job", "nonsense", "也不是")
        client.hset("rq:job:nonsense", mapping={"data": "{", "status": "soon", "created_at": "?"})
        client.set("rq:job:也不是", "no hash at all")
        scene.accept("text", 5)
        client.rpush("rq:queue:dingda", "nonsense")
    with scene.worker() as answers:
        scene.expect_ends(answered=5)
        assert answers.popen.poll() is None


@pytest.mark.fault("F28")
def test_a_message_whose_words_are_spoilt_is_a_dead_letter(scene: Scene) -> None:
    spoilt = a_message(msgId="msg1").id
    scene.accept("text", 3)
    with scene.server.client() as client:
        assert client.hset(f"dingda:message:{spoilt}", "payload", '{"text":') == 0
    with scene.worker():
        scene.expect_ends(answered=2, dead={"failed": 1})


@pytest.mark.slow
@pytest.mark.fault("F29")
def test_a_maintenance_lock_of_rq_that_was_left_behind_delays_nothing(
    scene: Scene, figure: Figure
) -> None:
    with scene.server.client() as client:
        client.set("rq:clean_registries:dingda", 1, ex=899)
    with scene.worker(DINGDA_FAILPOINTS="after-pop=kill") as doomed:
        scene.accept("text")
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with scene.worker():
        took_s = scene.took_s(lambda: scene.webhook.posts, within_s=25)
        scene.expect_ends(answered=1)
    figure("answered after", f"{took_s:.1f} s")
