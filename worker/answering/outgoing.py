"""From what is said to what is sent: parts of a size that DingTalk takes, as bytes."""

from dataclasses import dataclass, replace

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import MAX_BODY_BYTES, Text, to_body
from dingda.shared.ledger.states import Completion, PreparedReply
from dingda.shared.texts import CUT_OFF
from dingda.worker.answering.response import Response
from dingda.worker.answering.splitting import split
from dingda.worker.delivery.private import MAX_PRIVATE_BYTES, to_private_body
from dingda.worker.language.text import localize


@dataclass(frozen=True, slots=True)
class OutgoingReply:
    """A reply on its way: encoded for its channel, with the ending that its delivery makes true."""

    prepared: PreparedReply
    private: bool = False
    """Whether it goes to the sender alone: by the private channel."""
    persist: bool = True
    """Whether it may be kept in Redis for another attempt; else that asks the skill again."""

    @property
    def completion(self) -> Completion:
        """The ending that its delivery makes true."""
        return self.prepared.completion

    @property
    def kept(self) -> PreparedReply | None:
        """What another attempt is given of it."""
        return self.prepared if self.persist else None

    @property
    def next(self) -> "OutgoingReply":
        """What is left to send once this part is delivered."""
        return replace(self, prepared=self.prepared.next)


def compose(response: Response, message: Message, *, max_parts: int) -> OutgoingReply:
    """Make what can be sent of what is said.

    Args:
        response: a reply that can be encoded, see `response.as_reply`.
        message: what it answers.
        max_parts: how many messages it may be sent in; what must not persist is cut to one, since
            parts that wait for their turn would have to be kept in Redis.
    """
    encode, max_bytes = (
        (to_private_body, MAX_PRIVATE_BYTES) if response.private else (to_body, MAX_BODY_BYTES)
    )
    parts = split(
        response.reply,
        max_parts=max_parts if response.persist else 1,
        cut_off=localize(CUT_OFF, like=message.text),
        max_bytes=max_bytes,
    )
    first, *rest = map(encode, parts)
    prepared = PreparedReply(first, response.completion, tuple(rest))
    return OutgoingReply(prepared, private=response.private, persist=response.persist)


def remark(sentence: str, message: Message) -> bytes:
    """A sentence of the bot's own for the conversation of a message, in the sender's script."""
    return to_body(Text(localize(sentence, like=message.text)))
