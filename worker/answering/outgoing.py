"""Encoding a response: as bytes, in parts of a size that DingTalk takes."""

from dataclasses import dataclass, field, replace

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import MAX_BODY_BYTES, Reply, Text, to_body
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.states import Completion, PreparedReply
from dingda.shared.texts import CUT_OFF
from dingda.worker.answering.response import ANSWERED, Response
from dingda.worker.answering.splitting import fits, split
from dingda.worker.delivery.channel import Channel
from dingda.worker.delivery.private import MAX_PRIVATE_BYTES, to_private_body
from dingda.worker.language.text import localizer


@dataclass(frozen=True, slots=True)
class OutgoingReply:
    """A reply to send: encoded for its channel, with the completion that its delivery brings."""

    prepared: PreparedReply
    channel: Channel = Channel.WEBHOOK
    """The way that it is sent."""
    persist: bool = True
    """Whether it may be kept in Redis for another attempt; else that calls the skill again."""
    dialogue_after: str = field(default=AS_STORED, repr=False)
    """What it does to the dialogue of its sender; see `shared.ledger.dialogues`."""

    @property
    def completion(self) -> Completion:
        """The completion that its delivery brings."""
        return self.prepared.completion

    @property
    def persisted(self) -> PreparedReply | None:
        """What is kept in Redis of it for another attempt."""
        return self.prepared if self.persist else None

    @property
    def next(self) -> "OutgoingReply":
        """What is left to send once this part is delivered."""
        return replace(self, prepared=self.prepared.next)


def compose(response: Response, message: Message, *, max_parts: int) -> OutgoingReply:
    """Encode a response.

    Args:
        response: its reply can be encoded, see `response.as_reply`.
        message: the one that it answers.
        max_parts: how many messages it may be sent in. What must not persist is cut to one: its
            other parts would wait in Redis.
    """
    prepared = _encode(
        response.reply,
        response.completion,
        by_openapi=response.private,
        max_parts=max_parts if response.persist else 1,
        cut_off=localizer(like=message.text)(CUT_OFF),
    )
    return OutgoingReply(
        prepared,
        channel=Channel.PRIVATE if response.private else Channel.WEBHOOK,
        persist=response.persist,
        dialogue_after=response.dialogue_after,
    )


def compose_push(reply: Reply, *, by_openapi: bool, max_parts: int) -> OutgoingReply:
    """Encode a push.

    Args:
        reply: what it says.
        by_openapi: whether it goes by the OpenAPI, and not by a custom robot.
        max_parts: how many messages it may be sent in.
    """
    prepared = _encode(reply, ANSWERED, by_openapi=by_openapi, max_parts=max_parts, cut_off=CUT_OFF)
    return OutgoingReply(prepared, channel=Channel.PUSH)


def _encode(
    reply: Reply, completion: Completion, *, by_openapi: bool, max_parts: int, cut_off: str
) -> PreparedReply:
    encode, max_bytes = (
        (to_private_body, MAX_PRIVATE_BYTES) if by_openapi else (to_body, MAX_BODY_BYTES)
    )
    parts: tuple[Reply, ...] = (reply,)
    if not fits(reply, max_bytes):
        parts = split(reply, max_parts=max_parts, cut_off=cut_off, max_bytes=max_bytes)
    first, *rest = map(encode, parts)
    return PreparedReply(first, completion, tuple(rest))


def encode_sentence(sentence: str, message: Message) -> bytes:
    """Encode a sentence of the bot's own for a message's conversation, in the sender's script."""
    return to_body(Text(localizer(like=message.text)(sentence)))
