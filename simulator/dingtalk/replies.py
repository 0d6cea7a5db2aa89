"""A reply as its message's record has it."""

from typing import Any

from dingda.simulator.dingtalk.record import Ack, Reply
from dingda.simulator.dingtalk.rules import (
    OK,
    ReplyVerdict,
    check_payload,
    notified_by,
    parse_reply,
    warnings_of,
)


def in_callback_reply(ack: Ack) -> Reply | None:
    """DingTalk: the response to a callback may itself be the reply; `empty` shows nothing."""
    payload = parse_reply(ack.body.encode())
    if payload is None or payload.get("msgtype") in (None, "empty"):
        return None
    return record_reply(payload, check_payload(payload) or OK, after_ms=ack.after_ms)


def record_reply(payload: dict[str, Any] | None, verdict: ReplyVerdict, *, after_ms: int) -> Reply:
    """Note a reply with the verdict on it.

    Args:
        payload: the message; None if it was no JSON object.
        verdict: DingTalk's.
        after_ms: milliseconds since the message that it answers.
    """
    if payload is None or verdict != OK:
        return Reply(payload, verdict.errcode, verdict.errmsg, (), after_ms)
    notified, warnings = notified_by(payload), warnings_of(payload)
    return Reply(payload, verdict.errcode, verdict.errmsg, notified, after_ms, warnings=warnings)
