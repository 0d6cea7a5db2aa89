"""The replies that DingTalk shows, each valid by construction.

Shapes and key spellings are those of DingTalk's "robot-message-type"; they differ between types
(`singleURL`, `actionURL`, `messageURL`, `picURL`), and flags are the strings "0" and "1".
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from dingda.shared.dingtalk.card import Card
from dingda.shared.dingtalk.media import FileMessage, Image
from dingda.shared.errors import InvalidReplyError

MAX_BODY_BYTES = 20_000
"""DingTalk refuses a longer body (errcode 460101)."""
MAX_PARTS = 10
"""A longer text is sent in parts, but one answer is no more than half of the 20 messages that
DingTalk takes a minute from a robot in a group."""
MAX_MENTIONS = 50
"""DingTalk: at most 50 people in one mention."""
_MAX_MENTION_BYTES = 4_000
"""A reply names everybody twice, and there must be room for its words."""
MAX_USER_ID_CHARS = 64
"""DingTalk: administrators choose userids freely, of 1 to 64 characters."""
# DingTalk documents no limits for these; beyond them its apps cut off what they show.
MAX_TITLE_CHARS = 128
"""How much of a title is shown.

>>> len(shorten("很长" * 100, MAX_TITLE_CHARS))
128
"""
MAX_BUTTON_CHARS = 64
MIN_BUTTONS, MAX_BUTTONS = 2, 10
MAX_FEED_LINKS = 9
MAX_URL_CHARS = 2048

_WEB = ("https://", "http://")
# DingTalk's own links: open a page in the client, or send a text to the bot when clicked.
_CLIENT = ("dingtalk://dingtalkclient/", "dtmd://dingtalkclient/")


def _can_be_mentioned(user_id: str) -> bool:
    is_short = 1 <= len(user_id) <= MAX_USER_ID_CHARS
    return is_short and user_id.isprintable() and " " not in user_id and user_id != "@all"


@dataclass(frozen=True, slots=True)
class At:
    """Whom a reply mentions: organisation userids (a message's `senderStaffId`), or everybody.

    >>> Text("开会了", at=At(("0001", "0002"))).to_payload()["text"]
    {'content': '@0001 @0002 开会了'}
    """

    user_ids: tuple[str, ...] = ()
    all: bool = False

    def __post_init__(self) -> None:
        if len(self.user_ids) > MAX_MENTIONS:
            raise InvalidReplyError("at.atUserIds", f"at most {MAX_MENTIONS} people")
        if not all(map(_can_be_mentioned, self.user_ids)):
            raise InvalidReplyError(
                "at.atUserIds",
                f"an id must be printable, without blanks, of 1 to {MAX_USER_ID_CHARS} characters",
            )
        size = len("".join(self.user_ids).encode())
        if size > _MAX_MENTION_BYTES:
            raise InvalidReplyError("at.atUserIds", f"{size} bytes; at most {_MAX_MENTION_BYTES}")

    @classmethod
    def if_possible(cls, user_id: str) -> "At":
        """A mention of somebody, or of nobody where the id can't be written into a text."""
        return cls((user_id,)) if _can_be_mentioned(user_id) else NOBODY

    def __bool__(self) -> bool:
        return bool(self.user_ids) or self.all

    def missing_from(self, text: str) -> str:
        """The `@id`s that DingTalk needs in the text for the mentions to notify, if not there."""
        mentions = (f"@{user_id}" for user_id in self.user_ids)
        # A longer id that begins alike is somebody else.
        return " ".join(
            m for m in mentions if not re.search(rf"{re.escape(m)}(?![\w-])", text, re.ASCII)
        )

    def to_payload(self) -> dict[str, Any]:
        """The part of a reply's JSON that names them; nothing for nobody."""
        return {"at": {"atUserIds": list(self.user_ids), "isAtAll": self.all}} if self else {}


NOBODY = At()


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text; what users wrote is safe in here, for DingTalk makes nothing of it.

    It may be of any length: the worker sends it in parts (`worker.answering.splitting`).

    >>> Text("咖啡好了").to_payload()
    {'msgtype': 'text', 'text': {'content': '咖啡好了'}}
    """

    content: str
    at: At = NOBODY

    def __post_init__(self) -> None:
        _check_filled("text.content", self.content)

    def to_payload(self) -> dict[str, Any]:
        """The JSON object that DingTalk takes."""
        mentions = self.at.missing_from(self.content)
        content = f"{mentions} {self.content}" if mentions else self.content
        return {"msgtype": "text", "text": {"content": content}, **self.at.to_payload()}


@dataclass(frozen=True, slots=True)
class Markdown:
    """DingTalk's markdown; the title shows in the list of conversations, not in the message.

    Its text may be of any length, as a `Text`'s.

    >>> Markdown(title="天气", text="**北京** 晴").to_payload()["markdown"]
    {'title': '天气', 'text': '**北京** 晴'}
    """

    title: str
    text: str
    at: At = NOBODY

    def __post_init__(self) -> None:
        _check_title("markdown.title", self.title)
        _check_filled("markdown.text", self.text)

    def to_payload(self) -> dict[str, Any]:
        """The JSON object that DingTalk takes."""
        mentions = self.at.missing_from(self.text)
        # At the end, because the text may begin with a heading; two line breaks make a paragraph.
        text = f"{self.text.rstrip()}\n\n{mentions}" if mentions else self.text
        return {
            "msgtype": "markdown",
            "markdown": {"title": self.title, "text": text},
            **self.at.to_payload(),
        }


@dataclass(frozen=True, slots=True)
class Button:
    """A button of an `ActionCard`, and where it leads.

    >>> ActionCard("周报", "本周的周报好了", link=Button("打开", "https://example.com/")).link.title
    '打开'
    """

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class ActionCard:
    """A card of markdown that leads on: as a whole (整体跳转, `link`) or by `buttons` (独立跳转).

    Args:
        title: shows in the list of conversations.
        text: markdown.
        link: the one link of the whole card; or
        buttons: two to ten of them, one above the other unless `horizontal`.
        hide_avatar: whether the bot's picture is left out.

    >>> buttons = (Button("批准", "https://hr.example/yes"), Button("驳回", "https://hr.example/no"))
    >>> card = ActionCard("请假", "张三请假一天", buttons=buttons, horizontal=True)
    >>> card.to_payload()["actionCard"]["btns"][0]
    {'title': '批准', 'actionURL': 'https://hr.example/yes'}
    """

    title: str
    text: str
    link: Button | None = None
    buttons: tuple[Button, ...] = ()
    horizontal: bool = False
    hide_avatar: bool = False

    def __post_init__(self) -> None:
        _check_title("actionCard.title", self.title)
        _check_filled("actionCard.text", self.text)
        if self.link:
            if self.buttons:
                raise InvalidReplyError(
                    "actionCard.btns", "a card has one link or buttons, not both"
                )
            _check_button(self.link, "actionCard.singleTitle", "actionCard.singleURL")
        elif not MIN_BUTTONS <= len(self.buttons) <= MAX_BUTTONS:
            raise InvalidReplyError(
                "actionCard.btns",
                f"without a link there must be {MIN_BUTTONS} to {MAX_BUTTONS} buttons",
            )
        for index, button in enumerate(self.buttons):
            place = f"actionCard.btns[{index}]"
            _check_button(button, f"{place}.title", f"{place}.actionURL")
        _check_size("actionCard.text", self)

    def to_payload(self) -> dict[str, Any]:
        """The JSON object that DingTalk takes."""
        card: dict[str, Any] = {"title": self.title, "text": self.text}
        if self.link:
            card |= {"singleTitle": self.link.title, "singleURL": self.link.url}
        else:
            card |= {
                "hideAvatar": "1" if self.hide_avatar else "0",
                "btnOrientation": "1" if self.horizontal else "0",
                "btns": [{"title": b.title, "actionURL": b.url} for b in self.buttons],
            }
        return {"msgtype": "actionCard", "actionCard": card}


@dataclass(frozen=True, slots=True)
class FeedLink:
    """A row of a `FeedCard`: a title, the page behind it, and a picture.

    >>> FeedLink("日报", "https://example.com/", "https://example.com/1.png").title
    '日报'
    """

    title: str
    url: str
    picture_url: str


@dataclass(frozen=True, slots=True)
class FeedCard:
    """One to nine links with pictures (phones cut off what follows); it cannot mention anybody.

    >>> news = FeedLink("日报", "https://example.com/", "https://example.com/1.png")
    >>> FeedCard((news,)).to_payload()["feedCard"]["links"][0]["picURL"]
    'https://example.com/1.png'
    """

    links: tuple[FeedLink, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.links) <= MAX_FEED_LINKS:
            raise InvalidReplyError("feedCard.links", f"a feed has 1 to {MAX_FEED_LINKS} links")
        for index, link in enumerate(self.links):
            _check_title(f"feedCard.links[{index}].title", link.title)
            _check_url(f"feedCard.links[{index}].messageURL", link.url, _WEB + _CLIENT)
            _check_url(f"feedCard.links[{index}].picURL", link.picture_url, _WEB)
        _check_size("feedCard.links", self)

    def to_payload(self) -> dict[str, Any]:
        """The JSON object that DingTalk takes."""
        return {
            "msgtype": "feedCard",
            "feedCard": {
                "links": [
                    {"title": link.title, "messageURL": link.url, "picURL": link.picture_url}
                    for link in self.links
                ]
            },
        }


Reply = Text | Markdown | ActionCard | FeedCard | Image | FileMessage | Card
"""What the bot can answer with; all but a `Card` are messages, sent as they are.

>>> isinstance(Text("咖啡好了"), Reply)
True
"""

EMPTY: dict[str, Any] = {"msgtype": "empty"}
"""DingTalk: the callback's own answer when nothing is to be shown (yet)."""


def to_body(reply: Reply) -> bytes:
    """The bytes to POST: UTF-8, for JSON's escapes would double the size of Chinese."""
    return json.dumps(reply.to_payload(), ensure_ascii=False, separators=(",", ":")).encode()


def _check_filled(field: str, value: str) -> None:
    value = value[: MAX_PARTS * MAX_BODY_BYTES]  # what is beyond is never shown
    if not value.strip():
        raise InvalidReplyError(field, "must not be empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidReplyError(field, "holds half a surrogate pair, which is no text") from None


def _check_title(field: str, value: str, max_chars: int = MAX_TITLE_CHARS) -> None:
    _check_filled(field, value)
    if len(value) > max_chars:
        raise InvalidReplyError(field, f"{len(value)} characters; at most {max_chars} are shown")


def _check_button(button: Button, title_field: str, url_field: str) -> None:
    _check_title(title_field, button.title, MAX_BUTTON_CHARS)
    _check_url(url_field, button.url, _WEB + _CLIENT)


def _check_url(field: str, url: str, schemes: tuple[str, ...]) -> None:
    if len(url) > MAX_URL_CHARS:
        raise InvalidReplyError(field, f"{len(url)} characters; at most {MAX_URL_CHARS}")
    scheme = next((scheme for scheme in schemes if url.lower().startswith(scheme)), None)
    if scheme is None or len(url) == len(scheme):
        raise InvalidReplyError(field, f"must be a URL that starts with {' or '.join(schemes)}")
    if not url.isprintable() or " " in url:
        raise InvalidReplyError(field, "must hold no blanks or control characters")


def _check_size(field: str, reply: Reply) -> None:
    size = len(to_body(reply))
    if size > MAX_BODY_BYTES:
        raise InvalidReplyError(
            field, f"makes a body of {size} bytes; DingTalk takes at most {MAX_BODY_BYTES}"
        )
