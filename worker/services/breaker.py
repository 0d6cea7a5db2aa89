"""A circuit breaker: a backend that failed five times in a row is left alone for a while.

Own code, because the libraries (purgatory 3.0 was used) count a call that we cancel ourselves as a
failure of the service or, excluded, as a success; and when the pause is over they let all waiting
calls through, where one is enough to find out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dingda.worker.errors import BackendProtocolError, BackendUnavailableError

FAILURES_TO_OPEN = 5
OPEN_S = 20.0


class Breaker:
    """Counts one backend's failures in a row, and after five lets no call through for 20 seconds.

    Then one call may try, and the others are refused until it has ended. A call that ends in any
    other way than with an answer or a `BackendUnavailableError`, such as cancelled, says nothing of
    the backend and is not counted.

    Args:
        service: the backend's name.
        now_s: a clock that never goes back, in seconds.
    """

    def __init__(self, service: str, *, now_s: Callable[[], float]) -> None:
        self._service = service
        self._now_s = now_s
        self._failures = 0
        self._shut_until_s = 0.0
        self._is_trying = False

    def check(self) -> None:
        """Make sure that a call may be made.

        Raises:
            BackendUnavailableError: if it has failed too often.
        """
        if self._is_open and (self._is_trying or self._now_s() < self._shut_until_s):
            raise BackendUnavailableError(self._service, "it failed too often just now")

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make one call inside it.

        Raises:
            BackendUnavailableError: if it has failed too often; and what the call raises.
        """
        self.check()
        is_trial = self._is_open
        self._is_trying |= is_trial
        try:
            yield
            self._failures = 0
        except BackendProtocolError:  # it answered, if only nonsense
            self._failures = 0
            raise
        except BackendUnavailableError:
            self._failures += 1
            self._shut_until_s = self._now_s() + OPEN_S
            raise
        finally:
            if is_trial:
                self._is_trying = False

    @property
    def _is_open(self) -> bool:
        return self._failures >= FAILURES_TO_OPEN
