"""All workers die: senders are told, operators see it, and nothing is lost."""

import json

import pytest

from dingda.shared.texts import BUSY, LATE
from tests.faults.conftest import Figure
from tests.faults.environment import EMPTY, FaultEnvironment
from tests.support.processes import process, wait_until

GONE_WITHIN_S = 35.0
"""The life of a report, and the start of a command."""
TOLD_WITHIN_S = 90.0
"""The life of a report, the grace, and some time of a busy machine."""


def status(env: FaultEnvironment) -> tuple[int, str]:
    """`dingda status`: its exit status, and what it prints."""
    with process("-m", "dingda", "status", env={"DINGDA_REDIS_URL": env.server.url}) as run:
        return run.wait(), run.output


def workers_alive(env: FaultEnvironment) -> int:
    with process(
        "-m", "dingda", "status", "--json", env={"DINGDA_REDIS_URL": env.server.url}
    ) as run:
        run.wait()
        first_line = run.output.splitlines()[0]
    return int(json.loads(first_line)["workers"])


@pytest.mark.slow
@pytest.mark.fault("F67")
@pytest.mark.timeout(300)
def test_senders_are_told_that_all_workers_are_gone_and_all_is_answered_when_one_is_back(
    env: FaultEnvironment, figure: Figure
) -> None:
    with env.gateway() as (_, address):
        with env.worker() as doomed:
            assert env.post(env.body("text"), address=address).json() == EMPTY
            wait_until(lambda: env.counts().answered == 1)
            assert status(env)[0] == 0
            doomed.kill()
        gone_s = env.took_s(lambda: workers_alive(env) == 0, within_s=GONE_WITHIN_S)
        code, shown = status(env)
        assert code == 1
        assert "start one with dingda worker" in shown
        late = {"msgtype": "text", "text": {"content": LATE}}
        stored = [EMPTY]

        def is_told() -> bool:
            stored.append(env.post(env.body("text"), address=address).json())
            return stored[-1] == late

        told_s = gone_s + env.took_s(is_told, within_s=TOLD_WITHIN_S)
        assert all(ack in (EMPTY, late) for ack in stored)
        with env.worker():
            env.expect_ends(answered=len(stored), within_s=60)
            wait_until(lambda: env.post(env.body("text"), address=address).json() == EMPTY)
            env.expect_ends(answered=env.counts().accepted)
    figure("gone from `dingda status` after", f"{gone_s:.0f} s")
    figure("senders are told after", f"{told_s:.0f} s")


@pytest.mark.slow
@pytest.mark.fault("F67")
@pytest.mark.timeout(300)
def test_where_it_is_set_so_senders_hear_that_the_bot_is_busy_and_nothing_is_stored(
    env: FaultEnvironment,
) -> None:
    busy = {"msgtype": "text", "text": {"content": BUSY}}
    stored = 0
    with env.gateway(DINGDA_NO_WORKERS="busy") as (_, address):

        def is_told() -> bool:
            nonlocal stored
            ack = env.post(env.body("text"), address=address).json()
            stored += ack == EMPTY
            return bool(ack == busy)

        wait_until(is_told, within_s=TOLD_WITHIN_S)
        assert env.counts().accepted == stored
        with env.worker():
            env.expect_ends(answered=stored, within_s=60)
