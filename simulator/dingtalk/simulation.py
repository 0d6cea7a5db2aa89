"""The simulated DingTalk: messages out, replies in. It has a clock and no sockets."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from dingda.shared.dingtalk.fields import string
from dingda.shared.dingtalk.message import SESSION_LIFE_MS, Message, parse_message
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.errors import InvalidMessageError
from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.texts import BUSY
from dingda.simulator.dingtalk.bot_sends import BotSends
from dingda.simulator.dingtalk.callback import (
    FRESH,
    GROUP_ID,
    GROUP_TITLE,
    build_callback,
    new_msg_id,
    over_quota,
    read_user_message,
    without_fresh,
)
from dingda.simulator.dingtalk.faults import (
    NO_FAULTS,
    CallbackFault,
    FaultSettings,
    ReplyFault,
)
from dingda.simulator.dingtalk.record import Ack, Record
from dingda.simulator.dingtalk.record_store import RecordStore
from dingda.simulator.dingtalk.replies import in_callback_reply, record_reply
from dingda.simulator.dingtalk.reply_judge import REPLIES_PER_MINUTE, ReplyJudge
from dingda.simulator.dingtalk.robots import SimulatedRobots
from dingda.simulator.dingtalk.rules import ReplyVerdict, parse_reply
from dingda.simulator.dingtalk.sessions import Session, Sessions
from dingda.simulator.dingtalk.signed_callback import SignedCallback, body_of, signed_headers
from dingda.simulator.dingtalk.user_message import UserMessage

_WITHOUT_ERRCODE = (
    ReplyFault.FAIL,
    ReplyFault.UNAVAILABLE,
    ReplyFault.GATEWAY,
    ReplyFault.HANG,
    ReplyFault.CLOSE,
)
"""The faults whose response has no errcode."""


class Simulation:
    """The robots' DingTalk: their groups, their single chats, and the messages in them.

    Args:
        robots: each with its code, and the secret that signs its callbacks. The first is the one
            that messages are sent to unless they name another.
        public_url: where the gateway and the worker reach the simulator, without a last slash.
        now_ms: the clock, in ms since 1970.
        session_life_ms: how long after its message a session takes replies.
        replies_per_minute: how many replies a conversation takes; None for any number.
    """

    def __init__(
        self,
        *,
        robots: Sequence[Robot],
        public_url: str,
        now_ms: Callable[[], int],
        session_life_ms: int = SESSION_LIFE_MS,
        replies_per_minute: int | None = REPLIES_PER_MINUTE,
    ) -> None:
        self.robots = SimulatedRobots(robots)
        self.public_url = public_url
        self.now_ms = now_ms
        self._judge = ReplyJudge(replies_per_minute)
        self._faults = NO_FAULTS
        self.records = RecordStore()
        self._sessions = Sessions(self.records, public_url=public_url, life_ms=session_life_ms)
        self.bot_sends = BotSends(self.records, now_ms=now_ms)

    @property
    def host(self) -> str:
        """Where it is, as a host with a port; what fakes of backends say of themselves holds it."""
        return urlsplit(self.public_url).netloc

    @property
    def faults(self) -> FaultSettings:
        """What goes wrong at present."""
        return self._faults

    @faults.setter
    def faults(self, faults: FaultSettings) -> None:
        self._faults = faults
        self.records.touch()

    def send(self, message: UserMessage) -> SignedCallback:
        """Build a message's callback, and begin its record.

        Raises:
            UnknownRobotError: if it names a robot that does not exist.
        """
        message, robot = self._addressed(message)
        now_ms = self.now_ms()
        session = self._sessions.open(now_ms)
        callback = build_callback(
            message,
            session_webhook=session.webhook,
            created_ms=now_ms,
            expires_ms=session.expires_ms,
            robot=robot,
        )
        if self._faults.callbacks is CallbackFault.QUOTA:
            callback = over_quota(callback)
        record = Record(
            msg_id=callback["msgId"],
            sent_at_ms=now_ms,
            said=message,
            headers=self._headers(now_ms, robot),
            callback=callback,
            session_expires_ms=session.expires_ms,
            ledger_id=_ledger_id(body_of(callback)),
        )
        self._remember(session, record)
        return _signed(record)

    def preview(self, message: UserMessage) -> dict[str, Any]:
        """The callback that a message would be sent as, less what is made fresh (`FRESH`).

        Raises:
            UnknownRobotError: if it names a robot that does not exist.
        """
        message, robot = self._addressed(message)
        callback = build_callback(
            message, session_webhook="", created_ms=0, expires_ms=0, robot=robot
        )
        return without_fresh(callback)

    def send_raw(self, body: bytes, *, verbatim: bool = False) -> SignedCallback:
        """Sign any body as a callback, and begin its record.

        The secret is that of the robot whose code the callback has; with any other, the first's.

        Args:
            body: of a JSON object the fields in `FRESH` are replaced, so that the reply comes back.
            verbatim: whether it is sent byte for byte, as everything but a JSON object always is.
                Then a reply is recorded only if its session belongs to an earlier message.
        """
        now_ms = self.now_ms()
        session = self._sessions.open(now_ms)
        callback = parse_reply(body) or {}
        is_fresh = bool(callback) and not verbatim
        if is_fresh:
            fresh = (new_msg_id(), now_ms, session.webhook, session.expires_ms)
            callback |= zip(FRESH, fresh, strict=True)
            body = body_of(callback)
        record = Record(
            msg_id=callback["msgId"] if is_fresh else f"raw{secrets.token_hex(8)}",
            sent_at_ms=now_ms,
            said=self._read_user_message(callback),
            headers=self._headers(now_ms, self._robot_of(callback)),
            callback=callback,
            session_expires_ms=session.expires_ms,
            ledger_id=_ledger_id(body),
            raw=True,
            verbatim=None if is_fresh else body,
        )
        self._remember(session, record)
        return _signed(record)

    def send_again(self, msg_id: str) -> SignedCallback | None:
        """Sign a message's callback again, with the same body; None if it is unknown."""
        record = self.record(msg_id)
        if record is None:
            return None
        headers = self._headers(self.now_ms(), self._robot_of(record.callback))
        return replace(_signed(record), headers=headers)

    def note_ack(self, msg_id: str, *, status: int, body: str) -> None:
        """Note the gateway's response to a callback, and show the reply that it may hold."""
        record = self.record(msg_id)
        if record is None:
            return
        ack = Ack(status, body, self.now_ms() - record.sent_at_ms)
        if record.ack or record.undelivered:
            self.records.put(replace(record, redeliveries=(*record.redeliveries, ack)))
            return
        reply = in_callback_reply(ack) if ack.ok else None
        is_busy = reply is not None and reply.text == BUSY
        self.records.put(replace(record, ack=ack, in_callback_reply=reply, turned_away=is_busy))

    def note_undelivered(self, msg_id: str, why: str, reason: str = "") -> None:
        """Note that the gateway never responded to a callback.

        Args:
            msg_id: the message's.
            why: for people.
            reason: the same for programs, as `errors.Unanswered` has it.
        """
        record = self.record(msg_id)
        if record and record.ack is None:
            after_ms = self.now_ms() - record.sent_at_ms
            noted = replace(record, undelivered=why, undelivered_reason=reason)
            self.records.put(replace(noted, undelivered_after_ms=after_ms))

    def note_timeline(self, msg_id: str, timeline: MessageTimeline) -> None:
        """Note the ledger's timeline of a message, and keep those of earlier leases."""
        if record := self.record(msg_id):
            earlier = [
                past for past in record.stories if 0 < past.lease_count < timeline.lease_count
            ]
            self.records.put(replace(record, stories=(*earlier, timeline)))

    def clear(self) -> None:
        """Forget all messages, and what the bot sent first, but what it still works on."""
        now_ms = self.now_ms()
        self.records.clear(but=lambda record: record.is_being_answered(now_ms))

    def expire(self, msg_id: str) -> None:
        """Close a message's session now, whatever its callback says."""
        if record := self.record(msg_id):
            self.records.put(replace(record, session_expires_ms=self.now_ms()))

    def reply(self, session: str, *, content_type: str, body: bytes) -> ReplyVerdict:
        """Judge a reply that was POSTed to a session, and note it if the session is known.

        Args:
            session: the token from the sessionWebhook's query.
            content_type: the request's header, or "".
            body: the request's body.
        """
        now_ms = self.now_ms()
        record = self._sessions.record_of(session)
        verdict = self._judge.judge(
            record, content_type=content_type, body=body, fault=self._faults.replies, now_ms=now_ms
        )
        if record:
            self._note(record, parse_reply(body), verdict, now_ms)
        return verdict

    def name_of_robot(self, code: str) -> str:
        """The name of the robot with a code, as in `UserMessage`."""
        return self.robots.shown_name(self.robots.of_code(code))

    def group_of(self, conversation_id: str) -> str | None:
        """The name of a group that a robot is in, as in `UserMessage`.

        Returns:
            None if it is no group; "" also of one that a raw callback alone has named.
        """
        if conversation_id == GROUP_ID:
            return ""
        names = (
            record.said.group
            for record in self.records.since(0)
            if record.callback.get("conversationId") == conversation_id
            and record.callback.get("conversationType") == "2"
        )
        return next(names, None)

    def react(self, msg_id: str, conversation_id: str, emotion: str, *, is_on: bool) -> bool:
        """Put an emotion on a user's message or take it away; False if there is no such message."""
        record = self.record(msg_id)
        if record is None or record.callback.get("conversationId") != conversation_id:
            return False
        others = tuple(each for each in record.reactions if each != emotion)
        self.records.put(replace(record, reactions=(*others, emotion) if is_on else others))
        return True

    def record(self, msg_id: str) -> Record | None:
        """The record of a message; None if it is unknown or forgotten."""
        return self.records.get(msg_id)

    def _remember(self, session: Session, record: Record) -> None:
        self.records.put(record)
        self._sessions.assign(session, record.msg_id)

    def _addressed(self, message: UserMessage) -> tuple[UserMessage, Robot]:
        """A message with its robot's and its group's one name, and the robot."""
        robot = self.robots.called(message.robot)
        group = "" if message.group == GROUP_TITLE else message.group
        return replace(message, group=group, robot=self.robots.shown_name(robot)), robot

    def _robot_of(self, callback: dict[str, Any]) -> Robot:
        return self.robots.of_code(string(callback, "robotCode"))

    def _read_user_message(self, callback: dict[str, Any]) -> UserMessage:
        """Read a raw callback; one of a group that is not known here shows in the first."""
        said = read_user_message(callback)
        said = replace(said, robot=self.robots.shown_name(self._robot_of(callback)))
        if said.single or said.group:
            return said
        return replace(said, group=self.group_of(string(callback, "conversationId")) or "")

    def _headers(self, now_ms: int, robot: Robot) -> dict[str, str]:
        return signed_headers(robot, now_ms, self._faults.callbacks)

    def _note(
        self, record: Record, payload: dict[str, Any] | None, verdict: ReplyVerdict, now_ms: int
    ) -> None:
        reply = record_reply(payload, verdict, after_ms=now_ms - record.sent_at_ms)
        if self._faults.replies in _WITHOUT_ERRCODE:
            reply = replace(reply, trouble=self._faults.replies)
        self.records.put(replace(record, replies=(*record.replies, reply)))


def _signed(record: Record) -> SignedCallback:
    body = body_of(record.callback) if record.verbatim is None else record.verbatim
    return SignedCallback(record.msg_id, record.headers, body)


def _ledger_id(body: bytes) -> str | None:
    try:
        message = parse_message(body)
    except InvalidMessageError:
        return None
    return message.id if isinstance(message, Message) else None
