"""A custom robot (自定义机器人), whose webhook takes messages from anybody who knows it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

from dingda.shared.dingtalk.signature import verify
from dingda.shared.errors import InvalidSignatureError
from dingda.simulator.dingtalk.reply_judge import REPLIES_PER_MINUTE
from dingda.simulator.dingtalk.rules import (
    OK,
    ReplyVerdict,
    check_content_type,
    check_payload,
    check_size,
    parse_reply,
    too_fast,
)
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.throttle import ReplyThrottle

CHAT = "告警群"
"""What the page calls the group of a robot of which nothing is known."""
NO_TOKEN = ReplyVerdict(300005, "token is not exist")
_REMEMBERED = 1000
NOT_SIGNED = ReplyVerdict(310000, "sign not match")


@dataclass(frozen=True, slots=True)
class KnownRobot:
    """A custom robot of which more is known than its token."""

    chat: str
    """What the page calls the group that it speaks in."""
    secret: str = field(repr=False)
    """What messages must be signed with; "" if they need no signature."""


NO_ROBOTS: Mapping[str, KnownRobot] = MappingProxyType({})


class CustomRobot:
    """Takes what is POSTed to `/robot/send`, and shows it in a group of its own.

    Each `access_token` is a robot, with its own minutes.

    Args:
        dingtalk: shows it.
        secret: what messages must be signed with; "" if they need no signature.
        now_ms: the clock, in ms since 1970.
        known: the robots that have a chat and a secret of their own, by their tokens.
        count: called with each message, which the month's quota counts.
    """

    def __init__(
        self,
        dingtalk: Simulation,
        *,
        secret: str,
        now_ms: Callable[[], int],
        known: Mapping[str, KnownRobot] = NO_ROBOTS,
        count: Callable[[], None] = lambda: None,
    ) -> None:
        self._dingtalk = dingtalk
        self._default = KnownRobot(CHAT, secret)
        self._known = known
        self._now_ms = now_ms
        self._count = count
        self._throttles = defaultdict[str, ReplyThrottle](
            partial(ReplyThrottle, REPLIES_PER_MINUTE)
        )
        self._uuids: dict[tuple[str, str], None] = {}
        """The latest messages that had an id, with their robots."""

    def receive(self, query: Mapping[str, str], *, content_type: str, body: bytes) -> ReplyVerdict:
        """Judge a message, and show it if nothing is wrong with it."""
        payload, token = parse_reply(body), query.get("access_token", "")
        verdict = (
            (None if token else NO_TOKEN)
            or self._check_signature(query)
            or check_content_type(content_type)
            or check_size(body)
            or check_payload(payload)
            or self._check_rate(token)
            or OK
        )
        if payload and verdict == OK and not self._is_repeated(token, payload):
            self._count()
            self._dingtalk.bot_sends.to_group(payload, self._robot(token).chat)
        return verdict

    def _robot(self, token: str) -> KnownRobot:
        return self._known.get(token, self._default)

    def _check_rate(self, token: str) -> ReplyVerdict | None:
        if self._throttles[token].takes(self._now_ms()):
            return None
        return too_fast(REPLIES_PER_MINUTE)

    def _is_repeated(self, token: str, payload: Mapping[str, Any]) -> bool:
        """Whether a message has been shown; DingTalk: `msgUuid` tells one from another."""
        uuid = (token, str(payload.get("msgUuid") or ""))
        if not uuid[1]:
            return False
        is_known = uuid in self._uuids
        self._uuids[uuid] = None
        if len(self._uuids) > _REMEMBERED:
            del self._uuids[next(iter(self._uuids))]
        return is_known

    def _check_signature(self, query: Mapping[str, str]) -> ReplyVerdict | None:
        secret = self._robot(query.get("access_token", "")).secret
        if not secret:
            return None
        timestamp, sign = query.get("timestamp", ""), query.get("sign", "")
        secrets, now_ms = [secret], self._now_ms()
        try:
            verify(timestamp.encode(), sign.encode(), secrets=secrets, now_ms=now_ms)
        except InvalidSignatureError:
            return NOT_SIGNED
        return None
