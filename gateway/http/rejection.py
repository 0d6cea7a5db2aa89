"""Requests that get a 4xx: the error to raise, and their log."""

import logging
import time
from collections import Counter
from http import HTTPStatus

logger = logging.getLogger(__name__)

_LOG_INTERVAL_S = 10.0


class RejectedError(Exception):
    """A request that gets a 4xx; `reason` is a short name, `detail` a sentence for its client."""

    def __init__(self, status: HTTPStatus, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


class RejectionLog:
    """Logs each reason once in ten seconds: visible to an operator, even in a flood."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}

    def note(self, rejected: RejectedError) -> None:
        """Count a rejection; log it unless its reason was logged a moment ago."""
        self._note(rejected.reason, "rejected (%d so far): %s", rejected.detail)

    def note_probe(self) -> None:
        """Count an empty request that tries the address."""
        detail = "an empty request without a signature tries the address; no message is in it"
        self._note("probe", "probed (%d so far): %s", detail)

    def _note(self, reason: str, line: str, detail: str) -> None:
        self._counts[reason] += 1
        now = time.monotonic()
        if now - self._logged_at.get(reason, -_LOG_INTERVAL_S) >= _LOG_INTERVAL_S:
            self._logged_at[reason] = now
            logger.warning(line, self._counts[reason], detail)
