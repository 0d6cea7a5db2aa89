"""What a worker notes of a message while it answers it: ids, names and types, nothing written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.dingtalk.notification import (
    Notification,
    is_notification,
    parse_notification,
)
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.stored import WholeNumber

MAX_CALLS = 10
"""How many of its calls to backends are noted of an attempt: the last ones."""
_MAX_ID_CHARS = 256


@dataclass(frozen=True, slots=True)
class BackendCall:
    """A call that a skill made to a backend."""

    host: str
    """The backend's host; a database's name as users know it."""
    result: str
    """The HTTP status, such as `200`; else why there was no response, such as `TimeoutError`."""
    took_ms: WholeNumber
    """How long the skill waited for it, with the time that it waited behind others."""


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What a worker notes of a message while it answers it: ids, names and types, no words."""

    msg_id: str = ""
    """DingTalk's id of the message or event; of a card action the card's `outTrackId`."""
    kind: str = ""
    """Of what is no message, `event: chat_add_member` or `card action: approve`."""
    robot: str = ""
    """The robot's code."""
    sender: str = ""
    """The sender's staff id, or DingTalk's encrypted id of a sender who has none."""
    conversation: str = ""
    skill: str = ""
    """The skill's name; "" if no skill wanted the message, or none was looked for."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """The types of the arguments that the skill was called with, by their names."""
    calls: tuple[BackendCall, ...] = ()
    """The last calls to backends, `MAX_CALLS` at the most, in the order in which they ended."""
    error: str = ""
    """The class of the error that made the skill fail; "" if it did not."""
    place: str = ""
    """Where the error was raised: file, line and function."""

    @classmethod
    def of(cls, message: Message, **noted: Any) -> Self:
        """The facts of a message, with what was noted besides."""
        return cls(
            msg_id=message.msg_id[:_MAX_ID_CHARS],
            robot=message.robot_code[:_MAX_ID_CHARS],
            sender=(message.sender_staff_id or message.sender_id)[:_MAX_ID_CHARS],
            conversation=message.conversation_id[:_MAX_ID_CHARS],
            **noted,
        )

    @classmethod
    def of_notification(cls, notification: Notification, **noted: Any) -> Self:
        """The facts of an event, a card action or a tick, with what was noted besides."""
        subject = notification.subject
        action = subject if isinstance(subject, CardAction) else None
        return cls(
            msg_id=notification.dingtalk_id[:_MAX_ID_CHARS],
            kind=notification.title[:_MAX_ID_CHARS],
            robot=notification.robot_code[:_MAX_ID_CHARS],
            sender=action.user_id[:_MAX_ID_CHARS] if action else "",
            conversation=action.space_id[:_MAX_ID_CHARS] if action else "",
            **noted,
        )

    @classmethod
    def of_payload(cls, payload: bytes, **noted: Any) -> Self:
        """The same by what the ledger keeps; without ids where that can't be read."""
        try:
            if is_notification(payload):
                return cls.of_notification(parse_notification(payload), **noted)
            message = parse_message(payload)
        except InvalidMessageError:
            return cls(**noted)
        return cls.of(message, **noted) if isinstance(message, Message) else cls(**noted)

    def to_json(self) -> str:
        """Write it down for the ledger, without what is empty."""
        return _FACTS.dump_json(self, exclude_defaults=True).decode()


_FACTS = TypeAdapter(MessageFacts)
_NOTHING = MessageFacts()


def read_facts(stored: object) -> MessageFacts:
    """Read what `MessageFacts.to_json` or a script wrote; no facts where it can't be read."""
    try:
        return _FACTS.validate_json(stored) if isinstance(stored, str) and stored else _NOTHING
    except ValidationError:
        return _NOTHING
