"""Pushes: what the bot says without having been spoken to, and to whom.

A payload is an array of JSON, `["push", robotCode, {"group": "ops"}, "key", {reply}]`, as those of
`notification` are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dingda.shared.dingtalk.message import MAX_ID_CHARS, ORDERING_KEY_CHARS, Envelope, hash_of
from dingda.shared.dingtalk.reply import Reply
from dingda.shared.dingtalk.reply_reading import read_reply
from dingda.shared.errors import InvalidMessageError, InvalidReplyError

LIFE_MS = 24 * 3_600_000
"""How long a push may be tried, with all its retries and an operator's."""
MAX_PUSH_BYTES = 256 * 1024
"""The longest push: as long as a reply of `MAX_PARTS` parts."""
PUSH = "push"
_NO_PUSH = "the ledger holds a payload that is no push"


@dataclass(frozen=True, slots=True)
class Group:
    """A group to speak to: by a name of `DINGDA_GROUPS`, or by its conversationId.

    >>> Group("ops").name
    'ops'
    """

    name: str

    def __post_init__(self) -> None:
        _check_name("group", self.name)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody to speak to in the single chat with the robot, by userid.

    >>> User("0001").staff_id
    '0001'
    """

    staff_id: str

    def __post_init__(self) -> None:
        _check_name("user", self.staff_id)


Target = Group | User


@dataclass(frozen=True, slots=True)
class Push:
    """A reply to nobody's message: to whom it goes, and what tells it from others.

    Raises:
        InvalidReplyError: if the key is empty or too long.
    """

    target: Target
    key: str
    """What is pushed once more under the same key is the same push, and shown once."""
    reply: Reply = field(repr=False)

    def __post_init__(self) -> None:
        _check_name("key", self.key)

    def to_payload(self, robot_code: str) -> bytes:
        """What the ledger keeps of it.

        Raises:
            InvalidReplyError: if that is longer than `MAX_PUSH_BYTES`.
        """
        stored = [PUSH, robot_code, target_fields(self.target), self.key, self.reply.to_payload()]
        payload = json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode()
        if len(payload) > MAX_PUSH_BYTES:
            raise InvalidReplyError(PUSH, f"{len(payload)} bytes; at most {MAX_PUSH_BYTES}")
        return payload

    def envelope(self, robot_code: str, *, now_ms: int) -> Envelope:
        """What it takes to store it. What goes to one target is sent in order.

        Args:
            robot_code: which robot speaks.
            now_ms: the present, in ms since 1970.
        """
        order = hash_of(json.dumps([PUSH, robot_code, target_fields(self.target)]))
        return Envelope(
            id=hash_of(json.dumps([PUSH, robot_code, self.key])),
            ordering_key=order[:ORDERING_KEY_CHARS],
            session_expires_ms=now_ms + LIFE_MS,
            robot_code=robot_code,
        )


def target_fields(target: Target) -> dict[str, str]:
    """A target as JSON has it: `{"group": "ops"}` or `{"user": "0001"}`."""
    return {"group": target.name} if isinstance(target, Group) else {"user": target.staff_id}


def read_target(fields: Mapping[str, Any]) -> Target:
    """Read what `target_fields` wrote.

    Raises:
        InvalidReplyError: if it names neither a group nor a user, or both.
    """
    match dict(fields):
        case {"group": str(name), **rest} if not rest:
            return Group(name)
        case {"user": str(staff_id), **rest} if not rest:
            return User(staff_id)
    raise InvalidReplyError("to", 'is {"group": "…"} or {"user": "…"}')


def read_push(items: list[Any]) -> tuple[str, Push]:
    """Read the array that `Push.to_payload` wrote: the robot's code, and the push.

    Raises:
        InvalidMessageError: if it is something else.
    """
    match items:
        case ["push", str(robot_code), dict(target), str(key), dict(reply)]:
            try:
                return robot_code, Push(read_target(target), key, read_reply(reply))
            except InvalidReplyError as error:
                raise InvalidMessageError(f"{_NO_PUSH}: {error}") from None
    raise InvalidMessageError(_NO_PUSH)


def _check_name(field_name: str, name: str) -> None:
    if not (0 < len(name) <= MAX_ID_CHARS and name.isprintable() and name.strip() == name):
        raise InvalidReplyError(
            field_name, f"must be 1 to {MAX_ID_CHARS} printable characters without blanks around"
        )
