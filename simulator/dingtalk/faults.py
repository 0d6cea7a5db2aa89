"""Injected faults: what goes wrong with callbacks and with replies while a switch is on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter

CLOCK_OFF_MS = 2 * 3_600_000
"""How far a wrong clock is behind; DingTalk: a signature is good for one hour."""
RETRY_AFTER_S = 5
"""How long a sender is asked to wait with the status 503."""
HANG_S = 30.0
"""How long a reply is left without a response: longer than any worker waits."""


class CallbackFault(StrEnum):
    """The faults of the callbacks that are sent.

    >>> FaultSettings(callbacks=CallbackFault.QUOTA).replies is None
    True
    """

    WRONG_SIGNATURE = "wrong_signature"
    CLOCK_OFF = "clock_off"
    QUOTA = "quota"
    """The monthly quota is used up: errorCode 20001 and no text (DingTalk: "错误码")."""


class ReplyFault(StrEnum):
    """The faults of the responses to replies.

    >>> FaultSettings(replies=ReplyFault.THROTTLE).callbacks is None
    True
    """

    THROTTLE = "throttle"
    """errcode 130101."""
    BUSY = "busy"
    """errcode -1."""
    REFUSE = "refuse"
    """errcode 300001."""
    CONTENT = "content"
    """errcode 430104."""
    FAIL = "fail"
    """HTTP status 500; the reply is not shown."""
    UNAVAILABLE = "unavailable"
    """HTTP status 503 with a Retry-After; the reply is not shown."""
    GATEWAY = "gateway"
    """HTTP status 502; the reply is shown."""
    PACKED = "packed"
    """The reply is shown, and the response is gzip although the request did not accept it."""
    HANG = "hang"
    """The reply is shown, and no response comes."""
    CLOSE = "close"
    """The reply is shown, and the connection closes in the middle of the response."""


@dataclass(frozen=True, slots=True)
class FaultSettings:
    """The faults that are on; None for none.

    >>> FaultSettings(replies=ReplyFault.THROTTLE).to_json()
    b'{"callbacks":null,"replies":"throttle"}'
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    callbacks: CallbackFault | None = None
    replies: ReplyFault | None = None

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "FaultSettings":
        """Read what `to_json` wrote; what is left out is off.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _ADAPTER.validate_json(body)


NO_FAULTS = FaultSettings()
_ADAPTER = TypeAdapter(FaultSettings)
