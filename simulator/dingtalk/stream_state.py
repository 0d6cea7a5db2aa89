"""What the simulator tells of Stream mode: its connections, and what became of the pushes."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

from dingda.simulator.dingtalk.stream_connection import StreamConnection

Mode = Literal["http", "stream"]
ConnectionKind = Literal["open", "told", "zombie", "deserted", "stale"]

_MEASURED = 1000
"""Of how many acks, the latest, the times are told."""


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """A connection as the server sees it."""

    id: str
    client_id: str
    since_ms: int
    """Milliseconds since 1970."""
    topics: tuple[str, ...]
    pushed: int
    acked: int
    state: ConnectionKind
    """`told` to disconnect, and soon cut; `deserted` by its client, which is not noticed yet."""


@dataclass(frozen=True, slots=True)
class AckTimes:
    """How long the latest acks took, in milliseconds from push to ack; 0 where there is none."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamState:
    """The connections, the oldest first, and totals since the start.

    A push ends as acked or lost, however often it was redelivered: once none is on its way,
    `pushed = acked + lost`.
    """

    mode: Mode
    """How the user's messages go to the bot."""
    connections: tuple[ConnectionState, ...]
    pushed: int
    acked: int
    redelivered: int
    lost: int
    """Pushes whose last redelivery was not acknowledged either."""
    late: int
    """Acks after the deadline, which don't keep their push from coming again."""
    second: int
    """Acks of a frame that had its ack."""
    unknown: int
    """Acks of no frame of their connection."""
    invalid: int
    """Texts that are no ack."""
    unanswered_pings: int
    ack_ms: AckTimes

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(body: bytes) -> "StreamState":
        """Read what `to_json` wrote."""
        return _ADAPTER.validate_json(body)


_ADAPTER = TypeAdapter(StreamState)


def connection_state(connection: StreamConnection) -> ConnectionState:
    """Tell of one connection."""
    return ConnectionState(
        id=connection.id,
        client_id=connection.opening.client_id,
        since_ms=connection.since_ms,
        topics=tuple(sorted(topic for _, topic in connection.opening.subscriptions)),
        pushed=connection.pushed,
        acked=connection.acked,
        state=_kind(connection),
    )


def _kind(connection: StreamConnection) -> ConnectionKind:
    if connection.stale:
        return "stale"
    if connection.deserted:
        return "deserted"
    if connection.zombie:
        return "zombie"
    return "told" if connection.told else "open"


class AckClock:
    """Remembers how long the latest acks took."""

    def __init__(self) -> None:
        self._latest_ms = deque[float](maxlen=_MEASURED)

    def note(self, ack_ms: float) -> None:
        """Remember one."""
        self._latest_ms.append(ack_ms)

    def read(self) -> AckTimes:
        """The quantiles of those remembered."""
        if not self._latest_ms:
            return AckTimes()
        ordered = sorted(self._latest_ms)
        parts = (0.5, 0.95, 0.99, 1.0)
        p50, p95, p99, slowest = (_quantile(ordered, part) for part in parts)
        return AckTimes(len(ordered), p50, p95, p99, slowest)


def _quantile(ordered: Sequence[float], part: float) -> float:
    return round(ordered[min(int(part * len(ordered)), len(ordered) - 1)], 3)
