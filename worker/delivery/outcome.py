"""The outcomes of a delivery: values alone."""

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """Why a reply was not shown for now. Failures of each kind are counted separately."""

    CONNECTION = "connection"
    """No connection: refused, timed out, no such name, reset, or TLS before the first byte."""
    CERTIFICATE = "certificate"
    """The certificate is not proof of DingTalk; an operator may be able to mend that."""
    BUSY = "busy"
    """DingTalk says that it failed, or that it is overloaded."""
    THROTTLED = "throttled"
    """Too many messages: 20 a minute are allowed, and more block the robot for ten minutes."""
    QPS = "qps"
    """More calls of the OpenAPI in one second than DingTalk takes."""
    TOKEN = "token"  # noqa: S105 - a kind of failure
    """DingTalk's OpenAPI doesn't know the access token; the next attempt gets a new one."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """DingTalk accepted it (errcode 0)."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It was definitely not shown, and may be next time."""

    kind: FailureKind
    reason: str
    retry_after_s: float = 0.0
    """The server's Retry-After, in seconds; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It was definitely not shown, and never will be."""

    reason: str
    content_rejected: bool = False
    """Whether it was rejected for its content: a plain text may still be accepted."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may or may not have been shown."""

    reason: str


@dataclass(frozen=True, slots=True)
class OutOfTime:
    """It was never handed to a channel: there was no place on the wire before the deadline."""


DeliveryOutcome = Delivered | Retry | Rejected | Unknown
