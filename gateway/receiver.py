"""Stores a message that DingTalk delivered, whichever transport brought it.

A transport (`gateway.http`) authenticates a delivery, hands its body to the receiver, and tells
DingTalk what the `Ack` says. `Stored` means that the message is in Redis; it is never said earlier.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import time_ns

from redis.exceptions import RedisError

from dingda.gateway.intake import ROUND_TRIP_S, Intake
from dingda.gateway.worker_presence import WorkerPresence
from dingda.shared.dingtalk.message import Ignored, read_envelope
from dingda.shared.errors import BusyError, InvalidMessageError
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult
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


Ack = Stored | Delayed | Duplicate | Ignored | Busy | Invalid
"""What became of a delivery. `Ignored`: it was genuine, and there is nothing to answer."""


_STORED, _DELAYED = Stored(), Delayed()
_NO_WORKERS = Busy("no worker is alive (DINGDA_NO_WORKERS)")


def _allow(_: str) -> None:
    """Let every message be stored."""


class Receiver:
    """Reads the envelopes of messages and stores them. It knows no transport.

    Args:
        intake: stores the messages.
        ledger: counts the deliveries that need no answer.
        tracing: traces what is stored.
        workers: whether all workers are gone; None: that is no matter.
        stores_without_workers: whether messages are stored while they are; else the bot is busy.
    """

    def __init__(
        self,
        intake: Intake,
        ledger: Ledger,
        tracing: Tracing | None = None,
        *,
        workers: WorkerPresence | None = None,
        stores_without_workers: bool = True,
    ) -> None:
        self._intake = intake
        self._ledger = ledger
        self._tracing = tracing or Tracing()
        self._workers = workers
        self._stores_without_workers = stores_without_workers

    async def receive(self, body: bytes, *, check: Callable[[str], None] = _allow) -> Ack:
        """Store the message in a body.

        Args:
            body: a callback's JSON, from a delivery that has been authenticated.
            check: called with the message's id before it is stored. It may raise to prevent that:
                the exception passes through.

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
        check(envelope.id)
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
                "DingTalk sends messages without their text: this organisation's monthly quota is "
                "used up (errorCode 20001). Raise it in the console, under resource management."
            )
        try:
            await within(ROUND_TRIP_S, self._ledger.ignore(ignored.reason))
        except (RedisError, OSError, TimeoutError):
            logger.warning("could not count an ignored callback (%s)", ignored.reason)
