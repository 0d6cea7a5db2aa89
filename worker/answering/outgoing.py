"""Encoding a response: as bytes, in parts of a size that DingTalk takes."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import MAX_BODY_BYTES, Markdown, Reply, Text, to_body
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.states import Completion, PreparedReply
from dingda.shared.texts import CARD_REPLACED, CUT_OFF, SEE_BELOW
from dingda.worker.answering.growing_text import markdown_of, split_for_card, title_of
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
    instead: Channel = Channel.WEBHOOK
    """Of one that a card shows: the way of what the card has no room for, or can't show."""
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
        channel = self.instead if self.channel is Channel.GROWING_CARD else self.channel
        return replace(self, prepared=self.prepared.next, channel=channel)

    @property
    def alone(self) -> "OutgoingReply":
        """This part without those that follow."""
        return replace(self, prepared=replace(self.prepared, rest=()))

    @property
    def is_private(self) -> bool:
        """Whether it goes to the sender alone, though the question was asked in a group."""
        return Channel.PRIVATE in (self.channel, self.instead)

    @property
    def card_text(self) -> str:
        """What a card shows of it."""
        return str(_markdown_in(json.loads(self.prepared.body))["text"])

    def without_card(self) -> "OutgoingReply":
        """The same as messages, where no card is there."""
        return replace(self, channel=self.instead)

    def in_place_of_card(self) -> "OutgoingReply":
        """The same as messages, the first of which says that it counts, and not the card."""
        fields = json.loads(self.prepared.body)
        markdown = _markdown_in(fields)
        said = localizer(like=markdown["text"])(CARD_REPLACED)
        markdown["text"] = f"{said}\n\n{markdown['text']}"
        if "msgParam" in fields:
            fields["msgParam"] = json.dumps(markdown, ensure_ascii=False)
        body = json.dumps(fields, ensure_ascii=False).encode()
        return replace(self, prepared=replace(self.prepared, body=body), channel=self.instead)


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
        like=message.text,
    )
    return OutgoingReply(
        prepared,
        Channel.PRIVATE if response.private else Channel.WEBHOOK,
        persist=response.persist,
        dialogue_after=response.dialogue_after,
    )


def compose_for_card(
    response: Response,
    written: str,
    message: Message,
    *,
    max_parts: int,
    private: bool,
    persist: bool,
) -> OutgoingReply:
    """Encode a response that begins on a card: its first part is what the card shows.

    Args:
        response: an answer takes the place of what was written; an apology follows it.
        written: what the skill has written.
        message: the one that it answers.
        max_parts: of the card and what follows it in messages, as in `compose`.
        private: whether the card is shown to the sender alone.
        persist: whether what was written may be kept in Redis.
    """
    localize = localizer(like=message.text)
    encode, max_bytes = _encoding(private=private)
    words, completion = markdown_of(response.reply), response.completion
    parts: tuple[Reply, ...] = () if words is not None else (response.reply,)
    if words is None:
        text = written or localize(SEE_BELOW)
    elif completion == ANSWERED:
        text = words
    else:
        text = "\n\n".join(filter(None, (written, words)))
    shown, rest = split_for_card(text)
    title = title_of(shown)
    # What must not be kept is cut: only the last part never waits in Redis.
    max_rest = max_parts - 1 if persist else 1
    max_rest -= len(parts)
    if rest and max_rest <= 0:
        shown = f"{shown}\n\n{localize(CUT_OFF)}"
    elif rest:
        follow = Markdown(title, rest)
        cut_off = localize(CUT_OFF)
        parts += split(follow, max_parts=max_rest, cut_off=cut_off, max_bytes=max_bytes)
    first, *others = map(encode, (Markdown(title, shown), *parts))
    instead = Channel.PRIVATE if private else Channel.WEBHOOK
    prepared = PreparedReply(first, completion, tuple(others))
    return OutgoingReply(
        prepared,
        Channel.GROWING_CARD,
        instead,
        persist=persist,
        dialogue_after=response.dialogue_after,
    )


def compose_push(reply: Reply, *, by_openapi: bool, max_parts: int) -> OutgoingReply:
    """Encode a push.

    Args:
        reply: what it says.
        by_openapi: whether it goes by the OpenAPI, and not by a custom robot.
        max_parts: how many messages it may be sent in.
    """
    prepared = _encode(reply, ANSWERED, by_openapi=by_openapi, max_parts=max_parts, like="")
    return OutgoingReply(prepared, channel=Channel.PUSH)


def _encode(
    reply: Reply, completion: Completion, *, by_openapi: bool, max_parts: int, like: str
) -> PreparedReply:
    """Encode a reply; where it must be cut, it says so in the script of the text *like*."""
    encode, max_bytes = _encoding(private=by_openapi)
    parts: tuple[Reply, ...] = (reply,)
    if not fits(reply, max_bytes):
        cut_off = localizer(like=like)(CUT_OFF)
        parts = split(reply, max_parts=max_parts, cut_off=cut_off, max_bytes=max_bytes)
    first, *rest = map(encode, parts)
    return PreparedReply(first, completion, tuple(rest))


def _encoding(*, private: bool) -> tuple[Callable[[Reply], bytes], int]:
    """How a reply is encoded for its channel, and how many bytes that takes."""
    return (to_private_body, MAX_PRIVATE_BYTES) if private else (to_body, MAX_BODY_BYTES)


def _markdown_in(fields: dict[str, Any]) -> dict[str, Any]:
    """The markdown of an encoded reply: of a webhook's, or of the robot's API."""
    found: dict[str, Any] = fields.get("markdown") or json.loads(fields["msgParam"])
    return found


def encode_sentence(sentence: str, message: Message) -> bytes:
    """Encode a sentence of the bot's own for a message's conversation, in the sender's script."""
    return to_body(Text(localizer(like=message.text)(sentence)))
