"""The pauses between attempts to open a connection."""

from random import Random

import pytest

from dingda.gateway.stream.backoff import MAX_PAUSE_S, STEADY_S, TOLD_AT_ONCE_S, Backoff


class Most(Random):
    """Chance at its longest."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the signature
        return b


class Least(Random):
    """Chance at its shortest."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the signature
        return a


def test_pauses_double_from_one_second_to_sixty() -> None:
    backoff = Backoff(Most())
    assert [backoff.failed() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_any_pause_may_be_short_so_that_processes_part() -> None:
    backoff = Backoff(Least())
    assert {backoff.failed() for _ in range(9)} == {0}


def test_a_connection_that_lived_is_replaced_at_once_and_counts_from_the_start_again() -> None:
    backoff = Backoff(Most())
    for _ in range(5):
        backoff.failed()
    assert backoff.ended(STEADY_S) == 0
    assert backoff.failed() == 1


def test_connections_that_do_not_live_count_as_failures_but_for_the_first() -> None:
    backoff = Backoff(Most())
    assert [backoff.ended(STEADY_S - 1) for _ in range(4)] == [0, 2, 4, 8]


def test_a_connection_is_left_at_once_however_often_dingtalk_asks() -> None:
    backoff = Backoff(Most())
    assert {backoff.told(TOLD_AT_ONCE_S) for _ in range(20)} == {0}


def test_to_be_asked_to_leave_as_soon_as_it_is_open_counts_as_a_failure() -> None:
    backoff = Backoff(Most())
    assert [backoff.told(TOLD_AT_ONCE_S - 1) for _ in range(4)] == [0, 2, 4, 8]


@pytest.mark.parametrize("chance", [Most(), Least()])
def test_after_a_refusal_the_next_attempt_is_a_minute_away_and_then_five(chance: Random) -> None:
    backoff = Backoff(chance)
    first, *more = (backoff.refused() for _ in range(4))
    assert 54 <= first <= 66
    assert all(270 <= pause <= 330 for pause in more)


def test_no_number_of_failures_overflows() -> None:
    backoff = Backoff(Most())
    assert {backoff.failed() for _ in range(5000)} <= {2.0**n for n in range(6)} | {MAX_PAUSE_S}
