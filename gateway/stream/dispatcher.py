"""From a frame to what receives its topic, and from what became of it to its acknowledgement."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from dingda.gateway.receiver import (
    MAX_BODY_BYTES,
    Ack,
    Busy,
    Delayed,
    Duplicate,
    Invalid,
    Misdirected,
    Receiver,
    Stored,
)
from dingda.gateway.stream import frames
from dingda.gateway.stream.frames import Frame
from dingda.gateway.stream.metrics import FrameOutcome, Topic
from dingda.gateway.throttled_log import ThrottledLog
from dingda.shared.dingtalk.message import Ignored
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.logs import identifier

logger = logging.getLogger(__name__)

_SYSTEM_TOPICS = {frames.PING: Topic.PING, frames.DISCONNECT: Topic.DISCONNECT}
_CALLBACK_TOPICS = {frames.ROBOT_MESSAGE: Topic.MESSAGE, frames.CARD_ACTION: Topic.CARD}


@dataclass(frozen=True, slots=True)
class Reaction:
    """What became of a frame, and its acknowledgement; None: DingTalk shall send it again."""

    outcome: FrameOutcome
    acknowledgement: bytes | None


FrameHandler = Callable[[Frame, Robot], Awaitable[Reaction]]
"""Handles a frame that came over a robot's connection, within a second or so."""


def topic_of(frame: Frame) -> Topic:
    """What a frame is about."""
    match frame.type:
        case frames.CALLBACK:
            return _CALLBACK_TOPICS.get(frame.topic, Topic.OTHER)
        case frames.EVENT:
            return Topic.EVENT
        case frames.SYSTEM:
            return _SYSTEM_TOPICS.get(frame.topic, Topic.OTHER)
        case _:
            return Topic.OTHER


def _leave_unacknowledged(_: Frame) -> None:
    """Say nothing: the frame comes again."""


class Dispatcher:
    """Hands frames to the receiver, by their topics.

    Args:
        receiver: stores messages, events and card actions.
    """

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._log = ThrottledLog(logger)

    async def handle(self, frame: Frame, robot: Robot) -> Reaction:
        """Handle a frame that came over a robot's connection; see `FrameHandler`."""
        data = frame.data.encode()
        match topic_of(frame):
            case Topic.MESSAGE:
                ack = await self._receive_message(data, robot)
                return self._react(ack, frame, robot, done=frames.message_done)
            case Topic.CARD:
                ack = await self._receiver.receive_card_action(data, robot)
                return self._react(ack, frame, robot, done=frames.card_done)
            case Topic.EVENT:
                ack = await self._receiver.receive_event(frame.headers, data, robot)
                later = frames.event_later
                return self._react(ack, frame, robot, done=frames.event_done, later=later)
            case _:
                what = f"{identifier(frame.type)} {identifier(frame.topic)}"
                self._note("unknown", "nothing takes such a frame (%d so far): %s", robot, what)
                return Reaction(FrameOutcome.UNKNOWN, frames.unknown(frame))

    async def _receive_message(self, data: bytes, robot: Robot) -> Ack:
        if len(data) > MAX_BODY_BYTES:
            return Invalid(f"the message is larger than {MAX_BODY_BYTES} bytes")
        return await self._receiver.receive(data, robot)

    def _react(
        self,
        ack: Ack,
        frame: Frame,
        robot: Robot,
        *,
        done: Callable[[Frame], bytes],
        later: Callable[[Frame], bytes | None] = _leave_unacknowledged,
    ) -> Reaction:
        match ack:
            case Stored() | Delayed():
                return Reaction(FrameOutcome.STORED, done(frame))
            case Duplicate():
                return Reaction(FrameOutcome.DUPLICATE, done(frame))
            case Ignored():
                return Reaction(FrameOutcome.IGNORED, done(frame))
            case Invalid(reason) | Misdirected(reason):
                self._note("invalid", "refused a frame (%d so far): %s", robot, reason)
                return Reaction(FrameOutcome.INVALID, frames.refused(frame, reason))
            case Busy(reason):
                line = "not stored, so it shall come again (%d so far): %s"
                self._note("busy", line, robot, reason)
                return Reaction(FrameOutcome.BUSY, later(frame))

    def _note(self, kind: str, line: str, robot: Robot, detail: str) -> None:
        self._log.note(kind, line, f"robot {robot.label}: {detail}")
