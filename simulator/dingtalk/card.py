"""A card, as the server keeps it and its clients read it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter

SpaceKind = Literal["IM_GROUP", "IM_ROBOT"]
"""DingTalk's names for a group and for the single chat with the robot."""
CallbackKind = Literal["HTTP", "STREAM", ""]


class CardState(StrEnum):
    """What an AI card shows beside its text; a card of another template is `plain`.

    >>> CardState.TYPING.is_open
    True
    """

    PLAIN = "plain"
    PROCESSING = "processing"
    """处理中, from its delivery to its first frame."""
    TYPING = "typing"
    """输入中."""
    FINISHED = "finished"
    """完成."""
    FAILED = "failed"
    """失败."""

    @property
    def is_open(self) -> bool:
        """Whether the card still spins."""
        return self in (CardState.PROCESSING, CardState.TYPING)


class CardProblem(StrEnum):
    """Why a client shows no content, though the API reported success."""

    BLANK = "blank"
    """Its text is longer than a client draws: an empty card."""
    FOREIGN_TEMPLATE = "foreign_template"
    """Its template belongs to another application: 内容加载失败."""


class Toast(StrEnum):
    """What the presser's client says of a press.

    >>> Toast("failed") is Toast.FAILED
    True
    """

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CardSpace:
    """A conversation that a card was delivered to."""

    kind: SpaceKind
    id: str
    """The group's conversationId, or the userid of the single chat's person."""
    carrier_id: str
    """The processQueryKey of its message."""
    record_id: str
    """The `msg_id` of its record in the feed."""
    notified: tuple[str, ...] = ()
    """The userids of those whom the delivery mentioned; `@ALL` for everybody."""
    recipients: tuple[str, ...] = ()
    """The only ones who see it in the group; () for everybody."""
    times: int = 1
    """How often it was delivered here. It is shown once: DingTalk says only that a second delivery
    keeps the old data."""


@dataclass(frozen=True, slots=True)
class Press:
    """A button that somebody pressed, and what the bot answered."""

    id: str
    staff_id: str
    action_id: str
    params: dict[str, Any]
    at_ms: int
    """Milliseconds since 1970."""
    status: int | None = None
    """Of the response, or the code of the ack; None where there is none."""
    response: dict[str, Any] | None = None
    """What the bot answered; None where it was no JSON object."""
    after_ms: int | None = None
    """Milliseconds from the press to the answer; None as long as the client waits."""
    problem: str = ""
    """Why there is no answer, in a sentence."""
    toast: Toast | None = None
    """None as long as the client waits."""

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _PRESS.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Press":
        """Read what `to_json` wrote."""
        return _PRESS.validate_json(body)


@dataclass(frozen=True, slots=True)
class PressRequest:
    """Who presses what.

    >>> PressRequest.from_json(b'{"staff_id": "0001", "action_id": "approve"}').params is None
    True
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    staff_id: str
    action_id: str
    params: dict[str, Any] | None = None
    """What the press sends; None for what the button carries."""

    @staticmethod
    def from_json(body: bytes) -> "PressRequest":
        """Read a request.

        Raises:
            ValidationError: if anything is wrong or unknown.
        """
        return _REQUEST.validate_json(body)


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a card, as a person sees it."""

    text: str
    action_id: str = ""
    """What a press names; "" for a link."""
    params: dict[str, Any] | None = None
    """What a press sends besides."""
    url: str = ""
    """Of a link."""
    color: str = "gray"
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class CardView:
    """A card as one person sees it."""

    title: str = ""
    text: str = ""
    """Markdown."""
    picture: str = ""
    """A URL or a mediaId; `/api/media/{mediaId}` has the bytes of one."""
    buttons: tuple[Button, ...] = ()
    others: dict[str, str] | None = None
    """The variables that are none of these, by name."""

    def button(self, name: str) -> Button | None:
        """The button that can be pressed, by its action or its text; None if there is none."""
        able = (button for button in self.buttons if button.enabled and button.action_id)
        return next((button for button in able if name in (button.action_id, button.text)), None)


@dataclass(frozen=True, slots=True)
class Card:
    """One card, and everything that has happened to it.

    >>> [card.out_track_id for card in dingtalk.cards]
    []
    """

    # Other spellings of a field would be a mistake of a client.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    out_track_id: str
    template_id: str
    created_at_ms: int
    """Milliseconds since 1970."""
    changed_at_ms: int
    state: CardState
    data: dict[str, str]
    """The variables that everybody sees."""
    private: dict[str, dict[str, str]]
    """The variables of single people, by userid."""
    local: dict[str, dict[str, str]]
    """What the response to a press changed for its presser only, by userid."""
    views: dict[str, CardView]
    """The card as people see it: under "" for everybody whose userid is not here."""
    problem: CardProblem | None = None
    callback: CallbackKind = ""
    """How presses go to the bot; "": they go nowhere."""
    callback_route_key: str = ""
    spaces: tuple[CardSpace, ...] = ()
    frames: int = 0
    """How many frames of a stream were taken."""
    stream_key: str = ""
    """The variable that was streamed last."""
    presses: tuple[Press, ...] = ()
    """The latest, the oldest first."""

    def seen_by(self, staff_id: str) -> CardView:
        """The card as a person sees it."""
        return self.views.get(staff_id) or self.views[""]

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _CARD.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "Card":
        """Read what `to_json` wrote."""
        return _CARD.validate_json(body)

    @staticmethod
    def list_to_json(cards: "list[Card]") -> bytes:
        """One JSON array of them."""
        return _CARDS.dump_json(cards)

    @staticmethod
    def list_from_json(body: bytes) -> "list[Card]":
        """Read what `list_to_json` wrote."""
        return _CARDS.validate_json(body)


_REQUEST = TypeAdapter(PressRequest)
_PRESS = TypeAdapter(Press)
_CARD = TypeAdapter(Card)
_CARDS = TypeAdapter(list[Card])
