"""A log for what strangers can bring about: visible to an operator, even in a flood."""

import logging
import time
from collections import Counter

_INTERVAL_S = 10.0


class ThrottledLog:
    """Counts each kind of event, and logs a kind once in ten seconds.

    Args:
        logger: where to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def note(self, kind: str, line: str, detail: str) -> None:
        """Count an event; log it unless one of its kind was logged a moment ago.

        Args:
            kind: a short name from the code.
            line: with a %d for how many there were so far, and a %s for the detail.
            detail: a sentence.
        """
        self._counts[kind] += 1
        now = time.monotonic()
        if now - self._logged_at.get(kind, -_INTERVAL_S) >= _INTERVAL_S:
            self._logged_at[kind] = now
            self._logger.warning(line, self._counts[kind], detail)
