"""DingTalk's error codes and their meaning: one table, for replies and for the OpenAPI.

The codes come from DingTalk's "custom-robots-send-group-messages", "robot-message-type" and its
global error codes, and from reports by users of robot/send and sendBySession. docs/delivery.md
shows the same table to operators.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Meaning(StrEnum):
    """What an errcode says about the reply that was sent."""

    SHOWN = "shown"
    BUSY = "busy"
    """Not shown; DingTalk's own trouble, which passes."""
    THROTTLED = "throttled"
    """Not shown; too many messages, which passes."""
    CONTENT = "content"
    """Not shown, and never will be as it is; a plain text may be."""
    FINAL = "final"
    """Not shown, and nothing will be in this session until the cause is removed."""
    UNKNOWN = "unknown"
    """DingTalk itself doesn't know whether it was shown."""


ERRCODES: Mapping[int, Meaning] = {
    0: Meaning.SHOWN,
    -1: Meaning.BUSY,  # 系统繁忙
    34015: Meaning.BUSY,  # 系统繁忙, as the work notices word it
    500100: Meaning.BUSY,  # 系统异常，请稍后再试
    130101: Meaning.THROTTLED,  # send too fast, exceed 20 times per minute
    410100: Meaning.THROTTLED,  # 发送速度太快而限流
    660026: Meaning.THROTTLED,  # 机器人发送消息失败，请重试: seen for too many a minute
    90002: Meaning.THROTTLED,  # all calls of this interface are stopped for a while
    90018: Meaning.THROTTLED,  # this address calls this interface too often
    34016: Meaning.CONTENT,  # a text is too long
    40035: Meaning.CONTENT,  # 缺少参数 / 不合法的参数
    101002: Meaning.CONTENT,  # message is too long
    310000: Meaning.CONTENT,  # a keyword is missing; also a sign or an address that is not allowed
    400105: Meaning.CONTENT,  # 不支持的消息类型
    400402: Meaning.CONTENT,  # 参数 markdown --》 title 缺失
    400403: Meaning.CONTENT,  # 参数 markdown --》 text 缺失
    430101: Meaning.CONTENT,  # an unsafe link
    430102: Meaning.CONTENT,  # an improper text
    430103: Meaning.CONTENT,  # an improper picture
    430104: Meaning.CONTENT,  # improper content
    460101: Meaning.CONTENT,  # message too long, exceed 20000 bytes
    88: Meaning.FINAL,  # not allowed; the sub_code says why, and counts instead where there is one
    43002: Meaning.FINAL,  # 需要POST请求
    43004: Meaning.FINAL,  # 无效的HTTP HEADER Content-Type
    90020: Meaning.FINAL,  # the month's quota is used up
    90030: Meaning.FINAL,  # the webhook's quota is used up
    300001: Meaning.FINAL,  # session 不存在
    300005: Meaning.FINAL,  # token is not exist
    400013: Meaning.FINAL,  # 群已被解散
    400101: Meaning.FINAL,  # access_token 不存在
    400102: Meaning.FINAL,  # 机器人已停用
    400106: Meaning.FINAL,  # 机器人不存在
    15: Meaning.UNKNOWN,  # the call behind DingTalk's own gateway timed out
}
_FIELD_FAULTS = range(400_400, 400_500)
"""The family of 400402: each names a field of the message."""
_WORDS: Mapping[Meaning, tuple[str, ...]] = {
    Meaning.THROTTLED: ("限流", "频率", "过于频繁", "too fast", "too many", "too frequent"),
    Meaning.BUSY: ("稍后", "系统繁忙", "系统异常", "try again", "try later", "busy"),
    Meaning.CONTENT: ("too long", "20000", "缺失", "缺少参数"),
}
"""For codes that are not in the table. DingTalk changes its texts, so codes come first."""
_SEE_SUB_CODE = 88
_CODE = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def meaning_of(code: int, errmsg: object = "") -> Meaning:
    """The meaning of an errcode; the errmsg counts only if the code is unknown."""
    if code in ERRCODES:
        return ERRCODES[code]
    if code in _FIELD_FAULTS:
        return Meaning.CONTENT
    text = errmsg.casefold() if isinstance(errmsg, str) else ""
    found = (meaning for meaning, parts in _WORDS.items() if any(part in text for part in parts))
    return next(found, Meaning.FINAL)


def errcode_in(fields: Mapping[str, Any]) -> int | None:
    """The errcode of a response, or its sub_code where that counts instead; None if it has none."""
    code = _whole_number(fields.get("errcode"))
    if code == _SEE_SUB_CODE:
        sub_code = _whole_number(fields.get("sub_code"))
        # 88 says that the call was stopped: a sub_code of 0 is not a success.
        return sub_code or code
    return code


def _whole_number(code: object) -> int | None:
    """A code, which DingTalk documents as a number and sends as a string."""
    if isinstance(code, str) and _CODE.fullmatch(code):
        return int(code)
    # Not int(code): it turns false and 0.5 into the 0 that means success.
    return code if isinstance(code, int) and not isinstance(code, bool) else None
