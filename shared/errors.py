"""Errors that the gateway and the worker share. All of ours derive from `DingdaError`.

No message here ever holds a secret, a session token or what somebody wrote in a chat.
"""


class DingdaError(Exception):
    """The base class of our errors: catch it to catch them all."""


class SettingsError(DingdaError):
    """A setting is missing or wrong; the message names it and says what to do."""


class InvalidSignatureError(DingdaError):
    """A callback isn't DingTalk's, or is too old; `reason` is a short name to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class InvalidMessageError(DingdaError):
    """A signed body isn't a robot message; the message names the field and why."""


class InvalidReplyError(DingdaError):
    """A reply broke one of DingTalk's rules when it was built; `field` names where.

    >>> Text("")
    Traceback (most recent call last):
    dingda.shared.errors.InvalidReplyError: text.content: must not be empty
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field = field


class InvalidOriginError(DingdaError):
    """A URL has no plain http(s) origin that every parser agrees on."""


class LeaseLostError(DingdaError):
    """The lease has run out or passed to another worker: stop, and send nothing."""


class NotReplicatedError(DingdaError):
    """No replica has the claim to send: a failover could forget it, so nothing must be sent now."""


class BusyError(DingdaError):
    """A message could not be stored in time, or there is no room: the sender must be told."""
