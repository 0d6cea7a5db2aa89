"""A backend that fails again and again is left alone for a while, and then tried by one call."""

import pytest

from dingda.worker.errors import BackendProtocolError, BackendUnavailableError
from dingda.worker.services.circuit_breaker import FAILURES_TO_OPEN, OPEN_S, CircuitBreaker


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker("API", now_s=clock)


def fail(breaker: CircuitBreaker, error: BaseException | None = None) -> None:
    with pytest.raises(BaseException), breaker.call():  # noqa: B017, PT011 - whatever it is
        raise error or BackendUnavailableError("API", "HTTP 500")


def opened(breaker: CircuitBreaker) -> bool:
    try:
        breaker.check()
    except BackendUnavailableError:
        return True
    return False


def test_it_opens_after_five_failures_in_a_row(breaker: CircuitBreaker) -> None:
    for _ in range(FAILURES_TO_OPEN):
        assert not opened(breaker)
        fail(breaker)
    assert opened(breaker)


@pytest.mark.parametrize("error", [None, BackendProtocolError("API", "no JSON")])
def test_a_response_in_between_resets_the_count(
    breaker: CircuitBreaker, error: BackendProtocolError | None
) -> None:
    for _ in range(3):
        for _ in range(FAILURES_TO_OPEN - 1):
            fail(breaker)
        if error:
            fail(breaker, error)
        else:
            with breaker.call():
                pass
    assert not opened(breaker)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("ours")])
def test_an_error_that_is_not_the_backends_counts_neither_way(
    breaker: CircuitBreaker, error: BaseException
) -> None:
    for _ in range(FAILURES_TO_OPEN - 1):
        fail(breaker)
        fail(breaker, error)
    assert not opened(breaker)
    fail(breaker)
    assert opened(breaker)


def test_after_the_pause_one_trial_call_passes_and_the_others_are_rejected(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    for _ in range(FAILURES_TO_OPEN):
        fail(breaker)
    clock.now_s += OPEN_S
    with breaker.call():
        for _ in range(10):
            with pytest.raises(BackendUnavailableError, match="API"), breaker.call():
                raise AssertionError("refused before it is made")
    assert not opened(breaker)


def test_a_failed_trial_starts_another_pause(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(FAILURES_TO_OPEN):
        fail(breaker)
    clock.now_s += OPEN_S
    fail(breaker)
    clock.now_s += OPEN_S - 1
    assert opened(breaker)
    clock.now_s += 1
    assert not opened(breaker)


def test_a_cancelled_trial_lets_another_call_try(breaker: CircuitBreaker, clock: Clock) -> None:
    for _ in range(FAILURES_TO_OPEN):
        fail(breaker)
    clock.now_s += OPEN_S
    fail(breaker, KeyboardInterrupt())
    assert not opened(breaker)
