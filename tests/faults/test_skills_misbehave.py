"""Skills that raise, return and do to their task what no skill should."""

import signal

import pytest

from tests.faults.environment import FaultEnvironment

ENDINGS = ["恐慌", "打断", "撤销", "自撤", "到头", "生成", "退出"]
"""What fails without any time-out; see `tests.faults.bad_skill`."""


@pytest.mark.fault("F37")
def test_whatever_a_skill_does_its_message_ends_with_one_apology_and_its_place_is_free(
    env: FaultEnvironment,
) -> None:
    with env.worker(DINGDA_CONCURRENCY="1") as answers:
        for text in ENDINGS:
            env.accept(text)
        env.accept("text")
        env.expect_ends(answered=1, dead={"failed": len(ENDINGS)})
        assert sum(env.shown().values()) == len(ENDINGS) + 1
        assert answers.popen.poll() is None
        assert answers.stop(signal.SIGINT) == 0


@pytest.mark.fault("F37")
def test_an_exit_in_a_task_that_a_skill_left_behind_does_not_end_the_worker(
    env: FaultEnvironment,
) -> None:
    with env.worker() as answers:
        env.accept("慢 1")
        env.accept("遗留")
        env.expect_ends(answered=2)
        assert answers.popen.poll() is None
        assert "遗留" not in answers.output


@pytest.mark.fault("F37")
def test_what_was_typed_is_neither_in_the_log_nor_in_rqs_records(env: FaultEnvironment) -> None:
    with env.worker(DINGDA_LOG_LEVEL="DEBUG") as answers:
        env.accept("读数 我的工资")
        env.expect_ends(dead={"failed": 1})
        answers.wait_for("skill bad failed: ValueError")
        answers.stop()
        assert "工资" not in answers.output
    with env.server.client() as client:
        assert all("工资" not in key for key in client.scan_iter("*"))
