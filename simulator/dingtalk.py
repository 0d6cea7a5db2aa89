"""The playing of DingTalk: messages out, replies in. It has a clock and no sockets."""

import json
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from shared.signature import sign
from simulator.callback import Said, build_callback
from simulator.record import Ack, Record, Reply
from simulator.throttle import Throttle
from simulator.verdict import (
    NO_SESSION,
    OK,
    Verdict,
    fault_of_content_type,
    fault_of_payload,
    fault_of_size,
    notified_by,
    parse_reply,
    too_fast,
)

SESSION_LIFE_MS = 5_400_000
"""DingTalk: a session stays open for about 90 minutes."""
REPLIES_PER_MINUTE = 20
"""DingTalk: more than these in one minute are refused, and everything for ten minutes after."""
MAX_RECORDS = 1000
"""How many messages are remembered, the newest; the sessions of older ones are closed."""

# In captured callbacks the stated end is 45 to 341 ms later than 90 minutes after `createAt`.
_SESSION_EXTRA_MS = 188


@dataclass(frozen=True, slots=True)
class SignedCallback:
    """One callback, ready to be POSTed."""

    msg_id: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Session:
    msg_id: str
    conversation_id: str
    expires_ms: int


class DingTalk:
    """One robot's DingTalk: its group, its single chats, and what was said in them.

    Every message has a session of its own, though DingTalk lets one conversation's messages share
    theirs: so each reply tells which message it answers.

    Args:
        secret: the robot's AppSecret, which signs the callbacks.
        public_url: where the gateway and the worker reach the simulator, without a last slash.
        now_ms: the clock, in ms since 1970.
        session_life_ms: how long after its message a session takes replies.
        replies_per_minute: how many replies a conversation takes; None for any number.
    """

    def __init__(
        self,
        *,
        secret: str,
        public_url: str,
        now_ms: Callable[[], int],
        session_life_ms: int = SESSION_LIFE_MS,
        replies_per_minute: int | None = REPLIES_PER_MINUTE,
    ) -> None:
        self._secret = secret
        self._public_url = public_url
        self._now_ms = now_ms
        self._session_life_ms = session_life_ms
        self._replies_per_minute = replies_per_minute
        self._throttles = defaultdict[str, Throttle](partial(Throttle, replies_per_minute or 0))
        # Both get one entry for each message and lose the oldest together.
        self._records: dict[str, Record] = {}
        self._sessions: dict[str, _Session] = {}

    def send(self, said: Said) -> SignedCallback:
        """Make the callback for something said, and begin its record."""
        now_ms = self._now_ms()
        session = secrets.token_hex(16)
        callback = build_callback(
            said,
            session_webhook=f"{self._public_url}/robot/sendBySession?session={session}",
            created_ms=now_ms,
            expires_ms=now_ms + self._session_life_ms + _SESSION_EXTRA_MS,
        )
        self._remember(session, callback)
        return SignedCallback(callback["msgId"], self._headers(now_ms), _to_body(callback))

    def acknowledged(self, msg_id: str, *, status: int, body: str) -> None:
        """Note how the gateway answered a callback, and show the reply that its answer may hold."""
        record = self._records.get(msg_id)
        if record is None:
            return
        ack = Ack(status, body, self._now_ms() - record.sent_at_ms)
        reply = _in_callback_reply(ack) if ack.ok else None
        self._records[msg_id] = replace(record, ack=ack, in_callback_reply=reply)

    def undelivered(self, msg_id: str, why: str) -> None:
        """Note that the gateway never answered a callback."""
        if record := self._records.get(msg_id):
            self._records[msg_id] = replace(record, undelivered=why)

    def reply(self, session: str, *, content_type: str, body: bytes) -> Verdict:
        """Judge what was POSTed to a session, and note it where the session is known.

        Args:
            session: the token from the sessionWebhook's query.
            content_type: the request's header, or "".
            body: the request's body.
        """
        now_ms = self._now_ms()
        known = self._sessions.get(session)
        payload = parse_reply(body)
        verdict = (
            fault_of_content_type(content_type)
            or _fault_of_session(known, now_ms)
            or fault_of_size(body)
            or fault_of_payload(payload)
            or self._fault_of_rate(known, now_ms)
            or OK
        )
        if known:
            self._note(known.msg_id, payload, verdict, now_ms)
        return verdict

    def record(self, msg_id: str) -> Record | None:
        """What became of a message; None if it is unknown or forgotten."""
        return self._records.get(msg_id)

    def _remember(self, session: str, callback: dict[str, Any]) -> None:
        if len(self._records) >= MAX_RECORDS:
            del self._records[next(iter(self._records))]
            del self._sessions[next(iter(self._sessions))]
        msg_id = callback["msgId"]
        self._records[msg_id] = Record(msg_id, callback["createAt"], callback)
        self._sessions[session] = _Session(
            msg_id, callback["conversationId"], callback["sessionWebhookExpiredTime"]
        )

    def _headers(self, now_ms: int) -> dict[str, str]:
        timestamp = str(now_ms)
        return {
            "Content-Type": "application/json; charset=utf-8",
            "timestamp": timestamp,
            "sign": sign(timestamp, self._secret),
        }

    def _fault_of_rate(self, session: _Session | None, now_ms: int) -> Verdict | None:
        if session is None or self._replies_per_minute is None:
            return None
        if self._throttles[session.conversation_id].takes(now_ms):
            return None
        return too_fast(self._replies_per_minute)

    def _note(
        self, msg_id: str, payload: dict[str, Any] | None, verdict: Verdict, now_ms: int
    ) -> None:
        record = self._records[msg_id]
        reply = _judged(payload, verdict, after_ms=now_ms - record.sent_at_ms)
        self._records[msg_id] = replace(record, replies=(*record.replies, reply))


def _fault_of_session(session: _Session | None, now_ms: int) -> Verdict | None:
    return NO_SESSION if session is None or now_ms >= session.expires_ms else None


def _in_callback_reply(ack: Ack) -> Reply | None:
    """DingTalk: the response to a callback may itself be the reply; `empty` shows nothing."""
    payload = parse_reply(ack.body.encode())
    if payload is None or payload.get("msgtype") in (None, "empty"):
        return None
    return _judged(payload, fault_of_payload(payload) or OK, after_ms=ack.after_ms)


def _judged(payload: dict[str, Any] | None, verdict: Verdict, *, after_ms: int) -> Reply:
    notified = notified_by(payload) if payload and verdict == OK else ()
    return Reply(payload, verdict.errcode, verdict.errmsg, notified, after_ms)


def _to_body(callback: dict[str, Any]) -> bytes:
    return json.dumps(callback, ensure_ascii=False, separators=(",", ":")).encode()
