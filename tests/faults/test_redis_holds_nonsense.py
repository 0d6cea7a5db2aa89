"""Things in Redis that nobody of ours put there, or that somebody left behind."""

import signal
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.builders import KEYS, a_message
from tests.support.processes import Script, wait_until


@pytest.mark.fault("F28")
def test_nonsense_in_the_queue_does_not_hold_up_the_others(scene: FaultEnvironment) -> None:
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
def test_a_message_whose_words_are_spoilt_is_a_dead_letter(scene: FaultEnvironment) -> None:
    spoilt = a_message(msgId="msg1").id
    scene.accept("text", 3)
    with scene.server.client() as client:
        assert client.hset(KEYS.message(spoilt), "payload", '{"text":') == 0
    with scene.worker():
        scene.expect_ends(answered=2, dead={"failed": 1})


@pytest.mark.fault("F28")
def test_a_record_that_is_spoilt_is_a_dead_letter_and_stops_no_sweep(
    scene: FaultEnvironment,
) -> None:
    spoilt = [a_message(msgId=f"msg{number}").id for number in (1, 2, 3)]
    scene.accept("text", 6)
    with scene.server.client() as client:
        client.hdel(KEYS.message(spoilt[0]), "expires_ms")
        client.hset(KEYS.message(spoilt[1]), "expires_ms", "tomorrow")
        client.delete(KEYS.message(spoilt[2]))
        client.set(KEYS.message(spoilt[2]), "no hash at all")
        lost: Any = client.lpop("rq:queue:dingda", 6)
        assert len(lost) == 6  # so that only a sweep finds them
    with scene.worker() as answers:
        scene.expect_ends(answered=3, dead={"failed": 3}, within_s=30)
        assert answers.popen.poll() is None
        assert answers.output.count("is spoilt, so it has ended") == 3


@pytest.mark.slow
@pytest.mark.fault("F29")
def test_a_maintenance_lock_of_rq_that_was_left_behind_delays_nothing(
    scene: FaultEnvironment, figure: Figure
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


@pytest.mark.slow
@pytest.mark.fault("F28")
@pytest.mark.parametrize("key", [KEYS.due, KEYS.queued, KEYS.resting])
def test_something_else_in_the_place_of_a_list_of_ours_is_removed_and_named(
    scene: FaultEnvironment, key: str
) -> None:
    with scene.worker() as answers, scene.server.client() as client:
        scene.accept("text")
        wait_until(lambda: scene.counts().answered == 1)
        client.delete(key)
        client.set(key, "nonsense")
        answers.wait_for(f"removed {key}")
        scene.accept("text", 3)
        scene.expect_ends(answered=4, within_s=30)


@pytest.mark.fault("F28")
def test_what_rests_is_found_again_when_the_list_of_what_is_due_is_lost(
    scene: FaultEnvironment,
) -> None:
    scene.webhook.first.extend([Script(status=500, shows=False)] * 2)
    with scene.worker(), scene.server.client() as client:
        scene.accept("text", 2)
        wait_until(lambda: client.scard(KEYS.resting) == 2)
        client.delete(KEYS.due)
        scene.expect_ends(answered=2, within_s=30)
