"""Workers that are killed, frozen, told to stop, or hold a skill that misbehaves."""

import signal
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.faults.load import load
from tests.support.processes import Process, process, wait_until

NOTICED_WITHIN_S = 25.0


@pytest.mark.slow
@pytest.mark.fault("F2")
def test_a_death_between_the_reply_and_its_answer_ends_as_unknown_and_shows_one_reply(
    env: FaultEnvironment, figure: Figure
) -> None:
    env.webhook.script.delay_s = 30.0
    with env.worker() as doomed:
        env.accept("text")
        env.webhook.wait_for(1)
        doomed.kill()
    with env.worker():
        noticed_s = env.took_s(lambda: env.counts().dead, within_s=NOTICED_WITHIN_S)
        env.expect_ends(dead={"unknown": 1})
    assert sum(env.shown().values()) == 1
    figure("noticed after", f"{noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F2")
@pytest.mark.parametrize(
    ("place", "dead", "shown"),
    [
        ("before-claim", None, 1),
        ("after-claim", {"unknown": 1}, 0),
        ("after-delivery", {"unknown": 1}, 1),
    ],
)
def test_a_death_just_before_the_claim_is_made_good_and_after_it_is_unknown(
    env: FaultEnvironment, figure: Figure, place: str, dead: dict[str, int] | None, shown: int
) -> None:
    with env.worker(DINGDA_FAILPOINTS=f"{place}=kill") as doomed:
        env.accept("text")
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with env.worker():
        env.expect_ends(within_s=NOTICED_WITHIN_S, dead=dead, answered=0 if dead else 1)
    assert sum(env.shown().values()) == shown
    figure(f"killed {place}", f"{'unknown' if dead else 'answered'}, {shown} shown")


@pytest.mark.slow
@pytest.mark.fault("F4")
def test_a_message_whose_worker_is_killed_is_answered_by_another(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker() as doomed:
        env.accept("慢 1", 5)
        env.wait_for_state("leased", 5)
        doomed.kill()
    with env.worker():
        noticed_s = env.took_s(lambda: env.webhook.posts, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=5)
    figure("first reply after", f"{noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "what"),
    [
        pytest.param("after-pop", "between the queue and its start", marks=pytest.mark.fault("F5")),
        pytest.param("after-start", "started and not leased", marks=pytest.mark.fault("F6")),
    ],
)
def test_what_a_worker_took_and_had_not_leased_is_handed_to_another(
    env: FaultEnvironment, figure: Figure, place: str, what: str
) -> None:
    with env.worker(DINGDA_FAILPOINTS=f"{place}=kill") as doomed:
        env.accept("text")
        assert doomed.popen.wait(20) == -signal.SIGKILL
    with env.worker():
        noticed_s = env.took_s(lambda: env.webhook.posts, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=1)
    figure(what, f"answered after {noticed_s:.1f} s")


@pytest.mark.fault("F7")
def test_a_worker_refuses_to_listen_to_two_queues(env: FaultEnvironment) -> None:
    settings = {"DINGDA_REDIS_URL": env.server.url, "DINGDA_QUEUE": "dingda,other"}
    with process("-m", "worker", env=settings) as refusing:
        assert refusing.popen.wait(20) == 2
        refusing.wait_for("DINGDA_QUEUE")


@pytest.mark.slow
@pytest.mark.fault("F8")
@pytest.mark.timeout(180)
def test_an_answer_that_takes_longer_than_a_lease_is_given_once(env: FaultEnvironment) -> None:
    with env.worker(), env.worker():
        env.accept("慢 27")
        env.expect_ends(within_s=40, answered=1)


@pytest.mark.slow
@pytest.mark.fault("F9")
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("place", "dead"), [("after-lease", 0), ("before-claim", 0), ("after-claim", 1)]
)
def test_a_worker_that_wakes_after_another_took_over_posts_no_second_reply(
    env: FaultEnvironment, figure: Figure, place: str, dead: int
) -> None:
    with env.worker(DINGDA_FAILPOINTS=f"{place}=stop") as zombie:
        env.accept("text")
        env.wait_for_state("sending" if dead else "leased")
        wait_until(partial(_is_gone, zombie))
        with env.worker():
            noticed_s = env.took_s(lambda: env.counts().open == 0, within_s=NOTICED_WITHIN_S)
            zombie.thaw()
            time.sleep(2)
            env.expect_ends(dead={"unknown": 1} if dead else None, answered=1 - dead)
    assert sum(env.shown().values()) == 1
    figure(f"frozen {place}", f"{'unknown' if dead else 'answered'} after {noticed_s:.1f} s")


@pytest.mark.fault("F10")
def test_sigterm_ends_an_idle_worker_at_once(env: FaultEnvironment, figure: Figure) -> None:
    with env.worker() as idle:
        began = time.monotonic()
        assert idle.stop() == 0
        figure("idle", f"{time.monotonic() - began:.1f} s")
    env.expect_ends()


@pytest.mark.fault("F10")
def test_sigterm_lets_a_busy_worker_finish(env: FaultEnvironment) -> None:
    with env.worker() as busy:
        env.accept("慢 4", 3)
        env.wait_for_state("leased", 3)
        assert busy.stop() == 0
        env.expect_ends(answered=3)


@pytest.mark.fault("F11")
def test_a_second_sigterm_hands_everything_back(env: FaultEnvironment, figure: Figure) -> None:
    with env.worker() as hurried:
        env.accept("慢 4", 5)
        env.wait_for_state("leased", 5)
        hurried.popen.send_signal(signal.SIGTERM)
        hurried.wait_for("stopping")
        hurried.stop()
    assert env.webhook.posts == []
    with env.worker():
        began = time.monotonic()
        env.expect_ends(answered=5)
        figure("all answered after", f"{time.monotonic() - began:.1f} s")


@pytest.mark.fault("F12")
def test_sigterm_while_a_job_is_taken_from_the_queue_loses_nothing(env: FaultEnvironment) -> None:
    with env.worker(DINGDA_FAILPOINTS="after-pop=sleep:1") as stopping:
        env.accept("text")
        with env.server.client() as client:
            wait_until(lambda: not client.llen("rq:queue:dingda"))
        assert stopping.stop() == 0
        env.expect_ends(answered=1)


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.fault("F13")
@pytest.mark.timeout(180)
def test_a_rolling_restart_under_load_loses_and_doubles_nothing(
    env: FaultEnvironment, figure: Figure
) -> None:
    with ExitStack() as stack:
        workers = [stack.enter_context(env.worker()) for _ in range(2)]
        with load(env, "慢 0.2", per_s=50) as sent:
            for _ in range(4):
                stopping = workers.pop(0)
                stopping.popen.send_signal(signal.SIGTERM)
                assert stopping.popen.wait(20) == 0
                workers.append(stack.enter_context(env.worker()))
        assert sent.outcomes == {"stored": len(sent.acks)}
        env.expect_ends(answered=len(sent.acks))
    figure("messages", str(len(sent.acks)))
    figure("ack p99", f"{sent.percentile_s(0.99) * 1000:.0f} ms")


@pytest.mark.fault("F27")
def test_a_skill_that_never_ends_is_cut_off_with_an_apology(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.worker(DINGDA_SKILL_TIMEOUT="1"):
        env.accept("不停")
        env.accept("占着 3")
        took_s = env.took_s(lambda: len(env.webhook.posts) == 2, within_s=10)
        env.expect_ends(dead={"failed": 2})
    figure("asked to wait 1 s, apologised after", f"{took_s:.1f} s")


@pytest.mark.fault("F27")
def test_a_skill_that_exits_ends_its_message_and_not_the_worker(env: FaultEnvironment) -> None:
    with env.worker() as answers:
        env.accept("慢 1")
        env.accept("退出")
        env.expect_ends(answered=1, dead={"failed": 1})
        assert answers.popen.poll() is None


@pytest.mark.fault("F27")
def test_a_skill_that_will_not_be_cut_off_is_left_behind_with_an_apology(
    env: FaultEnvironment,
) -> None:
    with env.worker(DINGDA_SKILL_TIMEOUT="1", DINGDA_CONCURRENCY="1") as answers:
        env.accept("不听")
        env.accept("text")
        env.expect_ends(within_s=15, answered=1, dead={"failed": 1})
        assert answers.stop() == 0


@pytest.mark.slow
@pytest.mark.fault("F27")
@pytest.mark.timeout(180)
@pytest.mark.parametrize("text", ["崩溃", "睡着"])
def test_a_message_over_which_three_workers_died_is_given_up(
    env: FaultEnvironment, figure: Figure, text: str
) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        env.accept(text)
        for _ in range(3):
            doomed = stack.enter_context(env.worker())
            wait_until(partial(_is_gone, doomed), within_s=30)
        stack.enter_context(env.worker())
        env.expect_ends(within_s=NOTICED_WITHIN_S, dead={"failed": 1})
    figure(
        f"3 workers {'crashed' if text == '崩溃' else 'frozen'}, given up after",
        f"{time.monotonic() - began:.0f} s",
    )


@pytest.mark.slow
@pytest.mark.fault("F27")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("other", ["text", "慢 2"])
def test_a_message_that_kills_its_worker_takes_no_other_along(
    env: FaultEnvironment, figure: Figure, other: str
) -> None:
    began = time.monotonic()
    for _ in range(2):
        env.accept(other)
    env.accept("崩溃")
    for _ in range(2):
        env.accept(other)
    with env.supervised_worker() as workers:
        env.expect_ends(within_s=200, answered=4, dead={"failed": 1})
        assert len(workers) == 4
    figure(
        f"a message kills its worker, 4 others 「{other}」 beside it: all answered after",
        f"{time.monotonic() - began:.0f} s",
    )


@pytest.mark.fault("F27")
def test_a_skill_that_blocks_the_loop_for_a_while_only_delays(env: FaultEnvironment) -> None:
    with env.worker():
        env.accept("慢 0.5", 3)
        env.accept("堵路 3")
        env.accept("text", 3)
        env.expect_ends(answered=7)


def _is_gone(process: Process) -> bool:
    """Whether a process is dead or frozen."""
    stat = Path(f"/proc/{process.popen.pid}/stat").read_text("ascii").rpartition(") ")[2]
    return stat[0] in "TZ"
