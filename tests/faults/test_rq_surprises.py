"""What RQ, its command line and its registries do around a message that is ours: cases of others.

See docs/tried.md for where each comes from and what was seen.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.command import send_stop_job_command
from rq.serializers import JSONSerializer

from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import EMPTY, FaultEnvironment, environment_behind_proxy
from tests.support.builders import KEYS
from tests.support.processes import process, wait_until

WIP, FAILED, FINISHED = "rq:wip:dingda", "rq:failed:dingda", "rq:finished:dingda"
INTERMEDIATE = "rq:queue:dingda:intermediate"
TIDYING_LOCK = "rq:clean_registries:dingda"


def running_job(client: "redis.Redis") -> tuple[str, str]:
    """The one job that runs, and its execution, once RQ's registry has it."""
    (member,) = wait_until(lambda: client.zrange(WIP, 0, -1))
    job_id, _, execution_id = member.partition(":")
    return job_id, execution_id


def rq(env: FaultEnvironment, *words: str) -> str:
    """What `rq` prints, which has to end well."""
    with process("-m", "rq.cli", *words, "-u", env.server.url, env={}) as told:
        assert told.popen.wait(20) == 0, told.output
        told._reader.join()
        return told.output


@contextmanager
def commander(env: FaultEnvironment) -> Iterator["redis.Redis"]:
    """A connection such as an operator's script has."""
    with redis.Redis.from_url(env.server.url) as connection:
        yield connection


def stop_running_job(env: FaultEnvironment) -> None:
    with env.server.client() as client:
        job_id, _ = running_job(client)
    with commander(env) as connection:
        send_stop_job_command(connection, job_id, serializer=JSONSerializer)


def subscribers(client: Any) -> int:
    """How many workers listen for commands."""
    return len(client.pubsub_channels("rq:pubsub:*"))


# D01: a job that another worker takes for abandoned ------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_job_that_was_tidied_away_and_is_answered_all_the_same_did_not_fail(
    tmp_path: Path,
    forgotten: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with (
        environment_behind_proxy(tmp_path) as (env, proxy),
        env.gateway(DINGDA_RESULT_TTL="60") as (_, address),
        env.worker() as slow,
        env.server.client() as client,
    ):
        # Longer than another worker takes to start and to tidy, on a busy machine too.
        assert env.post(env.body("慢 12"), address=address).json() == EMPTY
        job_id, execution_id = running_job(client)
        proxy.latency_s = 1.0
        client.zadd(WIP, {f"{job_id}:{execution_id}": 1})
        if forgotten:
            client.delete(f"rq:execution:{job_id}:{execution_id}")
        client.delete(TIDYING_LOCK)
        env.redis_url = env.server.url
        with env.worker():
            wait_until(lambda: client.zscore(FAILED, job_id))
            # Each script's first call is three round trips, and each of them takes a second here.
            env.webhook.wait_for(1, within_s=40)
            wait_until(lambda: client.hget(f"rq:job:{job_id}", "status") == "finished")
            env.expect_ends(answered=1)
        assert slow.popen.poll() is None
        assert client.zscore(FAILED, job_id) is None
        assert client.zscore(FINISHED, job_id)
        assert client.zcard(WIP) == 0


# D02: the moment between the queue and the start ----------------------------------------------


@pytest.mark.slow
def test_two_sigterms_between_the_queue_and_the_start_lose_nothing(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker(DINGDA_FAILPOINTS="after-pop=sleep:1") as stopping:
        env.accept("慢 20")
        with env.server.client() as client:
            wait_until(lambda: client.llen(INTERMEDIATE))
            stopping.popen.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert stopping.stop() == 0
            assert client.llen(INTERMEDIATE) == 0
    with env.worker() as other:
        env.wait_for_state("leased")
        figure("another worker has it", "at once")
        other.stop()


@pytest.mark.slow
def test_a_death_between_the_queue_and_the_start_leaves_nothing_behind(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker(DINGDA_FAILPOINTS="after-pop=kill") as doomed:
        env.accept("text")
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with env.worker(), env.server.client() as client:
        assert client.llen(INTERMEDIATE) == 1
        taken_s = env.took_s(lambda: env.webhook.posts, within_s=25)
        env.expect_ends(answered=1)
        figure("answered after", f"{taken_s:.1f} s")


# D03: registries that hold what is gone -------------------------------------------------------


@pytest.mark.parametrize(
    "registry", slow_but(FAILED, of=(FAILED, FINISHED, WIP, "rq:deferred:dingda"))
)
def test_an_id_whose_job_is_gone_stops_neither_rq_info_nor_the_tidying(
    env: FaultEnvironment, registry: str
) -> None:
    with env.server.client() as client:
        gone = "gone-1:e1" if registry == WIP else "gone-1"
        client.zadd(registry, {gone: 1 if registry == WIP else time.time() + 3600})
        client.zadd(FINISHED, {"over-1": 1})
        client.sadd("rq:queues", "rq:queue:dingda")
        with env.worker() as working:
            # What is over goes when a worker tidies.
            wait_until(lambda: client.zscore(FINISHED, "over-1") is None)
            assert "1 workers" in rq(env, "info")
            env.accept("text")
            env.expect_ends(answered=1)
            assert "cannot tidy" not in working.output
            assert "Traceback" not in working.output


# D04: RQ's command line, which knows nothing of our serializer --------------------------------


def test_rq_info_tells_of_our_jobs_without_reading_them(env: FaultEnvironment) -> None:
    with env.worker() as working:
        env.accept("慢 2")
        env.wait_for_state("leased")
        for words in (("info",), ("info", "-R"), ("info", "-Q"), ("info", "-W")):
            told = rq(env, *words)
            assert "dingda" in told
            assert "rror" not in told
        env.expect_ends(answered=1)
        assert "Traceback" not in working.output


@pytest.mark.parametrize("serializer", slow_but(None, of=(None, JSONSerializer)))
def test_a_running_message_stops_by_command_whatever_serializer_that_knows(
    env: FaultEnvironment, serializer: Any
) -> None:
    with env.worker(), env.server.client() as client, commander(env) as connection:
        env.accept("慢 20")
        env.wait_for_state("leased")
        job_id, _ = running_job(client)
        send_stop_job_command(connection, job_id, serializer=serializer)
        env.expect_ends(dead={"failed": 1})
        wait_until(lambda: client.hget(f"rq:job:{job_id}", "status") == "stopped")
        assert env.webhook.posts == []


@pytest.mark.slow
def test_a_queue_that_was_emptied_by_the_command_line_is_filled_again(
    env: FaultEnvironment,
) -> None:
    env.accept("text", 3)
    rq(env, "empty", "dingda")
    with env.worker():
        env.expect_ends(answered=3, within_s=25)


def test_a_failed_job_that_is_requeued_by_the_command_line_answers_nobody_again(
    env: FaultEnvironment,
) -> None:
    kept = env.gateway(DINGDA_RESULT_TTL="60")
    with kept as (_, address), env.worker(), env.server.client() as client:
        assert env.post(env.body("慢 20"), address=address).json() == EMPTY
        env.wait_for_state("leased")
        stop_running_job(env)
        wait_until(lambda: client.zcard(FAILED))
        assert "Unable" not in rq(env, "requeue", "--queue", "dingda", "--all")
        wait_until(lambda: client.zcard(FINISHED))
        env.expect_ends(dead={"failed": 1})
        assert env.webhook.posts == []


# D05: commands after an outage ----------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_hears_commands_after_redis_was_restarted(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker():
        env.accept("慢 60")
        env.wait_for_state("leased")
        env.server.restart(away_s=1.0)
        with env.server.client() as client:
            heard_s = env.took_s(lambda: subscribers(client), within_s=30)
        stop_running_job(env)
        env.expect_ends(dead={"failed": 1})
    figure("listens again after", f"{heard_s:.1f} s")


@pytest.mark.slow
@pytest.mark.parametrize("frozen_s", [8, 14])
def test_a_worker_hears_commands_after_redis_hung(env: FaultEnvironment, frozen_s: float) -> None:
    with env.worker():
        env.accept("慢 60")
        env.wait_for_state("leased")
        with env.server.frozen():
            time.sleep(frozen_s)
        with env.server.client() as client:
            wait_until(lambda: subscribers(client), within_s=30)
        stop_running_job(env)
        env.expect_ends(dead={"failed": 1}, within_s=30)


# D08: delivered again while it is worked on, and long after -----------------------------------


@pytest.mark.slow
def test_a_message_is_known_for_as_long_as_it_is_worked_on(env: FaultEnvironment) -> None:
    body = env.body("慢 3")
    with env.worker(), env.server.client() as client:
        assert env.post(body).json() == EMPTY
        env.wait_for_state("leased")
        (key,) = client.scan_iter(KEYS.message("*"))
        assert client.ttl(key) == -1
        for _ in range(3):
            assert env.post(body).json() == EMPTY
        env.expect_ends(answered=1)
        # For longer than any signature is valid; the session ends after one and a half hours.
        (known,) = client.scan_iter(KEYS.ended("*"))
        assert client.ttl(known) > 2 * 3600
        client.delete(key)  # as it is a few minutes after the end
        assert env.post(body).json() == EMPTY
        env.expect_ends(answered=1)


def test_a_message_that_comes_again_once_its_session_has_closed_is_not_answered(
    env: FaultEnvironment,
) -> None:
    closed = env.body("text", sessionWebhookExpiredTime=int(time.time() * 1000) - 1000)
    with env.worker():
        assert env.post(closed).json() == EMPTY
        env.expect_ends(dead={"expired": 1})
    assert env.webhook.posts == []
