"""DingTalk's verdict on a reply: taken, or an errcode that says why not.

Codes and wording are those of DingTalk's "custom-robots-send-group-messages", "robot-message-type"
and of what sendBySession was seen to answer. A verdict always comes with HTTP status 200.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from dingda.simulator.dingtalk.callback import ENCRYPTED_ID

MAX_BODY_BYTES = 20_000

_HTML = re.compile(r"<(?!/?font\b|[a-z]+:)/?[a-z][^<>]*>", re.IGNORECASE)
_FONT = re.compile(r"<font\b[^<>]*>", re.IGNORECASE)
_COLOUR = re.compile(r"<font color=#[0-9a-f]{6}>", re.IGNORECASE)

_TEXTS = {
    "text": ("content",),
    "markdown": ("title", "text"),
    "link": ("title", "text", "messageUrl"),
    "actionCard": ("title", "text"),
    "feedCard": (),
}
"""The texts that each msgtype must have, in the object of its own name."""
_MISSING_FROM_MARKDOWN = {"title": 400402, "text": 400403}
"""robot/send has a code of its own for each; none is known for the other msgtypes."""
_MENTIONING = {"text": "content", "markdown": "text", "actionCard": "text"}
"""Where a msgtype has its mentions; the others cannot mention anybody."""
_FLAGS = ("btnOrientation", "hideAvatar")


@dataclass(frozen=True, slots=True)
class ReplyVerdict:
    """The errcode and errmsg of the response to a reply."""

    errcode: int
    errmsg: str


OK = ReplyVerdict(0, "ok")
NEEDS_POST = ReplyVerdict(43002, "需要POST请求")
BUSY = ReplyVerdict(-1, "系统繁忙")
IMPROPER = ReplyVerdict(430104, "消息内容不合适")
NO_SESSION = ReplyVerdict(300001, "session 不存在")


def too_fast(replies_per_minute: int) -> ReplyVerdict:
    """The verdict on one reply too many."""
    return ReplyVerdict(130101, f"send too fast, exceed {replies_per_minute} times per minute")


def check_content_type(content_type: str) -> ReplyVerdict | None:
    """Object to anything but JSON, whatever parameters it has."""
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return None
    return ReplyVerdict(43004, "无效的HTTP HEADER Content-Type")


def check_size(body: bytes) -> ReplyVerdict | None:
    """Object to a body of too many bytes."""
    if len(body) <= MAX_BODY_BYTES:
        return None
    return ReplyVerdict(460101, f"message too long, exceed {MAX_BODY_BYTES} bytes")


def parse_reply(body: bytes) -> dict[str, Any] | None:
    """Read a reply's JSON object; None if it is anything else, or not strictly UTF-8 and JSON."""
    try:
        payload = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def warnings_of(payload: dict[str, Any]) -> tuple[str, ...]:
    """Short names of what DingTalk takes and not every client shows.

    `html`: a PC shows it, phones show an empty message. `font`: phones want `<font color=#FF0000>`,
    a number without quotes.
    """
    holder = payload.get(str(payload.get("msgtype")))
    text = holder.get("text") if isinstance(holder, dict) else None
    if payload.get("msgtype") not in ("markdown", "actionCard") or not isinstance(text, str):
        return ()
    fonts = _FONT.findall(text)
    return (
        *(("html",) if _HTML.search(text) else ()),
        *(("font",) if any(not _COLOUR.fullmatch(font) for font in fonts) else ()),
    )


def check_payload(payload: dict[str, Any] | None) -> ReplyVerdict | None:
    """Object to an unknown msgtype, to what is missing, and to flags that aren't "0" or "1"."""
    if payload is None:
        return ReplyVerdict(40035, "缺少参数 json")
    msgtype = payload.get("msgtype")
    if not msgtype:
        return _missing("msgtype")
    if not isinstance(msgtype, str) or msgtype not in _TEXTS:
        return ReplyVerdict(400105, "不支持的消息类型")
    content = payload.get(msgtype)
    if not isinstance(content, dict):
        return _missing(msgtype)
    return _check_content(msgtype, content)


def notified_by(payload: dict[str, Any]) -> tuple[str, ...]:
    """The userids that a reply truly notifies: named under `at`, and as `@userid` in its text."""
    msgtype = payload["msgtype"]
    at = payload.get("at")
    user_ids = at.get("atUserIds") if isinstance(at, dict) else None
    if msgtype not in _MENTIONING or not isinstance(user_ids, list):
        return ()
    text = payload[msgtype][_MENTIONING[msgtype]]
    return tuple(
        user_id
        for user_id in user_ids
        if _is_filled(user_id) and f"@{user_id}" in text and not user_id.startswith(ENCRYPTED_ID)
    )


def _check_content(msgtype: str, content: dict[str, Any]) -> ReplyVerdict | None:
    if msgtype == "markdown":
        return _check_markdown(content)
    verdict = _first_missing(content, _TEXTS[msgtype], msgtype)
    if msgtype == "actionCard":
        verdict = verdict or _check_flags(content) or _check_buttons(content)
    if msgtype == "feedCard":
        links = content.get("links")
        verdict = _check_list(links, ("title", "messageURL", "picURL"), "feedCard.links")
    return verdict


def _check_markdown(content: dict[str, Any]) -> ReplyVerdict | None:
    for name, errcode in _MISSING_FROM_MARKDOWN.items():
        if not _is_filled(content.get(name)):
            return ReplyVerdict(errcode, f"参数 markdown --》 {name} 缺失")
    return None


def _check_flags(card: dict[str, Any]) -> ReplyVerdict | None:
    for flag in _FLAGS:
        if card.get(flag, "0") not in ("0", "1"):
            return ReplyVerdict(40035, f'不合法的参数 actionCard.{flag}: "0" 或 "1"')
    return None


def _check_buttons(card: dict[str, Any]) -> ReplyVerdict | None:
    # A card with the one link is whole: DingTalk ignores its buttons then.
    if _is_filled(card.get("singleTitle")) and _is_filled(card.get("singleURL")):
        return None
    if "btns" in card:
        return _check_list(card["btns"], ("title", "actionURL"), "actionCard.btns")
    return _first_missing(card, ("singleTitle", "singleURL"), "actionCard")


def _check_list(items: Any, names: tuple[str, ...], place: str) -> ReplyVerdict | None:
    if not isinstance(items, list) or not items:
        return _missing(place)
    for index, item in enumerate(items):
        here = f"{place}[{index}]"
        verdict = _first_missing(item, names, here) if isinstance(item, dict) else _missing(here)
        if verdict:
            return verdict
    return None


def _first_missing(
    content: dict[str, Any], names: Iterable[str], place: str
) -> ReplyVerdict | None:
    for name in names:
        if not _is_filled(content.get(name)):
            return _missing(f"{place}.{name}")
    return None


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _missing(field: str) -> ReplyVerdict:
    return ReplyVerdict(40035, f"缺少参数 {field}")
