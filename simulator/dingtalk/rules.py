"""DingTalk's verdict on a reply: what it takes, and the errcode for what it doesn't.

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
"""robot/send has a code of its own for each; of the other msgtypes no such code was reported."""
_MENTIONING = {"text": "content", "markdown": "text", "actionCard": "text"}
"""Where a msgtype has its mentions; the others cannot mention anybody."""
_FLAGS = ("btnOrientation", "hideAvatar")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the response says."""

    errcode: int
    errmsg: str


OK = Verdict(0, "ok")
NEEDS_POST = Verdict(43002, "需要POST请求")
BUSY = Verdict(-1, "系统繁忙")
IMPROPER = Verdict(430104, "消息内容不合适")
NO_SESSION = Verdict(300001, "session 不存在")


def too_fast(replies_per_minute: int) -> Verdict:
    """The verdict on one reply too many."""
    return Verdict(130101, f"send too fast, exceed {replies_per_minute} times per minute")


def fault_of_content_type(content_type: str) -> Verdict | None:
    """Object to anything but JSON, whatever parameters it has."""
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return None
    return Verdict(43004, "无效的HTTP HEADER Content-Type")


def fault_of_size(body: bytes) -> Verdict | None:
    """Object to a body that is too long; it is the bytes that count."""
    if len(body) <= MAX_BODY_BYTES:
        return None
    return Verdict(460101, f"message too long, exceed {MAX_BODY_BYTES} bytes")


def parse_reply(body: bytes) -> dict[str, Any] | None:
    """Read a reply's JSON object; None where it is none, or not strictly UTF-8 and JSON."""
    try:
        payload = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def warnings_of(payload: dict[str, Any]) -> tuple[str, ...]:
    """What DingTalk takes and not every client shows; each a short name.

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


def fault_of_payload(payload: dict[str, Any] | None) -> Verdict | None:
    """Object to an unknown msgtype, to what is missing, and to flags that aren't "0" or "1"."""
    if payload is None:
        return Verdict(40035, "缺少参数 json")
    msgtype = payload.get("msgtype")
    if not msgtype:
        return _missing("msgtype")
    if not isinstance(msgtype, str) or msgtype not in _TEXTS:
        return Verdict(400105, "不支持的消息类型")
    content = payload.get(msgtype)
    if not isinstance(content, dict):
        return _missing(msgtype)
    return _fault_of_content(msgtype, content)


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


def _fault_of_content(msgtype: str, content: dict[str, Any]) -> Verdict | None:
    if msgtype == "markdown":
        return _fault_of_markdown(content)
    fault = _first_missing(content, _TEXTS[msgtype], msgtype)
    if msgtype == "actionCard":
        fault = fault or _fault_of_flags(content) or _fault_of_jumps(content)
    if msgtype == "feedCard":
        links = content.get("links")
        fault = _fault_of_list(links, ("title", "messageURL", "picURL"), "feedCard.links")
    return fault


def _fault_of_markdown(content: dict[str, Any]) -> Verdict | None:
    for name, errcode in _MISSING_FROM_MARKDOWN.items():
        if not _is_filled(content.get(name)):
            return Verdict(errcode, f"参数 markdown --》 {name} 缺失")
    return None


def _fault_of_flags(card: dict[str, Any]) -> Verdict | None:
    for flag in _FLAGS:
        if card.get(flag, "0") not in ("0", "1"):
            return Verdict(40035, f'不合法的参数 actionCard.{flag}: "0" 或 "1"')
    return None


def _fault_of_jumps(card: dict[str, Any]) -> Verdict | None:
    # A card with the one link is whole: DingTalk ignores its buttons then.
    if _is_filled(card.get("singleTitle")) and _is_filled(card.get("singleURL")):
        return None
    if "btns" in card:
        return _fault_of_list(card["btns"], ("title", "actionURL"), "actionCard.btns")
    return _first_missing(card, ("singleTitle", "singleURL"), "actionCard")


def _fault_of_list(items: Any, names: tuple[str, ...], place: str) -> Verdict | None:
    if not isinstance(items, list) or not items:
        return _missing(place)
    for index, item in enumerate(items):
        here = f"{place}[{index}]"
        fault = _first_missing(item, names, here) if isinstance(item, dict) else _missing(here)
        if fault:
            return fault
    return None


def _first_missing(content: dict[str, Any], names: Iterable[str], place: str) -> Verdict | None:
    for name in names:
        if not _is_filled(content.get(name)):
            return _missing(f"{place}.{name}")
    return None


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _missing(field: str) -> Verdict:
    return Verdict(40035, f"缺少参数 {field}")
