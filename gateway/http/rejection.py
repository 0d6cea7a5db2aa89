"""Requests that get a 4xx: the error to raise."""

from http import HTTPStatus

from dingda.gateway.metrics import CallbackOutcome


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
