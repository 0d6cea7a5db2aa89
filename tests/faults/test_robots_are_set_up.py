"""A robot is set up: some workers know it already, and others do not know it yet."""

import json
from pathlib import Path

import pytest

from tests.faults.conftest import Figure
from tests.faults.environment import environment_of_robots
from tests.support.processes import SECRET

SKILLS = ["dingda.worker.skills.demo"]
OLD = {"code": "old", "secret": "the-old-robots-secret", "skills": SKILLS}
NEW = {"code": "new", "secret": SECRET, "skills": SKILLS}
COUNT = 20


@pytest.mark.slow
@pytest.mark.fault("F80")
@pytest.mark.timeout(300)
def test_its_messages_wait_for_a_worker_that_knows_it_and_no_other_robot_answers_them(
    tmp_path: Path, figure: Figure
) -> None:
    before, after = json.dumps([OLD]), json.dumps([OLD, NEW])
    with environment_of_robots(tmp_path, after) as env, env.worker(DINGDA_ROBOTS=before) as worker:
        env.accept("text", COUNT, robotCode="new")
        worker.wait_for("knows no robot new")
        assert env.shown() == {}
        with env.worker(DINGDA_ROBOTS=after):
            env.accept("text", COUNT, robotCode="new")
            answered_s = env.took_s(lambda: env.counts().open == 0, within_s=180)
            env.expect_ends(answered=2 * COUNT)
    assert set(env.shown().values()) == {1}
    figure("the last was answered after the new worker's start", f"{answered_s:.0f} s")
