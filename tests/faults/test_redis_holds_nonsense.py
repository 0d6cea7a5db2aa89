"""Things in Redis that nobody of ours put there, or that somebody left behind."""

import signal
from typing import Any

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.builders import KEYS, a_message
from tests.support.processes import Script, wait_until


@pytest.mark.fault("F28")
def test_nonsense_in_the_queue_does_not_hold_up_the_others(env: FaultEnvironment) -> None:
    with env.server.client() as client:
        client.rpush("rq:queue:dingda", "no-such-job", "nonsense", "也不是")
        client.hset("rq:job:nonsense", mapping={"data": "{", "status": "soon", "created_at": "?"})
        client.set("rq:job:也不是", "no hash at all")
        env.accept("text", 5)
        client.rpush("rq:queue:dingda", "nonsense")
    with env.worker() as answers:
        env.expect_ends(answered=5)
        assert answers.popen.poll() is None


@pytest.mark.fault("F28")
def test_a_message_whose_words_are_spoilt_is_a_dead_letter(env: FaultEnvironment) -> None:
    spoilt = a_message(msgId="msg1").id
    env.accept("text", 3)
    with env.server.client() as client:
        assert client.hset(KEYS.message(spoilt), "payload", '{"text":') == 0
    with env.worker():
        env.expect_ends(answered=2, dead={"failed": 1})


@pytest.mark.fault("F28")
def test_a_record_that_is_spoilt_is_a_dead_letter_and_stops_no_sweep(
    env: FaultEnvironment,
) -> None:
    spoilt = [a_message(msgId=f"msg{number}").id for number in (1, 2, 3)]
    env.accept("text", 6)
    with env.server.client() as client:
        client.hdel(KEYS.message(spoilt[0]), "expires_ms")
        client.hset(KEYS.message(spoilt[1]), "expires_ms", "tomorrow")
        client.delete(KEYS.message(spoilt[2]))
        client.set(KEYS.message(spoilt[2]), "no hash at all")
        lost: Any = client.lpop("rq:queue:dingda", 6)
        assert len(lost) == 6  # so that only a sweep finds them
    with env.worker() as answers:
        env.expect_ends(answered=3, dead={"failed": 3}, within_s=30)
        assert answers.popen.poll() is None
        assert answers.output.count("is spoilt, so it has ended") == 3


@pytest.mark.slow
@pytest.mark.fault("F29")
def test_a_maintenance_lock_of_rq_that_was_left_behind_delays_nothing(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.server.client() as client:
        client.set("rq:clean_registries:dingda", 1, ex=899)
    with env.worker(DINGDA_FAILPOINTS="after-pop=kill") as doomed:
        env.accept("text")
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with env.worker():
        took_s = env.took_s(lambda: env.webhook.posts, within_s=25)
        env.expect_ends(answered=1)
    figure("answered after", f"{took_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F28")
@pytest.mark.parametrize("key", [KEYS.due, KEYS.queued, KEYS.resting])
def test_something_else_in_the_place_of_a_list_of_ours_is_removed_and_named(
    env: FaultEnvironment, key: str
) -> None:
    with env.worker() as answers, env.server.client() as client:
        env.accept("text")
        wait_until(lambda: env.counts().answered == 1)
        client.delete(key)
        client.set(key, "nonsense")
        answers.wait_for(f"removed {key}")
        env.accept("text", 3)
        env.expect_ends(answered=4, within_s=30)


@pytest.mark.fault("F28")
def test_what_rests_is_found_again_when_the_list_of_what_is_due_is_lost(
    env: FaultEnvironment,
) -> None:
    env.webhook.first.extend([Script(status=500, shows=False)] * 2)
    with env.worker(), env.server.client() as client:
        env.accept("text", 2)
        wait_until(lambda: client.scard(KEYS.resting) == 2)
        client.delete(KEYS.due)
        env.expect_ends(answered=2, within_s=30)
