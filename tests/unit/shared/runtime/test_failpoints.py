import signal

import pytest

from tests.support.processes import process

AT = (
    "from dingda.shared.runtime.failpoints import failpoint; "
    "failpoint('after-claim'); print('went on')"
)
START = (
    "from dingda.shared.runtime.failpoints import warn_of_failpoints; "
    "warn_of_failpoints(); print('started')"
)


def test_a_fail_point_that_is_not_switched_on_does_nothing() -> None:
    with process("-c", AT, env={}) as inert:
        assert inert.popen.wait(20) == 0


def test_another_fail_point_than_the_one_reached_does_nothing() -> None:
    with process("-c", AT, env={"DINGDA_FAILPOINTS": "after-lease=kill"}) as inert:
        assert inert.popen.wait(20) == 0


def test_a_fail_point_kills_its_process() -> None:
    with process("-c", AT, env={"DINGDA_FAILPOINTS": "after-claim=kill"}) as doomed:
        assert doomed.popen.wait(20) == -signal.SIGKILL
    assert "went on" not in doomed.output


def test_a_fail_point_may_only_delay() -> None:
    env = {"DINGDA_FAILPOINTS": "after-lease=stop,after-claim=sleep:0.1"}
    with process("-c", AT, env=env) as late:
        late.wait_for("went on")


@pytest.mark.parametrize(
    "wrong", ["after-lunch=kill", "after-claim", "after-claim=burn", "after-claim=sleep:long"]
)
def test_a_fail_point_that_does_not_exist_stops_the_start(wrong: str) -> None:
    with process("-c", START, env={"DINGDA_FAILPOINTS": wrong}) as refusing:
        assert refusing.popen.wait(20) == 1
        refusing.wait_for("SettingsError: DINGDA_FAILPOINTS")


def test_a_process_that_fails_on_purpose_says_so_at_its_start() -> None:
    with process("-c", START, env={"DINGDA_FAILPOINTS": "after-claim=kill"}) as warned:
        warned.wait_for("this process fails on purpose at after-claim")
        warned.wait_for("started")
