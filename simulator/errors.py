"""The errors between a person, the simulator and the gateway."""

from enum import StrEnum

from dingda.shared.errors import DingdaError


class Unanswered(StrEnum):
    """Why there is no response to a callback, for programs; the page has words for each."""

    UNREACHABLE = "unreachable"
    """Nothing listens there."""
    TOO_LATE = "too_late"
    NOT_HTTP = "not_http"
    NO_CONNECTION = "no_connection"
    """No Stream connection is open."""
    NO_ACK = "no_ack"


class CallbackUnansweredError(DingdaError):
    """The gateway did not respond to a callback.

    Args:
        reason: why.
        text: the same for people; it names the address and what to start.
    """

    def __init__(self, reason: Unanswered, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class SimulatorUnreachableError(DingdaError):
    """Nothing listens where the simulator's server should be."""


class RequestRejectedError(DingdaError):
    """The simulator's server rejected a request; the message is its `detail`."""


class StackError(DingdaError):
    """The processes that a test needs did not start; the message quotes their logs."""
