"""The playing of DingTalk: messages out, replies in. It has a clock and no sockets."""

import json
import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.dingtalk.signature import sign
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.dingtalk.callback import (
    UserMessage,
    build_callback,
    new_msg_id,
    over_quota,
    said_in,
)
from dingda.simulator.dingtalk.faults import (
    CLOCK_OFF_MS,
    NO_FAULTS,
    CallbackFault,
    FaultSettings,
    ReplyFault,
)
from dingda.simulator.dingtalk.record import Ack, Record, Reply
from dingda.simulator.dingtalk.record_store import MAX_RECORDS, RecordStore
from dingda.simulator.dingtalk.rules import (
    BUSY,
    IMPROPER,
    NO_SESSION,
    OK,
    Verdict,
    fault_of_content_type,
    fault_of_payload,
    fault_of_size,
    notified_by,
    parse_reply,
    too_fast,
    warnings_of,
)
from dingda.simulator.dingtalk.throttle import Throttle

SESSION_LIFE_MS = 5_400_000
"""DingTalk: a session stays open for about 90 minutes."""
REPLIES_PER_MINUTE = 20
"""DingTalk: more than these in one minute are refused, and everything for ten minutes after."""

# In captured callbacks the stated end is 45 to 341 ms later than 90 minutes after `createAt`.
_SESSION_EXTRA_MS = 188
FRESH = ("msgId", "createAt", "sessionWebhook", "sessionWebhookExpiredTime")
"""What is made anew of a raw callback, so that it is a message of its own and can be answered."""
_UNHEARD = (
    ReplyFault.FAIL,
    ReplyFault.UNAVAILABLE,
    ReplyFault.GATEWAY,
    ReplyFault.HANG,
    ReplyFault.CLOSE,
)
"""The troubles in which nobody hears the errcode."""


@dataclass(frozen=True, slots=True)
class SignedCallback:
    """One callback, ready to be POSTed."""

    msg_id: str
    headers: dict[str, str]
    body: bytes


class Simulation:
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
        self._msg_ids: dict[str, str] = {}
        """By session."""
        self._faults = NO_FAULTS
        self.records = RecordStore()

    @property
    def faults(self) -> FaultSettings:
        """What goes wrong at present."""
        return self._faults

    @faults.setter
    def faults(self, faults: FaultSettings) -> None:
        self._faults = faults
        self.records.touch()

    def send(self, said: UserMessage) -> SignedCallback:
        """Make the callback for something said, and begin its record."""
        now_ms = self._now_ms()
        session = secrets.token_hex(16)
        expires_ms = now_ms + self._session_life_ms + _SESSION_EXTRA_MS
        callback = build_callback(
            said,
            session_webhook=self._session_webhook(session),
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
        if self._faults.callbacks is CallbackFault.QUOTA:
            callback = over_quota(callback)
        record = Record(
            msg_id=callback["msgId"],
            sent_at_ms=now_ms,
            said=said,
            headers=self._headers(now_ms),
            callback=callback,
            session_expires_ms=expires_ms,
            ledger_id=_ledger_id(_to_body(callback)),
        )
        self._remember(session, record)
        return _signed(record)

    def send_raw(self, body: bytes, *, verbatim: bool = False) -> SignedCallback:
        """Make a callback of any body, and begin its record.

        Args:
            body: of a JSON object what `FRESH` names is made anew, so that the reply comes back.
            verbatim: whether it is sent byte for byte, as whatever is no JSON object is anyway.
                Then a reply is seen only if its session is one of an earlier message.
        """
        now_ms = self._now_ms()
        session = secrets.token_hex(16)
        expires_ms = now_ms + self._session_life_ms + _SESSION_EXTRA_MS
        callback = parse_reply(body) or {}
        is_fresh = bool(callback) and not verbatim
        if is_fresh:
            webhook = self._session_webhook(session)
            fresh = (new_msg_id(), now_ms, webhook, expires_ms)
            callback |= zip(FRESH, fresh, strict=True)
            body = _to_body(callback)
        record = Record(
            msg_id=callback["msgId"] if is_fresh else f"raw{secrets.token_hex(8)}",
            sent_at_ms=now_ms,
            said=said_in(callback),
            headers=self._headers(now_ms),
            callback=callback,
            session_expires_ms=expires_ms,
            ledger_id=_ledger_id(body),
            raw=True,
            verbatim=None if is_fresh else body,
        )
        self._remember(session, record)
        return _signed(record)

    def send_again(self, msg_id: str) -> SignedCallback | None:
        """Sign a message's callback once more, its body being the same; None if it is unknown."""
        record = self.record(msg_id)
        if record is None:
            return None
        return replace(_signed(record), headers=self._headers(self._now_ms()))

    def acknowledged(self, msg_id: str, *, status: int, body: str) -> None:
        """Note how the gateway answered a callback, and show the reply that its answer may hold."""
        record = self.record(msg_id)
        if record is None:
            return
        ack = Ack(status, body, self._now_ms() - record.sent_at_ms)
        if record.ack or record.undelivered:
            self.records.put(replace(record, redeliveries=(*record.redeliveries, ack)))
            return
        reply = _in_callback_reply(ack) if ack.ok else None
        self.records.put(replace(record, ack=ack, in_callback_reply=reply))

    def undelivered(self, msg_id: str, why: str) -> None:
        """Note that the gateway never answered a callback."""
        record = self.record(msg_id)
        if record and record.ack is None:
            self.records.put(replace(record, undelivered=why))

    def told(self, msg_id: str, story: MessageTimeline) -> None:
        """Note what the ledger knows of a message, beside what it told of earlier attempts."""
        if record := self.record(msg_id):
            earlier = [past for past in record.stories if 0 < past.lease_count < story.lease_count]
            self.records.put(replace(record, stories=(*earlier, story)))

    def expire(self, msg_id: str) -> None:
        """Close a message's session now, whatever its callback says."""
        if record := self.record(msg_id):
            self.records.put(replace(record, session_expires_ms=self._now_ms()))

    def reply(self, session: str, *, content_type: str, body: bytes) -> Verdict:
        """Judge what was POSTed to a session, and note it where the session is known.

        Args:
            session: the token from the sessionWebhook's query.
            content_type: the request's header, or "".
            body: the request's body.
        """
        now_ms = self._now_ms()
        record = self.record(self._msg_ids.get(session, ""))
        payload = parse_reply(body)
        verdict = (
            fault_of_content_type(content_type)
            or _fault_of_session(record, now_ms)
            or self._fault_of_the_day()
            or fault_of_size(body)
            or fault_of_payload(payload)
            or self._fault_of_rate(record, now_ms)
            or OK
        )
        if record:
            self._note(record, payload, verdict, now_ms)
        return verdict

    def push(self, name: str, payload: dict[str, Any]) -> None:
        """Show somebody a private message of the bot's, which answers no message of theirs."""
        now_ms = self._now_ms()
        self.records.put(
            Record(
                msg_id=f"push{secrets.token_hex(8)}",
                sent_at_ms=now_ms,
                said=UserMessage("", sender=name, single=True),
                headers={},
                callback={},
                session_expires_ms=now_ms,
                prompted=False,
                replies=(_judged(payload, OK, after_ms=0),),
            )
        )

    def record(self, msg_id: str) -> Record | None:
        """What became of a message; None if it is unknown or forgotten."""
        return self.records.get(msg_id)

    def _session_webhook(self, session: str) -> str:
        return f"{self._public_url}/robot/sendBySession?session={session}"

    def _remember(self, session: str, record: Record) -> None:
        self.records.put(record)
        self._msg_ids[session] = record.msg_id
        if len(self._msg_ids) > MAX_RECORDS:
            del self._msg_ids[next(iter(self._msg_ids))]

    def _headers(self, now_ms: int) -> dict[str, str]:
        trouble = self._faults.callbacks
        timestamp = str(now_ms - (CLOCK_OFF_MS if trouble is CallbackFault.CLOCK_OFF else 0))
        forged = trouble is CallbackFault.WRONG_SIGNATURE
        return {
            "Content-Type": "application/json; charset=utf-8",
            "timestamp": timestamp,
            "sign": sign(timestamp, secrets.token_hex() if forged else self._secret),
        }

    def _fault_of_the_day(self) -> Verdict | None:
        match self._faults.replies:
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

    def _fault_of_rate(self, record: Record | None, now_ms: int) -> Verdict | None:
        if record is None or self._replies_per_minute is None:
            return None
        if self._throttles[str(record.callback.get("conversationId"))].takes(now_ms):
            return None
        return too_fast(self._replies_per_minute)

    def _note(
        self, record: Record, payload: dict[str, Any] | None, verdict: Verdict, now_ms: int
    ) -> None:
        reply = _judged(payload, verdict, after_ms=now_ms - record.sent_at_ms)
        if self._faults.replies in _UNHEARD:
            reply = replace(reply, trouble=self._faults.replies)
        self.records.put(replace(record, replies=(*record.replies, reply)))


def _fault_of_session(record: Record | None, now_ms: int) -> Verdict | None:
    return NO_SESSION if record is None or now_ms >= record.session_expires_ms else None


def _in_callback_reply(ack: Ack) -> Reply | None:
    """DingTalk: the response to a callback may itself be the reply; `empty` shows nothing."""
    payload = parse_reply(ack.body.encode())
    if payload is None or payload.get("msgtype") in (None, "empty"):
        return None
    return _judged(payload, fault_of_payload(payload) or OK, after_ms=ack.after_ms)


def _judged(payload: dict[str, Any] | None, verdict: Verdict, *, after_ms: int) -> Reply:
    if payload is None or verdict != OK:
        return Reply(payload, verdict.errcode, verdict.errmsg, (), after_ms)
    notified, warnings = notified_by(payload), warnings_of(payload)
    return Reply(payload, verdict.errcode, verdict.errmsg, notified, after_ms, warnings=warnings)


def _signed(record: Record) -> SignedCallback:
    body = _to_body(record.callback) if record.verbatim is None else record.verbatim
    return SignedCallback(record.msg_id, record.headers, body)


def _ledger_id(body: bytes) -> str | None:
    try:
        message = parse_message(body)
    except InvalidMessageError:
        return None
    return message.id if isinstance(message, Message) else None


def _to_body(callback: dict[str, Any]) -> bytes:
    return json.dumps(callback, ensure_ascii=False, separators=(",", ":")).encode()
