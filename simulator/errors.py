"""The errors between a person, the simulator and the gateway."""

from dingda.shared.errors import DingdaError


class CallbackUnansweredError(DingdaError):
    """The gateway did not respond to a callback; the text names the address and what to start."""


class SimulatorUnreachableError(DingdaError):
    """Nothing listens where the simulator's server should be."""


class RequestRejectedError(DingdaError):
    """The simulator's server rejected a request; the message is its `detail`."""


class StackError(DingdaError):
    """The processes that a test needs did not start; the message quotes their logs."""
