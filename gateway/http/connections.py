"""Bounds on connections: how many there are, and how long each may take. uvicorn keeps neither.

One timer looks after all connections of a process, as `gateway.http.body` does for bodies.
"""

import asyncio
import logging
import re
import resource
import time
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

logger = logging.getLogger(__name__)

STAGE_S = 6.0
"""How long a request may take to arrive, from its first byte or from connecting; and its answer to
go after that. A body alone has less (`gateway.http.body`)."""
KEEP_ALIVE_S = 75
"""How long an answered connection may idle: longer than proxies keep theirs (nginx: 60 s), for one
that we close is found closed only by the next callback, which a proxy won't send twice."""
_MOST = 4096
_OTHER_FILES = 64
"""File descriptors that are kept for Redis, logs and so on."""
_LOOK_EVERY_S = 0.5
_LOG_EVERY_S = 60.0
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_HEAD_BYTES = 16 * 1024


def connection_limit() -> int:
    """How many connections one process takes: what its open files allow, and 4096 at the most."""
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files == resource.RLIM_INFINITY:
        return _MOST
    return max(8, min(_MOST, open_files - _OTHER_FILES))


class Connections:
    """The connections of one process, each in one of three stages.

    It is *speaking* until its request has arrived whole (a new one that says nothing, too),
    *answered* while the answer is made and sent, then *idle* until its next request.

    Args:
        limit: how many there may be. One more costs another its place: the one that has been
            speaking longest, for a genuine request arrives within milliseconds; else the one that
            has been idle longest. If all are being answered it is turned away itself.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        # Since when (s); the one that entered the stage first comes first.
        self._speaking: dict[BoundedProtocol, float] = {}
        self._answered: dict[BoundedProtocol, float] = {}
        self._idle: dict[BoundedProtocol, float] = {}
        self._is_watched = False
        self._logged_at_s = -_LOG_EVERY_S

    def admit(self, connection: "BoundedProtocol") -> None:
        """Take a new connection, at another's cost if there are too many."""
        self.speak(connection)
        if len(self._speaking) + len(self._answered) + len(self._idle) <= self.limit:
            return
        self._log_limit()
        slowest = next(iter(self._speaking))
        if slowest is connection and self._idle:
            slowest = next(iter(self._idle))
        self._close(slowest)

    def speak(self, connection: "BoundedProtocol") -> None:
        """A request is expected, or has begun."""
        self._enter(self._speaking, connection)

    def answer(self, connection: "BoundedProtocol") -> None:
        """A request has arrived whole."""
        self._enter(self._answered, connection)

    def rest(self, connection: "BoundedProtocol") -> None:
        """The answer has gone, and the connection is kept."""
        self._enter(self._idle, connection)

    def is_idle(self, connection: "BoundedProtocol") -> bool:
        """Whether it waits for its next request."""
        return connection in self._idle

    def forget(self, connection: "BoundedProtocol") -> None:
        """The connection is gone."""
        for stage in (self._speaking, self._answered, self._idle):
            stage.pop(connection, None)

    def _enter(self, stage: "dict[BoundedProtocol, float]", connection: "BoundedProtocol") -> None:
        self.forget(connection)
        stage[connection] = self._clock()
        if not self._is_watched:
            self._is_watched = True
            connection.loop.call_later(_LOOK_EVERY_S, self._look, connection.loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close what has been speaking, or being answered, for too long."""
        latest_s = self._clock() - STAGE_S
        for stage in (self._speaking, self._answered):
            for connection, since_s in list(stage.items()):
                if since_s > latest_s:
                    break
                self._close(connection)
        self._is_watched = bool(self._speaking or self._answered)
        if self._is_watched:
            loop.call_later(_LOOK_EVERY_S, self._look, loop)

    def _close(self, connection: "BoundedProtocol") -> None:
        self.forget(connection)
        # Not `close`: that would wait for a peer that reads no answer.
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


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1, within bounds.

    Args:
        connections: those of this process.
        arguments: uvicorn's own.
    """

    def __init__(self, connections: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._bounds = connections
        self._is_whole = True  # no request is on its way
        self._answering: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it."""
        super().connection_made(transport)
        self._bounds.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it, and what it still asks for."""
        self._bounds.forget(self)
        self.pipeline.clear()
        if self._answering:  # of several requests at once, uvicorn looks at the last
            self._answering.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; an offer to speak another protocol is passed over (RFC 9110, 7.8).

        The parser would take what follows such an offer, the body, for that other protocol.
        """
        if self._is_whole and (offer := _UPGRADE.search(data, 0, _HEAD_BYTES)):
            data = data[: offer.start()] + b"\r\nx-offer:" + data[offer.end() :]
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request's first byte has come."""
        self._is_whole = False
        if self._bounds.is_idle(self):
            self._bounds.speak(self)
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """A request's last byte has come."""
        self._is_whole = True
        super().on_message_complete()
        self._enter_stage()

    def on_response_complete(self) -> None:
        """An answer's last byte has gone."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._enter_stage()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _enter_stage(self) -> None:
        if not self._is_whole:
            self._bounds.speak(self)
        elif self.pipeline or not self.cycle.response_complete:
            self._bounds.answer(self)
        else:
            self._bounds.rest(self)
