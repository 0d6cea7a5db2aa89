"""What can go wrong between a person, the simulator and the gateway."""

from dingda.shared.errors import DingdaError


class CallbackUnansweredError(DingdaError):
    """The gateway gave no answer to a callback; the message names the address and what to start."""


class SimulatorAwayError(DingdaError):
    """Nothing answers where the simulator's server should be."""


class RequestRefusedError(DingdaError):
    """The simulator's server could not do what its client asked; the message is its sentence."""


class StackError(DingdaError):
    """The processes that a test needs did not start; the message quotes what they said."""
