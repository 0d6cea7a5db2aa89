"""What the ledger keeps besides messages: what functions of skills are called for, and pushes.

A payload is an array of JSON, `["event", robotCode, {headers}, "data"]`,
`["card action", robotCode, {}, "data"]`, `["tick", robotCode, {fields}, ""]` or that of a push
(`push`); that of a message is an object, always: so neither is ever taken for the other, whatever a
callback's body holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from dingda.shared.dingtalk.card_action import CardAction, parse_card_action
from dingda.shared.dingtalk.event import EVENT_HEADERS, Event, parse_event
from dingda.shared.dingtalk.fields import read_array
from dingda.shared.dingtalk.message import ORDERING_KEY_CHARS, Envelope, Ignored, hash_of
from dingda.shared.dingtalk.push import PUSH, Push, read_push
from dingda.shared.dingtalk.tick import Tick, read_tick
from dingda.shared.errors import InvalidMessageError

LIFE_MS = 24 * 3_600_000
"""How long a hook may be called for what happened, with all its retries and an operator's."""
_EVENT, _CARD_ACTION, _TICK = "event", "card action", "tick"
_NONE = "the ledger holds a payload that is no message and no notification"


@dataclass(frozen=True, slots=True)
class Notification:
    """An event, a card action, a tick of a schedule or a push, and whose it is."""

    robot_code: str
    subject: Event | CardAction | Tick | Push

    @property
    def names(self) -> tuple[str, ...]:
        """What hooks are found by: the event's type, the ids of the actions, the schedule."""
        match self.subject:
            case Event(type=type_):
                return (type_,)
            case CardAction(action_ids=action_ids):
                return action_ids
            case Tick(name=name):
                return (name,)
            case Push():
                return ()

    @property
    def title(self) -> str:
        """What operators read: `event: chat_add_member`, `card action: approve`."""
        if isinstance(self.subject, Push):
            return f"{PUSH}: {type(self.subject.target).__name__.lower()}"
        kind = {Event: _EVENT, CardAction: _CARD_ACTION, Tick: _TICK}[type(self.subject)]
        return f"{kind}: {', '.join(self.names)}"

    @property
    def dingtalk_id(self) -> str:
        """DingTalk's id of an event, the card's of a card action; a push's key; "" of a tick."""
        match self.subject:
            case Event(id=event_id):
                return event_id
            case CardAction(out_track_id=out_track_id):
                return out_track_id
            case Push(key=key):
                return key
            case Tick():
                return ""


class Press(NamedTuple):
    """A press of a card's button, as far as the same press would be told again in the same way."""

    by: str
    """Who pressed on which card, as a hash."""
    what: str
    """Which button with which parameters, as a hash."""


def press_of(robot_code: str, action: CardAction) -> Press:
    """What a press is known by, as DingTalk gives it no id of its own.

    Raises:
        InvalidMessageError: if its parameters are nested too deeply.
    """
    try:
        what = json.dumps([action.action_ids, action.params], sort_keys=True)
    except RecursionError:
        raise InvalidMessageError("the body is nested too deeply") from None
    by = _identity(_CARD_ACTION, robot_code, action.out_track_id, action.user_id)
    return Press(by, hash_of(what))


def event_envelope(robot_code: str, event: Event, *, now_ms: int) -> Envelope:
    """What it takes to store an event. Its identity is its own id, not its frame's.

    Args:
        robot_code: whose it is.
        event: as `parse_event` returns it.
        now_ms: the present, in ms since 1970.
    """
    # DingTalk promises no order of events, so none waits for another.
    return Envelope(_identity(_EVENT, robot_code, event.id), "", now_ms + LIFE_MS)


def card_action_envelope(
    robot_code: str, action: CardAction, press_name: str, *, now_ms: int
) -> Envelope:
    """What it takes to store a card action. Those of one card are handled one after the other.

    Args:
        robot_code: whose it is.
        action: as `parse_card_action` returns it.
        press_name: what `Ledger.name_press` calls it.
        now_ms: the present, in ms since 1970.
    """
    card = _identity(_CARD_ACTION, robot_code, action.out_track_id)
    message_id = _identity(_CARD_ACTION, robot_code, press_name)
    return Envelope(message_id, card[:ORDERING_KEY_CHARS], now_ms + LIFE_MS)


def event_payload(robot_code: str, headers: Mapping[str, Any], data: bytes) -> bytes:
    """What the ledger keeps of an event: its headers, and its data as it came."""
    told = {name: headers[name] for name in EVENT_HEADERS if name in headers}
    return _payload(_EVENT, robot_code, told, data)


def card_action_payload(robot_code: str, data: bytes) -> bytes:
    """What the ledger keeps of a card action: its data as it came."""
    return _payload(_CARD_ACTION, robot_code, {}, data)


def is_notification(payload: bytes) -> bool:
    """Whether a payload of the ledger is a notification's, and not a message's."""
    return payload.startswith(b"[")


def parse_notification(payload: bytes) -> Notification:
    """Parse what `event_payload`, `card_action_payload`, `tick_payload` or `Push` made.

    Raises:
        InvalidMessageError: if it is none of them.
    """
    match read_array(payload):
        case ["push", *_] as items:
            return Notification(*read_push(items))
        case ["event", str(robot_code), dict(headers), str(data)]:
            subject: Event | CardAction | Tick | Ignored = parse_event(headers, data.encode())
        case ["card action", str(robot_code), dict(), str(data)]:
            subject = parse_card_action(data.encode())
        case ["tick", str(robot_code), dict(fields), str()]:
            subject = read_tick(fields)
        case _:
            raise InvalidMessageError(_NONE)
    if isinstance(subject, Ignored):
        raise InvalidMessageError(_NONE)
    return Notification(robot_code, subject)


def _identity(*parts: str) -> str:
    """A hash that no message has: what is hashed of a message has several lines."""
    return hash_of(json.dumps(parts))


def _payload(kind: str, robot_code: str, headers: Mapping[str, Any], data: bytes) -> bytes:
    stored = [kind, robot_code, headers, data.decode()]
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode()
