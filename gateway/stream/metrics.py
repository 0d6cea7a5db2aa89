"""What a Stream process counts of its own work, where metrics are on."""

from enum import StrEnum

from dingda.gateway.metrics import GatewayMetrics


class Topic(StrEnum):
    """What a frame is about."""

    MESSAGE = "message"
    CARD = "card"
    EVENT = "event"
    PING = "ping"
    DISCONNECT = "disconnect"
    OTHER = "other"


class FrameOutcome(StrEnum):
    """What became of a frame."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    """There was nothing to store."""
    BUSY = "busy"
    """It was not stored and not acknowledged, so that DingTalk sends it again."""
    INVALID = "invalid"
    """It is no message, or another robot's; it was acknowledged where it could be."""
    UNKNOWN = "unknown"
    """It is of a type or topic that nothing here takes."""
    FAILED = "failed"
    """An error of ours; it was not acknowledged."""


class ConnectResult(StrEnum):
    """What became of an attempt to open a connection."""

    OPENED = "opened"
    REFUSED = "refused"
    """DingTalk says no, and will until somebody mends it."""
    FAILED = "failed"


class DisconnectReason(StrEnum):
    """Why a connection ended."""

    TOLD = "told"
    """DingTalk asked for it."""
    SILENCE = "silence"
    """Nothing came any more."""
    CLOSED = "closed"
    """DingTalk closed it, or the network did."""
    ERROR = "error"
    RENEWED = "renewed"
    """It was old."""
    STOPPED = "stopped"
    """This process ends."""


class StreamMetrics(GatewayMetrics):
    """Counts nothing: the form that is used where metrics are off."""

    def frame_ended(self, topic: Topic, outcome: FrameOutcome) -> None:
        """Count a frame."""

    def acknowledged(self, duration_s: float) -> None:
        """Count an acknowledgement, written so long after its frame came."""

    def connect_ended(self, result: ConnectResult) -> None:
        """Count an attempt to open a connection."""

    def disconnected(self, reason: DisconnectReason) -> None:
        """Count a connection that has ended."""
