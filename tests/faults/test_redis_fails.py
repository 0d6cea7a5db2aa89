"""A Redis that dies, goes away, hangs, dawdles, or is full."""

import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import (
    BUSY,
    EMPTY,
    FaultEnvironment,
    environment_behind_proxy,
    fault_environment,
)
from tests.faults.load import Load, load
from tests.support.processes import valkey, wait_until

ACK_WITHIN_S = 2.0
"""Our own bound is one second; the rest is for a machine that is busy with other tests."""


def _note_acks(figure: Figure, sent: Load) -> None:
    acks = ", ".join(f"{count} {outcome}" for outcome, count in sorted(sent.outcomes.items()))
    figure("acks", f"{acks}; longest {sent.longest_s * 1000:.0f} ms")


@pytest.mark.slow
@pytest.mark.fault("F14")
@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_what_was_acknowledged_outlives_a_kill_of_redis(
    tmp_path: Path, figure: Figure, policy: str
) -> None:
    with fault_environment(tmp_path, appendfsync=policy) as env:
        env.accept("text", 200)
        env.server.restart()
        with env.worker():
            first_s = env.took_s(lambda: env.webhook.posts, within_s=20)
            env.expect_ends(answered=200)
    figure(f"appendfsync {policy}", f"0 of 200 lost, first reply {first_s:.1f} s after the start")


@pytest.mark.alone
@pytest.mark.fault("F15")
@pytest.mark.parametrize("away_s", slow_but(1, of=(0.4, 1, 3, 10, 30)))
def test_everybody_outlives_an_outage_of_redis(
    env: FaultEnvironment, figure: Figure, away_s: float
) -> None:
    with env.worker() as first, env.worker() as second:
        with load(env, "慢 0.3", per_s=20) as sent:
            time.sleep(1)
            env.server.restart(away_s=away_s)
            time.sleep(2)
        wait_until(lambda: env.counts().open == 0, within_s=60)
        outcomes, shown = sent.outcomes, env.shown()
        assert outcomes.keys() <= {"stored", "busy"}
        assert max(shown.values()) == 1
        assert len(shown) >= outcomes["stored"]
        dead = env.counts().dead
        assert dead.keys() <= {"unknown"}
        env.expect_ends(answered=env.counts().answered, dead=dead)
        assert [worker.popen.poll() for worker in (first, second)] == [None, None]
    assert sent.longest_s < ACK_WITHIN_S
    figure(f"away {away_s:g} s", f"{dead.get('unknown', 0)} unknown, both workers alive")
    _note_acks(figure, sent)


@pytest.mark.alone
@pytest.mark.fault("F16")
@pytest.mark.parametrize("hangs_s", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_a_redis_that_hangs_keeps_nobody_waiting_longer_than_a_second(
    env: FaultEnvironment, figure: Figure, hangs_s: float
) -> None:
    with env.worker() as answers:
        with load(env, "慢 0.3", per_s=20, senders=32) as sent:
            time.sleep(1)
            with env.server.frozen():
                time.sleep(hangs_s)
            time.sleep(2)
        wait_until(lambda: env.counts().open == 0, within_s=60)
        counts = env.counts()
        assert sent.outcomes.keys() <= {"stored", "busy"}
        assert counts.accepted >= sent.outcomes["stored"]
        env.expect_ends(answered=counts.answered, dead=counts.dead)
        assert answers.popen.poll() is None
    assert sent.longest_s < ACK_WITHIN_S
    figure(f"frozen {hangs_s:g} s", f"{sum(counts.dead.values())} dead")
    _note_acks(figure, sent)


@pytest.mark.alone
@pytest.mark.fault("F16")
def test_paused_writes_are_answered_with_busy_and_the_worker_goes_on(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker():
        with env.server.client() as client:
            client.client_pause(2_000, all=True)
        began = time.monotonic()
        assert BUSY in env.say("text").text
        figure("CLIENT PAUSE, busy after", f"{(time.monotonic() - began) * 1000:.0f} ms")
        time.sleep(2)
        env.accept("text")
        wait_until(lambda: env.counts().open == 0)
        # What timed out may be stored after the pause: a sender who was told busy is answered too.
        env.expect_ends(answered=env.counts().accepted)


@pytest.mark.slow
@pytest.mark.fault("F19")
def test_a_full_redis_is_told_as_busy_and_drains_once_it_has_room(
    tmp_path: Path, figure: Figure
) -> None:
    config = {"appendfsync": "always", "maxmemory": "6mb", "maxmemory-policy": "noeviction"}
    with fault_environment(tmp_path, **config) as env, env.worker() as answers:
        answers.freeze()
        stored = 0
        while (ack := env.say("text", conversationTitle="长" * 3000)).json() == EMPTY:
            stored += 1
        assert BUSY in ack.text
        answers.thaw()
        with env.server.client() as client:
            client.config_set("maxmemory", "100mb")
        drained_s = env.took_s(lambda: env.counts().open == 0, within_s=30)
        env.expect_ends(answered=stored)
    figure("stored before it was full", str(stored))
    figure("drained after", f"{drained_s:.1f} s")


@pytest.mark.fault("F19")
def test_what_is_under_way_when_redis_fills_up_is_answered_and_written_down(
    tmp_path: Path, figure: Figure
) -> None:
    with fault_environment(tmp_path, appendfsync="always") as env, env.worker():
        env.accept("慢 4", 10)
        env.wait_for_state("leased", 10)
        env.fill_redis()
        env.expect_ends(answered=10)
    figure("under way", "10 of 10 answered")


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F21")
@pytest.mark.parametrize("latency_ms", [50, 200])
def test_a_slow_redis_slows_acknowledgements_and_loses_nothing(
    tmp_path: Path, figure: Figure, latency_ms: int
) -> None:
    with environment_behind_proxy(tmp_path) as (env, proxy), env.worker():
        proxy.latency_s = latency_ms / 1000
        with load(env, "text", per_s=20) as sent:
            time.sleep(5)
        assert sent.outcomes.keys() <= {"stored", "busy"}
        assert sent.outcomes["stored"] > sent.outcomes["busy"]  # the first, which had to connect
        wait_until(lambda: env.counts().open == 0, within_s=60)
        accepted = env.counts().accepted
        assert accepted >= sent.outcomes["stored"]
        env.expect_ends(answered=accepted)
    assert sent.longest_s < ACK_WITHIN_S
    p50_ms, p99_ms = (1000 * sent.percentile_s(share) for share in (0.5, 0.99))
    figure(f"+{latency_ms} ms", f"ack p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms")
    _note_acks(figure, sent)


@pytest.mark.fault("F20")
def test_a_full_disk_is_told_as_busy_and_loses_nothing_that_was_acknowledged(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker() as answers:
        env.accept("text", 5)
        wait_until(lambda: env.counts().open == 0)
        answers.freeze()
        env.server.limit_file_size(env.server.aof_size() + 50_000)
        stored = 5
        with suppress(httpx.HTTPError):
            while env.say("text", conversationTitle="长" * 3000).json() == EMPTY:
                stored += 1
        assert BUSY in env.say("text").text
        answers.thaw()
        env.server.restart()
        wait_until(lambda: env.counts().open == 0, within_s=30)
        env.expect_ends(answered=env.counts().accepted)
        assert env.counts().accepted >= stored
    figure("stored before the disk was full", f"{stored}, 0 lost")


@pytest.mark.alone
@pytest.mark.fault("F22")
def test_a_failover_behind_one_address_is_survived_by_all(tmp_path: Path, figure: Figure) -> None:
    with ExitStack() as stack:
        env, proxy = stack.enter_context(environment_behind_proxy(tmp_path / "primary"))
        primary = f"127.0.0.1 {env.server.port}"
        replica = stack.enter_context(valkey(tmp_path / "replica", replicaof=primary))
        client = stack.enter_context(replica.client())
        stack.enter_context(env.worker())
        wait_until(lambda: client.info("replication")["master_link_status"] == "up")
        with load(env, "慢 0.3", per_s=20) as sent:
            time.sleep(1)
            env.server.kill()
            client.replicaof("NO", "ONE")
            proxy.target, env.server = replica.port, replica
            proxy.drop_all()
            time.sleep(2)
        wait_until(lambda: env.counts().open == 0, within_s=60)
        counts = env.counts()
        env.expect_ends(answered=counts.answered, dead=counts.dead)
        # Replication is asynchronous: what was on its way to the replica is gone.
        lost = max(0, sent.outcomes["stored"] - counts.accepted)
        assert lost <= 1
    figure("failover", f"{lost} of {sent.outcomes['stored']} acknowledged lost")
    _note_acks(figure, sent)
