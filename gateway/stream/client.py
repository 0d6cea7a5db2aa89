"""A Stream client keeps a connection open for one robot, from the process's start to its end.

A connection that is to end is replaced first, where that is known before: DingTalk asks for it, or
it is old. For the length of that hand-over there are two, never more: DingTalk delivers to any
connection of a robot, so one that is forgotten takes a share of the messages with it.
"""

import asyncio
import logging
from dataclasses import dataclass
from random import Random
from typing import Any, NoReturn

from dingda.gateway.stream.backoff import Backoff
from dingda.gateway.stream.connection import CLOSE_S, LAST_ACKS_S, Connection
from dingda.gateway.stream.dispatcher import FrameHandler
from dingda.gateway.stream.metrics import ConnectResult, DisconnectReason, StreamMetrics
from dingda.gateway.stream.opening import Opener, OpeningError, OpenSocket, RefusedError
from dingda.shared.dingtalk.robots import Robot

logger = logging.getLogger(__name__)

RENEW_AFTER_S = (6 * 3600.0, 12 * 3600.0)
"""How old a connection gets, any age between these: the SDK for Java renews after six hours, and
DingTalk ends one after about twenty (open-dingtalk/dingtalk-stream-sdk-python#22)."""
_HAND_OVER_S = 10.0
"""How long DingTalk leaves a connection open once it has asked us to leave it (protocol)."""


@dataclass(slots=True, eq=False)
class _Open:
    """A connection, and what reads it."""

    connection: Connection
    reading: "asyncio.Task[DisconnectReason]"
    since_s: float
    left_for: DisconnectReason | None = None
    """Why we leave it; None as long as we don't."""

    def reason(self) -> DisconnectReason:
        """Why it has ended by itself."""
        if self.reading.cancelled() or self.reading.exception():
            return DisconnectReason.ERROR
        return self.reading.result()


class StreamClient:
    """Keeps a robot's connection open.

    Args:
        robot: whose it is.
        opener: opens one.
        handle: handles its frames.
        metrics: counts what becomes of it.
        random: where chance comes from.
    """

    def __init__(
        self,
        robot: Robot,
        opener: Opener,
        handle: FrameHandler,
        metrics: StreamMetrics,
        *,
        random: Random,
    ) -> None:
        self._robot = robot
        self._opener = opener
        self._handle = handle
        self._metrics = metrics
        self._random = random
        self._backoff = Backoff(random)
        self._name = f"robot {robot.label}"
        self._all: set[_Open] = set()
        self.has_connected = asyncio.Event()
        """Set once a connection has been opened for the first time."""
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def open_count(self) -> int:
        """How many are open: one, two during a hand-over, or none."""
        return len(self._all)

    async def run(self) -> NoReturn:
        """Keep one open until cancelled; it is then closed in good order, within a few seconds."""
        try:
            current = await self._open(pause_s=0.0)
            while True:
                pause_s = await self._until_due(current)
                fresh = await self._open(pause_s=pause_s, beside=current)
                retiring = asyncio.create_task(self._end(current, grace_s=_HAND_OVER_S))
                retiring.add_done_callback(self._retiring.discard)
                self._retiring.add(retiring)
                current = fresh
        finally:
            for one in self._all:
                one.left_for = one.left_for or DisconnectReason.STOPPED
            await asyncio.gather(*map(self._end, self._all))

    async def _open(self, *, pause_s: float, beside: _Open | None = None) -> _Open:
        """Open a connection, however many attempts that takes.

        Args:
            pause_s: how long to wait before the first.
            beside: what may stay open meanwhile; what else is open is closed before.
        """
        while True:
            await asyncio.sleep(pause_s)
            await asyncio.gather(*map(self._end, self._all - {beside}))
            try:
                opened = await self._opener.open(self._robot)
            except RefusedError as error:
                self._metrics.connect_ended(ConnectResult.REFUSED)
                pause_s = self._backoff.refused()
                logger.error("%s: %s; next attempt in %.0f s", self._name, error, pause_s)
            except OpeningError as error:
                self._metrics.connect_ended(ConnectResult.FAILED)
                pause_s = self._backoff.failed()
                logger.warning("%s: %s; next attempt in %.1f s", self._name, error, pause_s)
            else:
                self._metrics.connect_ended(ConnectResult.OPENED)
                logger.info("%s: connected to DingTalk", self._name)
                return self._start(opened)

    def _start(self, opened: OpenSocket) -> _Open:
        connection = Connection(opened, self._robot, self._handle, self._metrics)
        one = _Open(connection, asyncio.create_task(connection.run()), _now_s())
        self._all.add(one)
        self.has_connected.set()
        one.reading.add_done_callback(lambda _: self._ended(one))
        return one

    def _ended(self, one: _Open) -> None:
        self._all.discard(one)
        self._metrics.disconnected(one.left_for or one.reason())

    async def _until_due(self, current: _Open) -> float:
        """Wait until a connection is to be replaced; returns how many seconds later."""
        told = current.connection.told
        age_s = self._random.uniform(*RENEW_AFTER_S)
        ends: tuple[asyncio.Future[Any], ...] = (current.reading, told)
        await asyncio.wait(ends, timeout=age_s, return_when=asyncio.FIRST_COMPLETED)
        lived_s = _now_s() - current.since_s
        if told.done():
            pause_s = self._backoff.told(lived_s)
            current.left_for = DisconnectReason.TOLD
            why = f"DingTalk wants another connection ({told.result()})"
        elif current.reading.done():
            pause_s = self._backoff.ended(lived_s)
            why = f"the connection is lost ({current.reason()})"
        else:
            pause_s = self._backoff.ended(lived_s)
            current.left_for = DisconnectReason.RENEWED
            why = "the connection is old"
        logger.info("%s: %s; the next is opened in %.1f s", self._name, why, pause_s)
        return pause_s

    async def _end(self, one: _Open, *, grace_s: float = 0.0) -> None:
        """Close a connection in good order, unless DingTalk does so within the grace."""
        if one.left_for is DisconnectReason.TOLD:
            await asyncio.wait({one.reading}, timeout=grace_s)
        await one.connection.leave()
        await asyncio.wait({one.reading}, timeout=LAST_ACKS_S + 2 * CLOSE_S)
        one.reading.cancel()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
