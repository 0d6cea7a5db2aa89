"""One open Stream connection: its frames are read, handled side by side, and acknowledged.

A frame is acknowledged at most once, over the connection that it came by, and only when what it
holds is stored. What is not acknowledged comes again, as another frame with the same content.
"""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from time import perf_counter
from typing import Any

import aiohttp
from aiohttp import WSMsgType

from dingda.gateway.stream import frames
from dingda.gateway.stream.dispatcher import FrameHandler, topic_of
from dingda.gateway.stream.frames import Frame, read_frame
from dingda.gateway.stream.metrics import DisconnectReason, FrameOutcome, StreamMetrics, Topic
from dingda.gateway.stream.opening import OpenSocket
from dingda.gateway.throttled_log import ThrottledLog
from dingda.shared.dingtalk.fields import mapping, string
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.errors import InvalidMessageError
from dingda.shared.runtime.logs import identifier, trace

logger = logging.getLogger(__name__)

SILENCE_S = 75.0
"""How long nothing may come, in seconds. DingTalk pings every 20 to 30 s. The failure that is
reported most is a connection that is open, answers our pings, and brings nothing any more
(soimy/openclaw-channel-dingtalk#308, open-dingtalk/dingtalk-stream-sdk-python#63)."""
FRAMES_AT_ONCE = 256
"""How many are handled at once: as many as are stored in one round trip to Redis. Beyond that
nothing more is read, so TCP lets DingTalk wait."""
LAST_ACKS_S = 2.0
"""How long the last acknowledgements may take: what is being stored is, or is not, within one."""
CLOSE_S = 1.0
"""How long DingTalk may take to close its side."""
_LATE_S = 1.0
"""How late a timeout may be, in seconds, for it to tell of DingTalk and not of us."""
_NORMAL_CLOSURE = struct.pack("!H", aiohttp.WSCloseCode.OK)


class Connection:
    """An open connection of one robot. `run` reads it, until it ends.

    Args:
        opened: its socket; it is closed at the end.
        robot: whose it is.
        handle: handles a frame.
        metrics: counts the frames.
    """

    def __init__(
        self,
        opened: OpenSocket,
        robot: Robot,
        handle: FrameHandler,
        metrics: StreamMetrics,
    ) -> None:
        self._session = opened.session
        self._socket = opened.socket
        self._robot = robot
        self._handle = handle
        self._metrics = metrics
        self._log = ThrottledLog(logger)
        self._in_hand: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(FRAMES_AT_ONCE)
        self._silence = asyncio.timeout(SILENCE_S)
        self._is_reading = False
        self._is_leaving = False
        self._may_write = True
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done once DingTalk asks us to leave, with its reason, fit for a log. It stops delivering
        at once, and closes after about ten seconds (protocol)."""

    async def run(self) -> DisconnectReason:
        """Read and acknowledge frames until the connection ends; returns why."""
        try:
            return await self._read()
        finally:
            await self._finish()

    async def leave(self) -> None:
        """Close it in good order: first the last acknowledgements, then the close handshake.

        `run` ends soon after, `LAST_ACKS_S` and `CLOSE_S` later at the most. Until DingTalk closes
        its side it goes on delivering: that is stored, although it can't be acknowledged any more.
        """
        if self._is_leaving:
            return
        self._is_leaving = True
        async with self._nothing_in_hand():
            if self._is_reading and not self._silence.expired():
                self._may_write = False
                self._silence.reschedule(asyncio.get_running_loop().time() + CLOSE_S)
                await _bounded(self._socket.send_frame(_NORMAL_CLOSURE, WSMsgType.CLOSE))

    async def _read(self) -> DisconnectReason:
        """Read until the connection ends, or nothing has come for too long."""
        self._is_reading = True
        try:
            while True:
                try:
                    async with self._silence:
                        return await self._read_frames()
                except TimeoutError:
                    if not _is_late(self._silence):
                        return DisconnectReason.SILENCE
                    # The process was stopped, as when a machine sleeps: what came is still unread.
                    self._silence = asyncio.timeout(_LATE_S)
        finally:
            self._is_reading = False

    async def _read_frames(self) -> DisconnectReason:
        loop = asyncio.get_running_loop()
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                is_error = message.type is WSMsgType.ERROR
                return DisconnectReason.ERROR if is_error else DisconnectReason.CLOSED
            if self._may_write:  # else it is closing, and has little time left
                self._silence.reschedule(loop.time() + SILENCE_S)
            await self._begin(message.data)

    async def _begin(self, text: bytes) -> None:
        """Begin to handle a WebSocket message."""
        began_s = perf_counter()
        try:
            frame = read_frame(text)
        except InvalidMessageError as error:
            what = f"robot {self._robot.label}: {error}"
            self._log.note("frame", "received what is not a frame (%d so far): %s", what)
            self._metrics.frame_ended(Topic.OTHER, FrameOutcome.INVALID)
            return
        act = self._handle_system if frame.type == frames.SYSTEM else self._respond
        await self._places.acquire()
        task = asyncio.create_task(act(frame, began_s))
        self._in_hand.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._in_hand.discard(task)
        self._places.release()

    async def _handle_system(self, frame: Frame, began_s: float) -> None:
        """Do what a SYSTEM frame asks for."""
        topic = topic_of(frame)
        self._metrics.frame_ended(topic, FrameOutcome.IGNORED)
        if topic is Topic.PING:
            await self._write(frames.pong(frame), began_s)
            return
        await self._write(frames.system_done(frame), began_s)
        if topic is Topic.DISCONNECT and not self.told.done():
            self.told.set_result(identifier(string(mapping(frame.data), "reason")))

    async def _respond(self, frame: Frame, began_s: float) -> None:
        """Have a frame handled, and acknowledge it."""
        try:
            reaction = await self._handle(frame, self._robot)
        except Exception as error:  # noqa: BLE001 - the connection lives on
            what = f"robot {self._robot.label}: {trace(error)}"
            logger.error("a frame was not handled, so it is not acknowledged: %s", what)
            self._metrics.frame_ended(topic_of(frame), FrameOutcome.FAILED)
            return
        self._metrics.frame_ended(topic_of(frame), reaction.outcome)
        if reaction.acknowledgement is not None:
            await self._write(reaction.acknowledgement, began_s)

    async def _write(self, acknowledgement: bytes, began_s: float) -> None:
        """Write an acknowledgement; where that can't be done any more, the frame comes again."""
        if not self._may_write:
            return
        with suppress(OSError, aiohttp.ClientError):
            await self._socket.send_frame(acknowledgement, WSMsgType.TEXT)
            self._metrics.acknowledged(perf_counter() - began_s)

    @asynccontextmanager
    async def _nothing_in_hand(self) -> AsyncIterator[None]:
        """Take every place: no frame is begun as long as the context lasts, and none is under way.

        What still is after `LAST_ACKS_S` goes on.
        """
        taken = 0
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_ACKS_S):
                    while taken < FRAMES_AT_ONCE:
                        await self._places.acquire()
                        taken += 1
            yield
        finally:
            for _ in range(taken):
                self._places.release()

    async def _finish(self) -> None:
        """Write the last acknowledgements, and close the socket."""
        try:
            if self._in_hand:
                await asyncio.wait(self._in_hand, timeout=LAST_ACKS_S)
            self._may_write = False
            await _bounded(self._socket.close())
        finally:
            for task in self._in_hand:
                task.cancel()
            await self._session.close()


def _is_late(expired: asyncio.Timeout) -> bool:
    """Whether a timeout was noticed long after its time, so that it tells of us alone."""
    now_s, when_s = asyncio.get_running_loop().time(), expired.when()
    return when_s is not None and now_s - when_s > _LATE_S


async def _bounded(call: Coroutine[Any, Any, object]) -> None:
    """Let a call of the socket's end, whatever comes of it; after `CLOSE_S` it is cancelled.

    In a task of its own. Calls that wait for the server to read share a future of aiohttp's
    (`BaseProtocol._drain_helper`): one that is cancelled cancels the others, which must not pass
    for our own cancellation.
    """
    task = asyncio.ensure_future(call)
    task.add_done_callback(_ignore_result)
    try:
        await asyncio.wait({task}, timeout=CLOSE_S)
    finally:
        task.cancel()


def _ignore_result(task: "asyncio.Task[object]") -> None:
    """Look at its exception, which asyncio would log otherwise."""
    if not task.cancelled():
        task.exception()
