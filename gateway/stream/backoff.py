"""How long to wait before a connection is opened again."""

from random import Random

MAX_PAUSE_S = 60.0
STEADY_S = 60.0
"""How long a connection must have lived for the attempts to be counted from the start again."""
TOLD_AT_ONCE_S = 5.0
"""How long a connection must have lived for another to be opened at once when DingTalk asks so."""
_REFUSED_S = (60.0, 300.0)
"""After the first refusal, and after each one that follows: only a person can mend its cause."""
_SPREAD = 0.1


class Backoff:
    """Counts failures in a row, and spreads the attempts of many processes over time.

    The first attempt comes at once, and so does the one after a connection that lived, and after
    one that did not: nothing is delivered meanwhile. After what fails from then on the pause is any
    number of seconds up to a limit that doubles, from 1 to 60 ("full jitter").

    Args:
        random: where chance comes from.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._failures = 0
        self._refusals = 0

    def failed(self) -> float:
        """Count an attempt that failed; returns the seconds to wait."""
        self._refusals = 0
        limit_s = min(2.0**self._failures, MAX_PAUSE_S)
        self._failures = min(self._failures + 1, 10)
        return self._random.uniform(0, limit_s)

    def refused(self) -> float:
        """Count an attempt that DingTalk refused; returns the seconds to wait."""
        pause_s = _REFUSED_S[min(self._refusals, len(_REFUSED_S) - 1)]
        self._refusals += 1
        return pause_s * self._random.uniform(1 - _SPREAD, 1 + _SPREAD)

    def ended(self, lived_s: float) -> float:
        """Count a connection that is to be replaced; returns the seconds to wait."""
        self._refusals = 0
        if lived_s >= STEADY_S:
            self._failures = 0
            return 0.0
        if not self._failures:
            self._failures = 1
            return 0.0
        return self.failed()

    def told(self, lived_s: float) -> float:
        """Count a connection that DingTalk asks us to leave; returns the seconds to wait.

        From then on it delivers nothing there: each second of a pause costs the messages of that
        second. So there is none, however often it asks, unless it does as soon as one is open.
        """
        return 0.0 if TOLD_AT_ONCE_S <= lived_s < STEADY_S else self.ended(lived_s)
