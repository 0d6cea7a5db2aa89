"""Cards whose buttons act: the reply as a skill writes it, and what is stored and shown of it.

A button carries an *action*: a dataclass or a pydantic model of the skill's own, whose fields come
back when it is pressed. DingTalk shows the card by a template; docs/cards.md has its variables.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter

from dingda.shared.dingtalk.fields import mapping
from dingda.shared.dingtalk.media import MediaId, check_picture
from dingda.shared.dingtalk.message import hash_of
from dingda.shared.errors import InvalidReplyError

MAX_CARD_TEXT_CHARS = 3_000
"""Some clients show nothing of a card whose text is longer."""
MAX_CARD_BUTTONS = 6
MAX_ALLOWED = 50
MAX_EXPIRES_S = 30 * 86_400
_DAY_S = 86_400
_MAX_TITLE_CHARS, _MAX_BUTTON_CHARS, _MAX_ID_CHARS = 128, 20, 64
_MAX_ACTION_BYTES = 500
"""DingTalk documents 1 KB for the value of a variable; all buttons are one."""


@dataclass(frozen=True, slots=True)
class ActionButton:
    """A button of a `Card`.

    Args:
        title: of at most 20 characters.
        action: an instance of a class that some `@skill.action(…)` names: a frozen dataclass or a
            pydantic model. It travels with the card, signed; people can read it.

    >>> @dataclass(frozen=True)
    ... class Approve:
    ...     day: str
    >>> ActionButton("同意", Approve("周五")).action.day
    '周五'
    """

    title: str
    action: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Card:
    """A card whose buttons call the skill, and which then shows everybody who decided what.

    Args:
        title: of at most 128 characters.
        text: Markdown of at most 3000 characters.
        buttons: one to six. The first one that is pressed decides.
        allow: the userids of those who may press. Empty: the person that the card is for, so the
            sender of the message that it answers, or the person that it is pushed to.
        expires_s: seconds until nobody may press any longer, and the card says so; 30 days at most.
        picture: shown below the text: what `ctx.upload` returned, or a URL; "" for none.

    >>> @dataclass(frozen=True)
    ... class Approve:
    ...     day: str
    >>> buttons = (ActionButton("同意", Approve("周五")),)
    >>> card = Card("请假", "张三周五请假", buttons, allow=("0002",))
    >>> card.buttons[0].title
    '同意'
    """

    title: str
    text: str
    buttons: tuple[ActionButton, ...]
    allow: tuple[str, ...] = ()
    expires_s: float = 3 * _DAY_S
    picture: MediaId | str = ""

    def __post_init__(self) -> None:
        self.content()

    def content(self) -> "CardContent":
        """What is stored and shown of it.

        Raises:
            InvalidReplyError: if something of it can't be shown or stored.
        """
        return CardContent(
            self.title,
            self.text,
            tuple(
                OfferedAction(button.title, *_write_action(button.action, number))
                for number, button in enumerate(self.buttons)
            ),
            tuple(self.allow),
            self.expires_s,
            self.picture,
        )

    def to_payload(self) -> dict[str, Any]:
        """All of it as JSON, which `CardContent.of` reads; DingTalk takes no such reply."""
        return {"msgtype": "card", "card": self.content().to_fields()}


class StoredAction(NamedTuple):
    """An action that was read from JSON, without the skill's own class."""

    name: str
    fields: Mapping[str, Any]


def read_card(fields: Mapping[str, Any]) -> Card:
    """Read what `Card.to_payload` made.

    Raises:
        InvalidReplyError: if it is something else.
    """
    content = CardContent.of(fields)
    buttons = tuple(
        ActionButton(title, StoredAction(name, action)) for title, name, action in content.actions
    )
    return Card(
        content.title, content.text, buttons, content.allow, content.expires_s, content.picture
    )


class OfferedAction(NamedTuple):
    """What a button offers."""

    title: str
    name: str
    """Of the action's class, as `name_of_action` has it."""
    fields: Mapping[str, Any]

    def sealed(self) -> str:
        """What a button carries, and what is signed of it."""
        return json.dumps([self.name, self.fields], ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class CardContent:
    """A card without the skill's own classes: values of JSON alone."""

    title: str
    text: str = field(repr=False)
    actions: tuple[OfferedAction, ...] = field(repr=False)
    allow: tuple[str, ...] = ()
    expires_s: float = 3 * _DAY_S
    picture: str = ""

    def __post_init__(self) -> None:
        _check_text("card.title", self.title, _MAX_TITLE_CHARS)
        _check_text("card.text", self.text, MAX_CARD_TEXT_CHARS)
        if not 1 <= len(self.actions) <= MAX_CARD_BUTTONS:
            raise InvalidReplyError("card.buttons", f"a card has 1 to {MAX_CARD_BUTTONS} buttons")
        for number, action in enumerate(self.actions):
            _check_text(f"card.buttons[{number}].title", action.title, _MAX_BUTTON_CHARS)
            if len(action.sealed().encode()) > _MAX_ACTION_BYTES:
                why = f"makes more than {_MAX_ACTION_BYTES} bytes: put an id into it"
                raise InvalidReplyError(f"card.buttons[{number}].action", why)
        if len(self.allow) > MAX_ALLOWED:
            raise InvalidReplyError("card.allow", f"at most {MAX_ALLOWED} people")
        for staff_id in self.allow:
            _check_text("card.allow", staff_id, _MAX_ID_CHARS)
        if self.picture:
            check_picture("card.picture", self.picture)
        if not 0 < self.expires_s <= MAX_EXPIRES_S:
            raise InvalidReplyError("card.expires_s", f"more than 0, and at most {MAX_EXPIRES_S}")

    def to_fields(self) -> dict[str, Any]:
        """It as an object of JSON."""
        return {
            "title": self.title,
            "text": self.text,
            "buttons": [list(action) for action in self.actions],
            "allow": list(self.allow),
            "expires_s": self.expires_s,
            "picture": self.picture,
        }

    def to_json(self) -> str:
        """It as JSON."""
        return json.dumps(self.to_fields(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "CardContent":
        """Read what `to_fields` or `Card.to_payload` made.

        Raises:
            InvalidReplyError: if it is something else.
        """
        card = mapping(fields.get("card")) or fields
        try:
            return cls(
                str(card["title"]),
                str(card["text"]),
                tuple(
                    OfferedAction(str(title), str(name), mapping(action))
                    for title, name, action in card["buttons"]
                ),
                tuple(map(str, card["allow"])),
                float(card["expires_s"]),
                str(card.get("picture", "")),
            )
        except (LookupError, TypeError, ValueError):
            raise InvalidReplyError("card", "is none that was written by this program") from None

    @classmethod
    def from_json(cls, text: str) -> "CardContent":
        """Read what `to_json` made; raises as `of`."""
        try:
            return cls.of(mapping(json.loads(text)))
        except (ValueError, RecursionError):
            raise InvalidReplyError("card", "is no JSON") from None


def name_of_action(kind: type) -> str:
    """What an action's class is called on cards, so that another worker finds it again."""
    return f"{kind.__module__}:{kind.__qualname__}"


def read_action(kind: type, fields: Mapping[str, Any]) -> Any:
    """Make an action of its fields.

    Raises:
        ValueError: if they are not such an action's: its class has changed since.
    """
    return TypeAdapter(kind).validate_python(fields)


def out_track_id_of(key: str) -> str:
    """Our id of the card that was made for something.

    Args:
        key: names what it is made for: the id of a message or of a push, and the card's number
            where there are several.
    """
    digest = hashlib.sha256(f"card\n{key}".encode()).digest()
    return "dd-" + base64.b32encode(digest[:15]).decode().lower()


def sign_action(secret: str, *, robot_code: str, out_track_id: str, sealed: str) -> str:
    """Sign what a button carries, for this card of this robot and no other.

    Args:
        secret: the robot's AppSecret.
        robot_code: the robot's.
        out_track_id: the card's.
        sealed: as `OfferedAction.sealed` returns it.
    """
    signed = json.dumps(["dingda card action", robot_code, out_track_id, sealed])
    digest = hmac.digest(secret.encode(), signed.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_signed(
    signature: str, secrets: Sequence[str], *, robot_code: str, out_track_id: str, sealed: str
) -> bool:
    """Whether one of a robot's secrets signed what a button carries."""
    matches = [
        hmac.compare_digest(
            signature.encode(),
            sign_action(
                secret, robot_code=robot_code, out_track_id=out_track_id, sealed=sealed
            ).encode(),
        )
        for secret in secrets
    ]
    return any(matches)


def callback_secret(secret: str) -> str:
    """What DingTalk signs the presses of a robot's cards with, over HTTP.

    It is registered together with the address; made of the AppSecret, it needs no place of its own.
    """
    return hmac.digest(secret.encode(), b"dingda card callback", "sha256").hex()


def route_key_of(app_key: str) -> str:
    """The name under which the address of a robot's card callbacks is registered."""
    return f"dingda-{hash_of(app_key)[:16]}"


def _write_action(action: object, number: int) -> tuple[str, Mapping[str, Any]]:
    place = f"card.buttons[{number}].action"
    if isinstance(action, StoredAction):
        return action
    if isinstance(action, type) or not (is_dataclass(action) or isinstance(action, BaseModel)):
        raise InvalidReplyError(place, "must be an instance of a dataclass or a pydantic model")
    kind: type[Any] = type(action)
    try:
        fields = TypeAdapter(kind).dump_python(action, mode="json")
        json.dumps(fields, allow_nan=False).encode()
    except Exception as error:  # noqa: BLE001 - a skill's own class may raise anything
        raise InvalidReplyError(place, f"can't be written ({type(error).__name__})") from None
    return name_of_action(kind), fields


def _check_text(place: str, value: str, max_chars: int) -> None:
    if not value.strip():
        raise InvalidReplyError(place, "must not be empty")
    if len(value) > max_chars:
        raise InvalidReplyError(place, f"{len(value)} characters; at most {max_chars} are shown")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidReplyError(place, "holds half a surrogate pair, which is no text") from None
