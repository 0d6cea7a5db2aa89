"""Workers that live and work no more: their loop is blocked, or their threads are all taken."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from rq.command import send_stop_job_command
from rq.serializers import JSONSerializer

from dingda.worker.engine.threads import THREADS
from tests.faults.conftest import Figure, slow_but
from tests.faults.environment import FaultEnvironment
from tests.support.builders import KEYS
from tests.support.processes import Process, wait_until

AN_END = r"the worker ends: "


def ends(workers: list[Process]) -> list[Process]:
    """Those that have ended of themselves."""
    return [each for each in workers if each.popen.poll() is not None]


# Threads ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.fault("F38")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("text", ["占着 600", "线程 600"])
def test_a_worker_whose_threads_are_all_taken_for_good_ends_and_another_goes_on(
    env: FaultEnvironment, figure: Figure, text: str
) -> None:
    with env.supervised_worker(DINGDA_SKILL_TIMEOUT="2") as workers:
        env.accept(text, THREADS)
        env.wait_for_state("dead", THREADS, within_s=30)
        took_s = env.took_s(lambda: ends(workers), within_s=20)
        assert workers[0].popen.returncode == 1
        assert re.search(AN_END + "its threads", workers[0].output)
        wait_until(lambda: len(workers) == 2)
        env.accept("占着 0")
        env.expect_ends(answered=1, dead={"failed": THREADS})
    assert sum(env.shown().values()) == THREADS + 1
    figure(f"{THREADS} calls hang; after the last apology the worker is gone in", f"{took_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F38")
def test_calls_that_hang_do_not_silence_what_does_not_block(env: FaultEnvironment) -> None:
    commands = ["帮助", "text", "markdown", "整体跳转", "feed"]
    with env.worker(DINGDA_SKILL_TIMEOUT="60") as answers:
        env.accept("占着 600", THREADS)
        env.wait_for_state("leased", THREADS)
        for text in commands:
            env.accept(text)
        wait_until(lambda: env.counts().answered == len(commands), within_s=10)
        assert answers.popen.poll() is None
    assert env.counts().open == THREADS


@pytest.mark.slow
@pytest.mark.fault("F38")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("signals", [1, 2])
def test_sigterm_ends_a_worker_whose_threads_hang(
    env: FaultEnvironment, figure: Figure, signals: int
) -> None:
    with env.worker(DINGDA_SKILL_TIMEOUT="4") as hung:
        env.accept("占着 600", 5)
        env.wait_for_state("dead", 5)
        env.accept("慢 3" if signals == 1 else "不停")
        env.wait_for_state("leased")
        began = time.monotonic()
        hung.popen.send_signal(signal.SIGTERM)
        if signals == 2:
            hung.wait_for("stopping")
            hung.popen.send_signal(signal.SIGTERM)
        assert hung.popen.wait(30) == 0
        figure(f"{signals} signal(s), gone in", f"{time.monotonic() - began:.1f} s")
    assert env.counts().open == signals - 1


@pytest.mark.fault("F38")
@pytest.mark.parametrize("text", slow_but("占着 600", of=("占着 600", "不听", "不停")))
def test_rqs_stop_job_ends_a_message_whatever_its_skill_does(
    env: FaultEnvironment, text: str
) -> None:
    with env.worker() as answers:
        env.accept(text)
        env.wait_for_state("leased")
        time.sleep(0.5)
        with redis.Redis.from_url(env.server.url) as client:
            (execution,) = wait_until(lambda: client.zrange("rq:wip:dingda", 0, -1))
            job_id = execution.decode().partition(":")[0]
            send_stop_job_command(client, job_id, serializer=JSONSerializer)
        env.expect_ends(within_s=10, dead={"failed": 1})
        answers.wait_for("stopped by an operator")
        assert answers.popen.poll() is None


# The loop -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.fault("F39")
@pytest.mark.timeout(300)
def test_a_message_that_stops_every_loop_is_given_up_and_the_others_are_answered(
    env: FaultEnvironment, figure: Figure
) -> None:
    began = time.monotonic()
    with env.supervised_worker() as one, env.supervised_worker() as other:
        env.accept("慢 8", 4)
        env.wait_for_state("leased", 4)
        env.accept("堵路 600")
        env.expect_ends(within_s=240, answered=4, dead={"failed": 1})
        # The message may be given up before the third of them is seen to be gone.
        wait_until(lambda: len(ends(one) + ends(other)) >= 3, within_s=30)
        gone = ends(one) + ends(other)
        assert {each.popen.returncode for each in gone} == {1}
        assert len(gone) == 3
        for each in gone:
            assert re.search(
                r"ends: its loop is blocked at message \w{8} in the skill bad", each.output
            )
            assert "bad_skill.py" in each.output
            assert "堵路" not in each.output
        output = "".join(each.output for each in one + other)
        assert re.search(r"message \w{8} is given up: 3 workers died over it", output)
    with env.server.client() as client:
        deaths: list[Any] = [
            client.hget(key, "deaths") for key in client.scan_iter(KEYS.message("*"))
        ]
        # The culprit's third death is its end; the others have none.
        assert [count for count in deaths if count] == ["2"]
    figure("given up after 3 workers, in", f"{time.monotonic() - began:.0f} s")


@pytest.mark.slow
@pytest.mark.fault("F39")
@pytest.mark.timeout(180)
def test_a_lone_worker_whose_loop_is_blocked_is_gone_and_rq_knows(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker() as stuck:
        env.accept("堵路 600")
        env.wait_for_state("leased")
        took_s = env.took_s(lambda: stuck.popen.poll() is not None, within_s=60)
        assert stuck.popen.returncode == 1
        with env.server.client() as client:
            assert not client.exists("rq:workers", "rq:workers:dingda", "rq:wip:dingda")
            assert client.zcard("rq:failed:dingda") == 1
    figure("a blocked loop ends the process after", f"{took_s:.0f} s")


@pytest.mark.slow
@pytest.mark.fault("F39")
@pytest.mark.timeout(180)
def test_a_loop_that_is_blocked_without_redis_ends_the_process_all_the_same(
    env: FaultEnvironment,
) -> None:
    with env.worker() as stuck:
        env.accept("堵路 600")
        env.wait_for_state("leased")
        with env.server.frozen():
            assert stuck.popen.wait(90) == 1


@pytest.mark.slow
@pytest.mark.fault("F39")
@pytest.mark.timeout(180)
def test_a_worker_that_was_frozen_for_longer_than_a_lease_goes_on(env: FaultEnvironment) -> None:
    with env.worker() as frozen:
        env.accept("text")
        env.wait_for_state("answered")
        frozen.freeze()
        time.sleep(45)
        frozen.thaw()
        time.sleep(3)
        env.accept("text")
        env.expect_ends(answered=2)
        assert frozen.popen.poll() is None
        assert "blocked at" not in frozen.output


@pytest.mark.slow
@pytest.mark.fault("F39")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("text", ["抱锁", "抱锁线程"])
def test_a_call_that_keeps_the_interpreter_lock_ends_the_process_and_is_shown_in_the_log(
    env: FaultEnvironment, figure: Figure, text: str
) -> None:
    with env.worker() as stuck:
        env.accept(text)
        env.wait_for_state("leased")
        took_s = env.took_s(lambda: stuck.popen.poll() is not None, within_s=240)
        assert stuck.popen.returncode == -signal.SIGPROF
        assert re.search(r'bad_skill\.py", line \d+ in keeps_the_interpreter_lock', stuck.output)
    figure(f"「{text}」 keeps the interpreter lock: the process is gone after", f"{took_s:.0f} s")


# Children -----------------------------------------------------------------------------------


@pytest.mark.fault("F49")
@pytest.mark.parametrize("number", slow_but(signal.SIGKILL, of=(signal.SIGKILL, signal.SIGTERM)))
def test_no_child_computes_on_when_its_worker_is_gone(
    env: FaultEnvironment, figure: Figure, tmp_path: Path, number: signal.Signals
) -> None:
    marks = [tmp_path / name for name in ("one", "two")]
    with env.worker() as doomed:
        for mark in marks:
            env.accept(f"计算 {mark}")
        wait_until(lambda: all(mark.exists() for mark in marks))
        doomed.popen.send_signal(number)
        if number == signal.SIGTERM:
            doomed.wait_for("stopping")
            doomed.popen.send_signal(number)
        doomed.popen.wait(30)
        ended = time.time()
        time.sleep(2)
    # A child touches its file a hundred times a second.
    last_touch = max(mark.stat().st_mtime for mark in marks)
    assert last_touch - ended < 0.5
    figure(
        f"{number.name}: the children's last sign of life after their worker's end",
        f"{max(0.0, last_touch - ended):.1f} s",
    )
