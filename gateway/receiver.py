"""Stores what DingTalk delivered, whichever transport brought it: messages, events, card actions.

A transport (`gateway.http`) authenticates a delivery, hands its body to the receiver, and tells
DingTalk what the `Ack` says. `Stored` means that it is in Redis; it is never said earlier.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time_ns
from typing import Any

from redis.exceptions import RedisError

from dingda.gateway.intake import ROUND_TRIP_S, Intake
from dingda.gateway.metrics import GatewayMetrics
from dingda.gateway.worker_presence import WorkerPresence
from dingda.shared.dingtalk.card_action import parse_card_action
from dingda.shared.dingtalk.event import parse_event
from dingda.shared.dingtalk.message import Envelope, Ignored, read_envelope, with_robot_code
from dingda.shared.dingtalk.notification import (
    card_action_envelope,
    card_action_payload,
    event_envelope,
    event_payload,
    press_of,
)
from dingda.shared.dingtalk.push import Push
from dingda.shared.dingtalk.robots import ANY_ROBOT, NO_CODES, Robot, Robots
from dingda.shared.errors import BusyError, InvalidMessageError, InvalidReplyError
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.deadline import within
from dingda.shared.runtime.task_owner import TaskOwner
from dingda.shared.runtime.tracing import Tracing

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """The message is in Redis."""


@dataclass(frozen=True, slots=True)
class Delayed:
    """The message is in Redis, and its sender must be told that the answer comes late."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The message was in Redis already."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The message is not stored, and its sender must be told to try again later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """The body is no message; DingTalk should not deliver it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Misdirected:
    """The message is not stored: it names another robot than the one that it came to."""

    reason: str


MAX_BODY_BYTES = 256 * 1024
"""The largest message, event or card action. Room for a quoted reply of ours (20,000 bytes),
which DingTalk quotes as a tree of short runs."""

Ack = Stored | Delayed | Duplicate | Ignored | Busy | Invalid | Misdirected
"""What became of a delivery. `Ignored`: it was genuine, and there is nothing to answer."""


_STORED, _DELAYED = Stored(), Delayed()
_NO_WORKERS = Busy("no worker is alive (DINGDA_NO_WORKERS)")


def _allow(_: Envelope) -> None:
    """Let every message be stored."""


class Receiver:
    """Reads the envelopes of what is delivered, and stores it. It knows no transport.

    Args:
        intake: stores the messages.
        ledger: counts the deliveries that need no answer.
        tracing: traces what is stored.
        workers: whether all workers are gone; None: that is no matter.
        stores_without_workers: whether messages are stored while they are; else the bot is busy.
        now_ms: the clock, in ms since 1970.
        robots: all robots; a message to one of several is told from one to another.
        metrics: counts each robot's messages.
    """

    def __init__(  # noqa: PLR0913 - its parts, each by its name
        self,
        intake: Intake,
        ledger: Ledger,
        tracing: Tracing | None = None,
        *,
        workers: WorkerPresence | None = None,
        stores_without_workers: bool = True,
        now_ms: Callable[[], int] = wall_clock_ms,
        robots: Robots = ANY_ROBOT,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._intake = intake
        self._ledger = ledger
        self._tracing = tracing or Tracing()
        self._workers = workers
        self._stores_without_workers = stores_without_workers
        self._now_ms = now_ms
        self._robots = robots
        self._metrics = metrics or GatewayMetrics()

    async def receive(
        self, body: bytes, robot: Robot, *, check: Callable[[Envelope], None] = _allow
    ) -> Ack:
        """Store the message in a body.

        Args:
            body: a callback's JSON, from a delivery that has been authenticated.
            robot: the one whose secret signed it, or whose connection it came by.
            check: called with the message's envelope before it is stored. It may raise to prevent
                that: the exception passes through.

        Returns:
            What became of it, after a second at the most.
        """
        try:
            envelope = read_envelope(body)
        except InvalidMessageError as error:
            return Invalid(str(error))
        if isinstance(envelope, Ignored):
            await self._count(envelope)
            return envelope
        if not self._robots.is_said_to(robot, envelope.robot_code):
            return Misdirected(f"it came to {robot.label}, and its robotCode is another's")
        if envelope.robot_code in NO_CODES and not self._robots.takes_any_code:
            return await self.receive(with_robot_code(body, robot.code), robot, check=check)
        check(envelope)
        ack = await self._store(envelope, body)
        if isinstance(ack, Stored | Delayed):
            self._metrics.message_stored(robot)
        return ack

    async def receive_event(self, headers: Mapping[str, Any], data: bytes, robot: Robot) -> Ack:
        """Store an event for the worker to call hooks for.

        Args:
            headers: of the frame that brought it, as `read_object` reads them.
            data: the frame's data, JSON.
            robot: the one whose connection it came by.

        Returns:
            What became of it, after a second at the most. `Busy`: DingTalk should push it again.
        """
        try:
            _check_size(data)
            event = parse_event(headers, data)
        except InvalidMessageError as error:
            return Invalid(str(error))
        if isinstance(event, Ignored):
            await self._count(event)
            return event
        envelope = event_envelope(robot.code, event, now_ms=self._now_ms())
        return await self._store(envelope, event_payload(robot.code, headers, data))

    async def receive_card_action(self, data: bytes, robot: Robot) -> Ack:
        """Store a card action for the worker to call hooks for.

        Args:
            data: the callback's JSON.
            robot: the one whose connection or callback it came by.

        Returns:
            What became of it, after a second and a half at the most: DingTalk waits for two.
        """
        try:
            _check_size(data)
            action = parse_card_action(data)
            press = press_of(robot.code, action)
        except InvalidMessageError as error:
            return Invalid(str(error))
        try:
            name = await within(ROUND_TRIP_S, self._ledger.name_press(press))
        except (RedisError, OSError, TimeoutError):
            return Busy("the press could not be looked up")
        envelope = card_action_envelope(robot.code, action, name, now_ms=self._now_ms())
        return await self._store(envelope, card_action_payload(robot.code, data))

    async def receive_push(self, push: Push, robot: Robot) -> Ack:
        """Store what another system wants the bot to say.

        Args:
            push: what, and to whom.
            robot: which robot speaks.

        Returns:
            What became of it, after a second at the most.
        """
        try:
            payload = push.to_payload(robot.code)
        except InvalidReplyError as error:
            return Invalid(str(error))
        return await self._store(push.envelope(robot.code, now_ms=self._now_ms()), payload)

    async def _store(self, envelope: Envelope, body: bytes) -> Ack:
        is_delayed = self._workers is not None and self._workers.are_gone
        if is_delayed and not self._stores_without_workers:
            return _NO_WORKERS
        began_ns = time_ns()
        try:
            result = await self._intake.accept(envelope, body)
        except BusyError as error:
            return Busy(str(error))
        if result is AcceptResult.DUPLICATE:
            logger.debug("came again", extra={"task_owner": TaskOwner(envelope.id)})
            return Duplicate()
        self._tracing.stored(envelope.id, began_ns)
        return _DELAYED if is_delayed else _STORED

    async def _count(self, ignored: Ignored) -> None:
        if ignored.reason == "over_quota":
            logger.error(
                "DingTalk sends messages and events without what they say: this organisation's "
                "monthly quota is used up (20001). Raise it in the console, under resource "
                "management."
            )
        try:
            await within(ROUND_TRIP_S, self._ledger.ignore(ignored.reason))
        except (RedisError, OSError, TimeoutError):
            logger.warning("could not count an ignored callback (%s)", ignored.reason)


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BODY_BYTES:
        raise InvalidMessageError(f"longer than {MAX_BODY_BYTES} bytes")
