"""Workers that are killed around a tick, Redis that is away over one, and clocks that jump."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.support.processes import wait_until
from tests.support.schedules import DAY_MS, MINUTE_MS, OneTick

pytestmark = pytest.mark.slow

NOTICED_WITHIN_S = 50.0
ENDS = 2
"""That of the tick, and that of its push."""


@pytest.fixture
def schedule(env: FaultEnvironment, tmp_path: Path) -> OneTick:
    made = OneTick.on(env.server, tmp_path)
    made.remember()
    return made


@pytest.mark.fault("F90")
@pytest.mark.parametrize(
    "place", ["after-tick", "after-lease", "after-ticked", "before-claim", "after-delivery"]
)
def test_a_tick_whose_worker_is_killed_is_run_and_what_it_says_is_pushed_once(
    env: FaultEnvironment, schedule: OneTick, place: str, figure: Figure
) -> None:
    settings = schedule.pushing(env.webhook.origin)
    with env.worker(**settings, DINGDA_FAILPOINTS=f"{place}=kill") as killed:
        wait_until(lambda: killed.popen.poll() is not None, within_s=NOTICED_WITHIN_S)
    with env.worker(**settings), env.worker(**settings):
        took_s = env.took_s(lambda: env.counts().ended == ENDS, within_s=NOTICED_WITHIN_S)
        if place == "after-delivery":
            env.expect_ends(answered=1, dead={"unknown": 1})
        else:
            env.expect_ends(answered=ENDS)
    assert env.shown() == {"ops": 1}
    assert {at_ms for at_ms, _ in schedule.calls} == {schedule.at_ms}
    assert len({key for _, key in schedule.calls}) == 1
    assert len(schedule.calls) == (2 if place == "after-ticked" else 1)
    figure("ended after", f"{took_s:.1f} s")


@pytest.mark.fault("F90")
def test_a_tick_whose_worker_hangs_and_is_killed_is_run_again_by_another(
    env: FaultEnvironment, schedule: OneTick
) -> None:
    with env.worker(**schedule.settings, TESTS_TICKING_HANGS="1") as killed:
        wait_until(lambda: schedule.calls)
        killed.kill()
    with env.worker(**schedule.settings):
        env.expect_ends(within_s=NOTICED_WITHIN_S, answered=1)
    first, second = schedule.calls
    assert first == second


@pytest.mark.fault("F90")
def test_of_five_workers_that_come_at_once_one_runs_it(
    env: FaultEnvironment, schedule: OneTick
) -> None:
    with ExitStack() as workers:
        for _ in range(5):
            workers.enter_context(env.worker(**schedule.settings))
        env.expect_ends(answered=1)
    assert len(schedule.calls) == 1


@pytest.mark.fault("F90")
def test_a_worker_that_was_frozen_before_it_accepts_a_tick_does_not_accept_it_hours_later(
    env: FaultEnvironment, schedule: OneTick
) -> None:
    with env.worker(**schedule.settings, DINGDA_FAILPOINTS="before-tick=stop") as frozen:
        with env.worker(**schedule.settings):
            wait_until(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        with env.server.client() as client:  # the ledger has forgotten it by then
            client.delete(
                *client.scan_iter("dingda:message:*"), *client.scan_iter("dingda:ended:*")
            )
        frozen.thaw()
        frozen.wait_for("takes up to")
        time.sleep(2.0)
    env.expect_ends(answered=1)
    assert len(schedule.calls) == 1


@pytest.mark.fault("F91")
def test_a_tick_that_no_worker_was_alive_over_is_run_by_the_first_that_comes(
    env: FaultEnvironment, schedule: OneTick, figure: Figure
) -> None:
    with env.worker(**schedule.settings):
        took_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=1)
    assert [at_ms for at_ms, _ in schedule.calls] == [schedule.at_ms]
    figure("run after", f"{took_s:.1f} s")


@pytest.mark.fault("F91")
@pytest.mark.timeout(300)
def test_a_tick_that_redis_was_away_over_is_run_when_it_is_back(
    env: FaultEnvironment, tmp_path: Path, figure: Figure
) -> None:
    schedule = OneTick.on(env.server, tmp_path, in_minutes=2)
    with env.worker(**schedule.settings):
        wait_until(lambda: schedule.is_known)
        env.server.kill()
        time.sleep(max(0.0, schedule.at_ms / 1000 - time.time()) + 2.0)
        env.server.start()
        took_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        env.expect_ends(answered=1)
    assert [at_ms for at_ms, _ in schedule.calls] == [schedule.at_ms]
    figure("run after", f"{took_s:.1f} s")


@pytest.mark.fault("F92")
def test_where_the_clock_has_gone_back_behind_what_is_remembered_nothing_is_run_again(
    env: FaultEnvironment, schedule: OneTick
) -> None:
    with env.server.client() as client:
        client.delete(schedule.key)
    schedule.remember(**{"e" * 64: schedule.at_ms + MINUTE_MS})
    with env.worker(**schedule.settings):
        wait_until(lambda: schedule.is_listed)
        time.sleep(2.0)
        env.expect_ends()
    assert schedule.calls == []


@pytest.mark.fault("F92")
def test_where_a_clock_that_was_days_ahead_is_put_right_the_tick_of_today_is_run(
    env: FaultEnvironment, schedule: OneTick
) -> None:
    schedule.remember(**{"e" * 64: schedule.at_ms + 3 * DAY_MS}, missed=schedule.at_ms + 2 * DAY_MS)
    with env.worker(**schedule.settings):
        env.expect_ends(answered=1)
    assert [at_ms for at_ms, _ in schedule.calls] == [schedule.at_ms]
