"""Workers that are killed while they call a hook for an event from DingTalk's Stream."""

from pathlib import Path

import pytest

from dingda.shared.ledger.facts import read_facts
from dingda.shared.ledger.ledger import MAX_DEATHS
from tests.faults.conftest import Figure
from tests.faults.environment import FaultEnvironment
from tests.faults.stream_mode import stream_mode
from tests.support.builders import KEYS
from tests.support.processes import wait_until

NOTICED_WITHIN_S = 25.0


@pytest.mark.slow
@pytest.mark.fault("F81")
def test_the_hook_is_called_again_by_another_with_the_same_key(
    env: FaultEnvironment, figure: Figure, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    settings = {"DINGDA_SKILLS": "tests.e2e.hooking_skill", "TESTS_HOOKING_FILE": str(called)}
    with stream_mode(env, tmp_path) as dingtalk:
        with env.worker(**settings) as doomed:
            push = dingtalk.stream.push_event("chat_disband")
            assert push.acks[0].data == {"status": "SUCCESS"}
            wait_until(called.exists)
            doomed.kill()
        with env.worker(**settings):
            noticed_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
            env.expect_ends(answered=1)
    begun, again, done = [line.split() for line in called.read_text().splitlines()]
    assert (begun[0], again[0], done[0]) == ("begun", "begun", "done")
    assert begun[1] == again[1] == done[1]
    figure("called again and done after", f"{noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F81")
@pytest.mark.timeout(180)
def test_a_hook_that_kills_each_of_its_workers_is_given_up_and_kept_for_a_retry(
    env: FaultEnvironment, tmp_path: Path
) -> None:
    settings = {
        "DINGDA_SKILLS": "tests.e2e.hooking_skill",
        "TESTS_HOOKING_FILE": str(tmp_path / "called"),
    }
    with stream_mode(env, tmp_path) as dingtalk, env.supervised_worker(**settings) as workers:
        dingtalk.stream.push_event("chat_remove_member")
        env.expect_ends(within_s=120, dead={"failed": 1})
        with env.server.client() as client:
            (event_id,) = client.zrange(KEYS.dead, 0, -1)
            facts = read_facts(client.hget(KEYS.message(str(event_id)), "facts"))
    assert len(workers) > MAX_DEATHS
    assert facts.kind == "event: chat_remove_member"
