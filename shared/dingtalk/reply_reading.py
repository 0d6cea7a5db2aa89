"""Reading a reply from the JSON that DingTalk takes, which `Reply.to_payload` writes."""

from collections.abc import Mapping
from typing import Any

from dingda.shared.dingtalk.card import read_card
from dingda.shared.dingtalk.fields import mapping, objects, string
from dingda.shared.dingtalk.media import FileMessage, MediaId
from dingda.shared.dingtalk.reply import (
    NOBODY,
    ActionCard,
    At,
    Button,
    FeedCard,
    FeedLink,
    Markdown,
    Reply,
    Text,
)
from dingda.shared.errors import InvalidReplyError


def read_reply(fields: Mapping[str, Any]) -> Reply:
    """Read a reply in DingTalk's own format ("robot-message-type"), or a card in ours.

    Args:
        fields: such as `{"msgtype": "text", "text": {"content": "咖啡好了"}}`.

    Raises:
        InvalidReplyError: if it is of another type, or breaks one of DingTalk's limits.
    """
    msgtype = fields.get("msgtype")
    content = mapping(fields.get(str(msgtype)))
    match msgtype:
        case "text":
            return Text(string(content, "content"), at=_at(fields))
        case "markdown":
            return Markdown(string(content, "title"), string(content, "text"), at=_at(fields))
        case "actionCard":
            return _action_card(content)
        case "feedCard":
            rows = objects(content.get("links"))
            return FeedCard(
                tuple(
                    FeedLink(string(row, "title"), string(row, "messageURL"), string(row, "picURL"))
                    for row in rows
                )
            )
        case "card":
            return read_card(content)
        case "file":
            return FileMessage(MediaId(string(content, "mediaId")), string(content, "fileName"))
    raise InvalidReplyError("msgtype", "is text, markdown, actionCard, feedCard, card or file")


def _action_card(content: dict[str, Any]) -> ActionCard:
    single = Button(string(content, "singleTitle"), string(content, "singleURL"))
    return ActionCard(
        string(content, "title"),
        string(content, "text"),
        link=single if single.title or single.url else None,
        buttons=tuple(
            Button(string(button, "title"), string(button, "actionURL"))
            for button in objects(content.get("btns"))
        ),
        horizontal=content.get("btnOrientation") == "1",
        hide_avatar=content.get("hideAvatar") == "1",
    )


def _at(fields: Mapping[str, Any]) -> At:
    at = mapping(fields.get("at"))
    ids = at.get("atUserIds")
    user_ids = tuple(each for each in ids if isinstance(each, str)) if isinstance(ids, list) else ()
    is_all = at.get("isAtAll") is True
    return At(user_ids, all=is_all) if user_ids or is_all else NOBODY
