"""A circuit breaker: after five failures in a row a backend is not called for a while.

Our own code, because the libraries (purgatory 3.0 was used) count a call that we cancel ourselves
as a failure of the service or, excluded, as a success; and after the pause they let all waiting
calls through, where one is enough to find out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dingda.worker.errors import BackendProtocolError, BackendUnavailableError

FAILURES_TO_OPEN = 5
OPEN_S = 20.0


class CircuitBreaker:
    """Counts a backend's consecutive failures; after five it rejects all calls for 20 seconds.

    Then one trial call may pass, and the others are rejected until it has ended. A call that ends
    neither with a response nor with a `BackendUnavailableError` (cancelled, for example) says
    nothing about the backend and is not counted.

    Args:
        service: the backend's name.
        now_s: a monotonic clock, in seconds.
    """

    def __init__(self, service: str, *, now_s: Callable[[], float]) -> None:
        self._service = service
        self._now_s = now_s
        self._failures = 0
        self._open_until_s = 0.0
        self._is_trial_running = False

    def check(self) -> None:
        """Check that a call may be made.

        Raises:
            BackendUnavailableError: if it has failed too often.
        """
        if self.is_open:
            raise BackendUnavailableError(self._service, "it failed too often just now")

    @contextmanager
    def call(self) -> Iterator[None]:
        """Count the outcome of the call made inside the context.

        Raises:
            BackendUnavailableError: if it has failed too often; and what the call raises.
        """
        self.check()
        is_trial = self._has_failed_often
        self._is_trial_running |= is_trial
        try:
            yield
            self._failures = 0
        except BackendProtocolError:  # it responded, if only with nonsense
            self._failures = 0
            raise
        except BackendUnavailableError:
            self._failures += 1
            self._open_until_s = self._now_s() + OPEN_S
            raise
        finally:
            if is_trial:
                self._is_trial_running = False

    @property
    def is_open(self) -> bool:
        """Whether calls are rejected at this moment."""
        return self._has_failed_often and (
            self._is_trial_running or self._now_s() < self._open_until_s
        )

    @property
    def _has_failed_often(self) -> bool:
        return self._failures >= FAILURES_TO_OPEN
