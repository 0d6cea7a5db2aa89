"""What became of one message, as the server keeps it and its clients read it."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True, slots=True)
class Ack:
    """The gateway's answer to the callback."""

    status: int
    body: str
    after_ms: int
    """Milliseconds after the message was sent; so for replies."""

    @property
    def ok(self) -> bool:
        """Whether DingTalk takes it for an acknowledgement."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own range


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, and DingTalk's verdict on it."""

    payload: dict[str, Any] | None
    """The message as it came; None where it was no JSON object."""
    errcode: int
    errmsg: str
    notified: tuple[str, ...]
    """The userids of those whom its mentions truly notify."""
    after_ms: int

    @property
    def shown(self) -> bool:
        """Whether the chat shows it."""
        return self.errcode == 0


@dataclass(frozen=True, slots=True)
class Record:
    """One message from its sending on."""

    msg_id: str
    sent_at_ms: int
    """Milliseconds since 1970; the callback's `createAt`."""
    callback: dict[str, Any]
    """The body that was sent. It holds the sessionWebhook: show a record, but never log it."""
    ack: Ack | None = None
    """None as long as there is none."""
    undelivered: str | None = None
    """Why there will never be one."""
    in_callback_reply: Reply | None = None
    """What the acknowledgement's own body said, unless it was `empty`."""
    replies: tuple[Reply, ...] = ()
    """Everything that was POSTed to the session, refused or not, in order."""

    @property
    def shown(self) -> tuple[Reply, ...]:
        """The replies that the chat shows."""
        first = (self.in_callback_reply,) if self.in_callback_reply else ()
        return tuple(reply for reply in (*first, *self.replies) if reply.shown)

    @property
    def acknowledged(self) -> bool:
        """Whether the gateway took the message."""
        return self.ack is not None and self.ack.ok

    @property
    def settled(self) -> bool:
        """Whether waiting is over: the chat shows a reply, or the message never got through."""
        failed = self.undelivered is not None or (self.ack is not None and not self.ack.ok)
        return failed or bool(self.shown)

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _RECORD.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Record":
        """Read what `to_json` wrote."""
        return _RECORD.validate_json(body)


_RECORD = TypeAdapter(Record)
