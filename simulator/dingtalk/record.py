"""The record of one message, as the server keeps it and its clients read it."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.runtime.inspection import Inspection
from dingda.simulator.dingtalk.faults import ReplyFault
from dingda.simulator.dingtalk.user_message import UserMessage

UNKNOWN_FOR_MS = 10_000
"""How long after its acknowledgement a message may stay unknown to the ledger."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The gateway's response to the callback."""

    status: int
    body: str
    after_ms: int
    """Milliseconds after the message was sent; so for replies."""

    @property
    def ok(self) -> bool:
        """Whether DingTalk counts it as an acknowledgement."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own range


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply, and DingTalk's verdict on it."""

    payload: dict[str, Any] | None
    """The message as it came; None if it was no JSON object."""
    errcode: int
    errmsg: str
    notified: tuple[str, ...]
    """The userids of those whom its mentions truly notify."""
    after_ms: int
    trouble: ReplyFault | None = None
    """The fault that replaced the response with the errcode."""
    warnings: tuple[str, ...] = ()
    """What not every client shows of it; see `simulator.dingtalk.rules.warnings_of`."""

    @property
    def shown(self) -> bool:
        """Whether the chat shows it."""
        return self.errcode == 0

    @property
    def text(self) -> str:
        """Its words: of a feedCard the titles, each in a line; "" of a picture or a file."""
        match self.payload:
            case {"text": {"content": str(text)}} | {"markdown": {"text": str(text)}}:
                return text
            case {"actionCard": {"text": str(text)}}:
                return text
            case {"feedCard": {"links": list(links)}}:
                return "\n".join(str(link.get("title")) for link in links)
        return ""


@dataclass(frozen=True, slots=True)
class Record:
    """One message, and everything that has happened to it.

    >>> record = dingtalk.ask("咖啡")
    >>> [reply.payload["msgtype"] for reply in record.shown], "咖啡好了" in record.text
    (['text'], True)
    """

    # A verbatim body need not be text.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        ser_json_bytes="base64", val_json_bytes="base64"
    )

    msg_id: str
    """DingTalk's id; of a body that was sent verbatim, one of the simulator's own."""
    sent_at_ms: int
    """Milliseconds since 1970; the callback's `createAt`."""
    said: UserMessage
    """Of a raw callback, what can be read from it."""
    headers: dict[str, str]
    """The callback's headers: the timestamp and the signature among them."""
    callback: dict[str, Any]
    """The body that was sent, {} if it was no JSON object. It holds the sessionWebhook: show a
    record, but never log it."""
    session_expires_ms: int
    """When its session closes or was closed; the callback may say later."""
    ledger_id: str | None = None
    """The ledger's name for it; None if the callback is no message for the bot."""
    ack: Ack | None = None
    """None until the gateway responds."""
    undelivered: str | None = None
    """Why there is none."""
    undelivered_reason: str = ""
    """The same for programs, a value of `errors.Unanswered`; "" where DingTalk keeps it back."""
    undelivered_after_ms: int | None = None
    """When that was known."""
    in_callback_reply: Reply | None = None
    """What the acknowledgement's own body said, unless it was `empty`."""
    turned_away: bool = False
    """Whether that says that the bot is busy: the message is not stored."""
    replies: tuple[Reply, ...] = ()
    """Everything that was POSTed to the session, taken or not, in order."""
    redeliveries: tuple[Ack, ...] = ()
    """The gateway's responses to the same callback, sent again."""
    prompted: bool = True
    """Whether it answers a message; False for what the bot sends first, to a person or a group."""
    card: str = ""
    """The outTrackId of the card that it shows; "" for any other message."""
    reactions: tuple[str, ...] = ()
    """The emotions that the bot has put on the message, by their texts."""
    loaded: bool = False
    """Whether a transcript shows it: it was not sent to the bot now."""
    raw: bool = False
    """Whether the callback was given as it is, not built from `said`."""
    verbatim: bytes | None = None
    """The body, in base64, where it was sent byte for byte."""
    stories: tuple[MessageTimeline, ...] = ()
    """The ledger's timelines, one for each lease that was seen; () where there is no ledger."""
    inspection: Inspection = field(default_factory=Inspection)
    """What the worker did; empty unless it tells, as in the demo and in the test kit's stack."""

    @property
    def story(self) -> MessageTimeline | None:
        """The latest timeline."""
        return self.stories[-1] if self.stories else None

    @property
    def shown(self) -> tuple[Reply, ...]:
        """The replies that the chat shows."""
        first = (self.in_callback_reply,) if self.in_callback_reply else ()
        return tuple(reply for reply in (*first, *self.replies) if reply.shown)

    @property
    def text(self) -> str:
        """The words of the replies that the chat shows, each reply's from a line of its own."""
        return "\n".join(reply.text for reply in self.shown)

    @property
    def acknowledged(self) -> bool:
        """Whether the gateway took the message, at once or on a redelivery."""
        return any(ack.ok for ack in (self.ack, *self.redeliveries) if ack)

    @property
    def settled(self) -> bool:
        """Whether waiting is over: a reply shows, there will be none, or nothing got through."""
        responded = self.undelivered is not None or self.ack is not None
        ended = self.story is not None and self.story.ended
        return (responded and not self.acknowledged) or ended or bool(self.shown)

    @property
    def over(self) -> bool:
        """Whether it is settled and no more comes: the parts of a long reply follow one another."""
        ended = self.story is not None and self.story.ended
        return self.settled and (ended or not self.shown)

    @property
    def is_open(self) -> bool:
        """Whether the bot has it, and the ledger does not say that it has ended."""
        if self.ledger_id is None or not self.acknowledged:
            return False
        return self.story is None or not self.story.ended

    def is_being_answered(self, now_ms: int) -> bool:
        """Whether it is open, and is likely to end.

        Args:
            now_ms: the present, in ms since 1970. The ledger may be unreachable, or not know a
                message that another bot has taken: then that is so for ten seconds.
        """
        is_recent = self.sent_at_ms > now_ms - UNKNOWN_FOR_MS
        return self.is_open and (is_recent or self.story is not None)

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _RECORD.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Record":
        """Read what `to_json` wrote."""
        return _RECORD.validate_json(body)

    @staticmethod
    def list_to_json(records: "list[Record]") -> bytes:
        """One JSON array of them."""
        return _RECORDS.dump_json(records)

    @staticmethod
    def list_from_json(body: bytes) -> "list[Record]":
        """Read what `list_to_json` wrote."""
        return _RECORDS.validate_json(body)


def is_sent_to(record: Record, person: str, group: str | None) -> bool:
    """Whether a message is in a person's single chat, or in a group; without either, anywhere."""
    said = record.said
    if person:
        return said.single and said.sender == person
    return group is None or (not said.single and said.group == group)


_RECORD = TypeAdapter(Record)
_RECORDS = TypeAdapter(list[Record])
