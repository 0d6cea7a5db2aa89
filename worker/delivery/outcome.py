"""What became of a reply: values alone."""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why a reply was not shown for now. Attempts are counted for each kind by itself."""

    CONNECTION = "connection"
    """No connection stood: refused, timed out, no such name, reset or TLS before the first byte."""
    CERTIFICATE = "certificate"
    """The certificate does not prove that it is DingTalk; an operator may mend that."""
    BUSY = "busy"
    """DingTalk says that it failed, or that it has no time."""
    THROTTLED = "throttled"
    """Too many messages: 20 a minute are allowed, and going on blocks the robot for ten minutes."""
    TOKEN = "token"  # noqa: S105 - a kind of trouble
    """DingTalk's OpenAPI doesn't know the access token; there is a new one for the next attempt."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """DingTalk took it (errcode 0)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It was definitely not shown, and may be next time."""

    kind: FailureKind
    reason: str
    retry_after_s: float = 0.0
    """How long the server asked to be left alone, in seconds."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It was definitely not shown, and never will be."""

    reason: str
    content_rejected: bool = False
    """Whether it was rejected for what is in it: a plain text may still be accepted."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been shown."""

    reason: str


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """It was never handed to a channel: there was no place on the wire before the deadline."""


DeliveryOutcome = Delivered | Retry | Rejected | Unknown
