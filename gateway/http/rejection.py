"""Requests that get a 4xx: the error to raise, and their log."""

import logging
from http import HTTPStatus

from dingda.gateway.metrics import CallbackOutcome
from dingda.gateway.throttled_log import ThrottledLog

logger = logging.getLogger(__name__)


class RejectedError(Exception):
    """A request that gets a 4xx; `reason` is a short name, `detail` a sentence for its client."""

    def __init__(
        self,
        status: HTTPStatus,
        reason: str,
        detail: str,
        outcome: CallbackOutcome = CallbackOutcome.REFUSED,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.outcome = outcome


class RejectionLog:
    """Logs each reason once in ten seconds."""

    def __init__(self) -> None:
        self._log = ThrottledLog(logger)

    def note(self, rejected: RejectedError) -> None:
        """Count a rejection; log it unless its reason was logged a moment ago."""
        self._log.note(rejected.reason, "rejected (%d so far): %s", rejected.detail)

    def note_probe(self) -> None:
        """Count an empty request that tries the address."""
        detail = "an empty request without a signature tries the address; no message is in it"
        self._log.note("probe", "probed (%d so far): %s", detail)
