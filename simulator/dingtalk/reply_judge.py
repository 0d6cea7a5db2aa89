"""DingTalk's verdict on a reply that is POSTed to a session."""

from collections import defaultdict
from functools import partial

from dingda.simulator.dingtalk.faults import ReplyFault
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.rules import (
    BUSY,
    IMPROPER,
    NO_SESSION,
    OK,
    ReplyVerdict,
    check_content_type,
    check_payload,
    check_size,
    parse_reply,
    too_fast,
)
from dingda.simulator.dingtalk.throttle import ReplyThrottle

REPLIES_PER_MINUTE = 20
"""DingTalk: more than these in one minute are refused, and everything for ten minutes after."""


class ReplyJudge:
    """Judges replies, and counts those of each conversation.

    Args:
        replies_per_minute: how many replies a conversation takes; None for any number.
    """

    def __init__(self, replies_per_minute: int | None) -> None:
        self._replies_per_minute = replies_per_minute
        self._throttles = defaultdict[str, ReplyThrottle](
            partial(ReplyThrottle, replies_per_minute or 0)
        )

    def judge(
        self,
        record: Record | None,
        *,
        content_type: str,
        body: bytes,
        fault: ReplyFault | None,
        now_ms: int,
    ) -> ReplyVerdict:
        """Judge one reply.

        Args:
            record: of the message whose session it is; None if the session is unknown.
            content_type: the request's header, or "".
            body: the request's body.
            fault: what goes wrong with replies at present.
            now_ms: the current time, in ms since 1970.
        """
        return (
            check_content_type(content_type)
            or _check_session(record, now_ms)
            or self._injected_verdict(fault)
            or check_size(body)
            or check_payload(parse_reply(body))
            or self._check_rate(record, now_ms)
            or OK
        )

    def _injected_verdict(self, fault: ReplyFault | None) -> ReplyVerdict | None:
        match fault:
            case ReplyFault.THROTTLE:
                return too_fast(self._replies_per_minute or REPLIES_PER_MINUTE)
            case ReplyFault.REFUSE:
                return NO_SESSION
            case ReplyFault.CONTENT:
                return IMPROPER
            case ReplyFault.BUSY | ReplyFault.FAIL | ReplyFault.UNAVAILABLE:
                return BUSY
            case _:
                return None

    def _check_rate(self, record: Record | None, now_ms: int) -> ReplyVerdict | None:
        if record is None or self._replies_per_minute is None:
            return None
        if self._throttles[str(record.callback.get("conversationId"))].takes(now_ms):
            return None
        return too_fast(self._replies_per_minute)


def _check_session(record: Record | None, now_ms: int) -> ReplyVerdict | None:
    return NO_SESSION if record is None or now_ms >= record.session_expires_ms else None
