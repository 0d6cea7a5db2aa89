"""A custom robot (自定义机器人), whose webhook takes messages from anybody who knows it."""

from collections.abc import Callable, Mapping

from dingda.shared.dingtalk.signature import verify
from dingda.shared.errors import InvalidSignatureError
from dingda.simulator.dingtalk.rules import (
    OK,
    ReplyVerdict,
    check_content_type,
    check_payload,
    check_size,
    parse_reply,
    too_fast,
)
from dingda.simulator.dingtalk.simulation import REPLIES_PER_MINUTE, Simulation
from dingda.simulator.dingtalk.throttle import ReplyThrottle

CHAT = "告警群"
"""What the page calls the conversation that the robot speaks in."""
NO_TOKEN = ReplyVerdict(300005, "token is not exist")
NOT_SIGNED = ReplyVerdict(310000, "sign not match")


class CustomRobot:
    """Takes what is POSTed to `/robot/send`, and shows it in a chat of its own.

    Args:
        dingtalk: shows it.
        secret: what messages must be signed with; "" if they need no signature.
        now_ms: the clock, in ms since 1970.
    """

    def __init__(self, dingtalk: Simulation, *, secret: str, now_ms: Callable[[], int]) -> None:
        self._dingtalk = dingtalk
        self._secret = secret
        self._now_ms = now_ms
        self._throttle = ReplyThrottle(REPLIES_PER_MINUTE)

    def receive(self, query: Mapping[str, str], *, content_type: str, body: bytes) -> ReplyVerdict:
        """Judge a message, and show it if nothing is wrong with it."""
        payload = parse_reply(body)
        verdict = (
            (None if query.get("access_token") else NO_TOKEN)
            or self._check_signature(query)
            or check_content_type(content_type)
            or check_size(body)
            or check_payload(payload)
            or (None if self._throttle.takes(self._now_ms()) else too_fast(REPLIES_PER_MINUTE))
            or OK
        )
        if payload and verdict == OK:
            self._dingtalk.push(CHAT, payload)
        return verdict

    def _check_signature(self, query: Mapping[str, str]) -> ReplyVerdict | None:
        if not self._secret:
            return None
        timestamp, sign = query.get("timestamp", ""), query.get("sign", "")
        secrets, now_ms = [self._secret], self._now_ms()
        try:
            verify(timestamp.encode(), sign.encode(), secrets=secrets, now_ms=now_ms)
        except InvalidSignatureError:
            return NOT_SIGNED
        return None
