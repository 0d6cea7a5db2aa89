"""One connection of Stream mode, as DingTalk's server sees it."""

import asyncio
from enum import StrEnum
from typing import Protocol

from dingda.simulator.dingtalk.stream_frames import (
    ANY_EVENT,
    CARD_TOPIC,
    KNOWN_TOPICS,
    ROBOT_TOPIC,
    Push,
    StreamAck,
)
from dingda.simulator.dingtalk.stream_opening import Opening

_REMEMBERED = 1000
"""How many ended frames a connection remembers, to tell a late ack from a second one."""


class Wire(Protocol):
    """What carries a connection's frames: a WebSocket, or a list in a test."""

    def send(self, text: str) -> None:
        """Send one text, some time."""

    def cut(self) -> None:
        """End the TCP connection, without a WebSocket close frame."""


class AckKind(StrEnum):
    """What an ack that arrived is to the server."""

    EXPECTED = "expected"
    LATE = "late"
    """Of a push whose deadline has passed: it is sent again all the same."""
    SECOND = "second"
    UNKNOWN = "unknown"
    """Of a frame that went to another connection, or of none at all."""


class StreamConnection:
    """A connection's frames in flight, and its state.

    Args:
        connection_id: its name in frames and in the API; not its ticket, which is a secret.
        opening: whose it is, and what it subscribed to.
        wire: what carries its frames.
        since_ms: when it was opened, in ms since 1970.
    """

    def __init__(self, connection_id: str, opening: Opening, wire: Wire, *, since_ms: int) -> None:
        self.id = connection_id
        self.opening = opening
        self.since_ms = since_ms
        self.told = False
        """Whether it was told to disconnect: it gets no more pushes, though its socket lives."""
        self.zombie = False
        """Whether nothing is sent to it any more, though its socket lives and answers pings."""
        self.deserted = False
        """Whether the client has closed it, which the server has not noticed."""
        self.stale = False
        """Whether its client was forgotten long ago; nothing notices that."""
        self.pushed = 0
        self.acked = 0
        self._wire = wire
        self._waiting: dict[str, asyncio.Future[StreamAck]] = {}
        self._ended: dict[str, AckKind] = {}

    def takes(self, push: Push) -> bool:
        """Whether a push may go to it; one of an unknown topic may go to any."""
        known = push.topic in KNOWN_TOPICS
        return not self.told and (
            not known or (push.type, push.topic) in self.opening.subscriptions
        )

    def send(self, frame: str) -> None:
        """Send a frame, which a zombie never gets."""
        if not self.zombie and not self.deserted:
            self._wire.send(frame)

    def expect_ack(self, message_id: str) -> "asyncio.Future[StreamAck]":
        """Expect a frame's ack from now on, until `give_up`."""
        waiting: asyncio.Future[StreamAck] = asyncio.get_running_loop().create_future()
        self._waiting[message_id] = waiting
        return waiting

    def give_up(self, message_id: str) -> None:
        """Expect a frame's ack no longer: from now on it is late."""
        if self._waiting.pop(message_id, None):
            self._remember(message_id, AckKind.LATE)

    def settle(self, ack: StreamAck) -> AckKind:
        """Take an ack that arrived, and tell what it is."""
        waiting = self._waiting.pop(ack.message_id, None)
        if waiting is None:
            kind = self._ended.get(ack.message_id, AckKind.UNKNOWN)
            if kind is AckKind.LATE:
                self._remember(ack.message_id, AckKind.SECOND)
            return kind
        self._remember(ack.message_id, AckKind.SECOND)
        if not waiting.done():
            waiting.set_result(ack)
        return AckKind.EXPECTED

    def cut(self) -> None:
        """End its socket."""
        self._wire.cut()

    def _remember(self, message_id: str, kind: AckKind) -> None:
        self._ended[message_id] = kind
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]


class _NoWire:
    def send(self, text: str) -> None:
        """Send nothing."""

    def cut(self) -> None:
        """End nothing."""


def stale_connection(connection_id: str, client_id: str, *, since_ms: int) -> StreamConnection:
    """A connection of a client that was forgotten long ago; it subscribed to everything."""
    topics = {("CALLBACK", ROBOT_TOPIC), ("CALLBACK", CARD_TOPIC), ("EVENT", ANY_EVENT)}
    opening = Opening(client_id, frozenset(topics))
    connection = StreamConnection(connection_id, opening, _NoWire(), since_ms=since_ms)
    connection.stale = True
    return connection
