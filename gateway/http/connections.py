"""Bounds on connections: how many there are, and how long each may take. uvicorn has neither.

One timer watches all connections of a process, as in `gateway.http.body`.
"""

import asyncio
import logging
import re
import resource
import select
import time
from collections.abc import Callable, Collection
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

logger = logging.getLogger(__name__)

STAGE_S = 6.0
"""How long a request may take to arrive, from its first byte or from connecting; and its response
to be sent after that. A body alone has less (`gateway.http.body`)."""
KEEP_ALIVE_S = 75
"""How long a connection may idle: longer than proxies keep theirs (nginx: 60 s). A proxy finds that
we closed one only with the next callback, which it won't send twice."""
_MOST = 4096
_OTHER_FILES = 64
"""File descriptors that are kept for Redis, logs and so on."""
_CHECK_EVERY_S = 0.5
_LAST_REQUEST_S = 1.0
"""How long a connection is kept for one more request when the process is about to end. A client
that uses it all the time has just sent one, and would lose it; it hears with the response that the
connection closes."""
_LOG_EVERY_S = 60.0
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_HEAD_BYTES = 16 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


Stage = dict["BoundedProtocol", float]
"""The connections in one stage, and since when (s), in the order in which they entered it."""


def connection_limit() -> int:
    """How many connections one process takes: what its open files allow, and 4096 at the most."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files == resource.RLIM_INFINITY:
        return _MOST
    return max(8, min(_MOST, open_files - _OTHER_FILES))


class Connections:
    """The connections of one process, each in one of three stages.

    A connection, also a new one, is *receiving* until a request has arrived whole, *responding*
    until the response is sent, then *idle* until the next request.

    Args:
        limit: how many there may be. One more closes another: the one that has been receiving
            longest, since a genuine request arrives within milliseconds; else the one that has been
            idle longest. If all others are responding, the new one is closed.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._receiving: Stage = {}
        self._responding: Stage = {}
        self._idle: Stage = {}
        self._is_watched = False
        self._logged_at_s = -_LOG_EVERY_S

    def admit(self, connection: "BoundedProtocol") -> None:
        """Take a new connection, and close another if there are too many."""
        connection.stage = self._receiving
        self.receive(connection)
        if len(self._receiving) + len(self._responding) + len(self._idle) <= self.limit:
            return
        self._log_limit()
        slowest = next(iter(self._receiving))
        if slowest is connection and self._idle:
            slowest = next(iter(self._idle))
        self._close(slowest)

    def receive(self, connection: "BoundedProtocol") -> None:
        """A request is expected, or has begun."""
        self._enter(self._receiving, connection)

    def respond(self, connection: "BoundedProtocol") -> None:
        """A request has arrived whole."""
        self._enter(self._responding, connection)

    def rest(self, connection: "BoundedProtocol") -> None:
        """The response is sent, and the connection is kept."""
        self._enter(self._idle, connection)

    def is_idle(self, connection: "BoundedProtocol") -> bool:
        """Whether it waits for its next request."""
        return connection in self._idle

    def forget(self, connection: "BoundedProtocol") -> None:
        """The connection is gone."""
        connection.stage.pop(connection, None)

    def _enter(self, stage: Stage, connection: "BoundedProtocol") -> None:
        connection.stage.pop(connection, None)
        connection.stage = stage
        stage[connection] = self._clock()
        if not self._is_watched:
            self._is_watched = True
            connection.loop.call_later(_CHECK_EVERY_S, self._check, connection.loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been receiving, or responding, for too long."""
        latest_s = self._clock() - STAGE_S
        for stage in (self._receiving, self._responding):
            for connection, since_s in list(stage.items()):
                if since_s > latest_s:
                    break
                self._close(connection)
        self._is_watched = bool(self._receiving or self._responding)
        if self._is_watched:
            loop.call_later(_CHECK_EVERY_S, self._check, loop)

    def _close(self, connection: "BoundedProtocol") -> None:
        self.forget(connection)
        # Not `close`: that would wait for a peer that reads no response.
        connection.transport.abort()

    def _log_limit(self) -> None:
        now_s = self._clock()
        if now_s - self._logged_at_s >= _LOG_EVERY_S:
            self._logged_at_s = now_s
            logger.warning(
                "all %d connections are taken, so the slowest are closed; "
                "raise the limit of open files (ulimit -n), or let a proxy bound its clients",
                self.limit,
            )


class ResponseWriter:
    """What uvicorn writes one response to: its head waits for its body, so that both go together.

    uvicorn writes them one after the other, and uvloop sends at once what it is given: that would
    be two packets, and a system call that costs as much as all parsing of a callback.

    Args:
        transport: the connection's.
    """

    __slots__ = ("_head", "_is_begun", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_begun = False
        self._head = b""

    def write(self, data: bytes) -> None:
        """Send more of the response, or keep it if it is the head."""
        if self._is_begun:
            self._transport.write(self._head + data)
            self._head = b""
        elif data == _CONTINUE:
            self._transport.write(data)
        else:
            self._is_begun = True
            self._head = data

    def flush(self) -> None:
        """Send a head that no body follows."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Send what is kept, and close the connection."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection is closed, or about to be."""
        return self._transport.is_closing()


class PipelineFlow(FlowControl):
    """uvicorn's flow control, which reads no more while requests wait for their turn.

    uvicorn 0.54 reads on after each response, however many wait: one client that sends requests
    without reading the responses filled gigabytes within seconds.

    Args:
        transport: the connection's.
        waiting: the requests that have arrived behind the one that is being answered.
    """

    def __init__(self, transport: asyncio.Transport, waiting: Collection[object]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    def resume_reading(self) -> None:
        """Read on, unless requests wait."""
        if self.read_paused and not self._waiting:
            self.read_paused = False
            self._transport.resume_reading()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, within bounds.

    Args:
        connections: those of this process.
        arguments: uvicorn's own.
    """

    def __init__(self, connections: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._bounds = connections
        self.stage: Stage = {}
        self._is_whole = True  # no request is on its way
        self._responding_cycle: RequestResponseCycle | None = None
        self._writer: ResponseWriter | None = None
        self._is_closing = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it."""
        super().connection_made(transport)
        self.flow = PipelineFlow(transport, self.pipeline)
        self._bounds.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and the requests that wait on it."""
        self._bounds.forget(self)
        self.pipeline.clear()
        if self._responding_cycle:  # with several requests at once, uvicorn disconnects the last
            self._responding_cycle.disconnected = True
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close after one more request, if it comes soon: the process is about to end."""
        self._is_closing = True
        if self._is_responding:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(_LAST_REQUEST_S, self._close_if_idle)

    @property
    def _is_responding(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's begins as None
        return cycle is not None and not cycle.response_complete

    def _close_if_idle(self) -> None:
        is_idle = self._is_whole and not self._is_responding
        if is_idle and not self.transport.is_closing() and not _has_arrived(self.transport):
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Read on; ignore an offer of another protocol (RFC 9110, 7.8).

        The parser would take what follows such an offer, the body, for that other protocol.
        """
        if self._is_whole and (offer := _UPGRADE.search(data, 0, _HEAD_BYTES)):
            data = data[: offer.start()] + b"\r\nx-offer:" + data[offer.end() :]
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request's first byte has come."""
        self._is_whole = False
        if self._bounds.is_idle(self):
            self._bounds.receive(self)
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """A request's last byte has come."""
        self._is_whole = True
        super().on_message_complete()
        self._enter_stage()

    def on_response_complete(self) -> None:
        """A response's last byte is sent."""
        if self._writer:
            self._writer.flush()
        super().on_response_complete()
        if not self.transport.is_closing():
            self._enter_stage()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._responding_cycle = cycle
        if self._is_closing and not self.pipeline:
            cycle.keep_alive = False
        self._writer = cycle.transport = ResponseWriter(self.transport)  # type: ignore[assignment]
        super()._start_asgi_task(cycle, app)

    def _enter_stage(self) -> None:
        if not self._is_whole:
            self._bounds.receive(self)
        elif self.pipeline or not self.cycle.response_complete:
            self._bounds.respond(self)
        else:
            self._bounds.rest(self)


def _has_arrived(transport: asyncio.Transport) -> bool:
    """Whether there is something to read that the loop has not seen yet."""
    readable = select.poll()
    readable.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(readable.poll(0))
