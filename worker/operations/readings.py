"""What the dashboard and `dingda top` show of the present, from the last states of the cluster.

The ledger counts from the beginning. What happens just now is the difference between two readings,
which are kept in memory by whoever shows it, and nowhere else.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from redis.asyncio import Redis

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.histograms import Histogram, Stage
from dingda.shared.ledger.states import Counts
from dingda.shared.queue import JobQueue
from dingda.worker.operations.cluster_state import ClusterState, read_cluster_state

READ_EVERY_S = 5.0
"""How often the dashboard reads while nobody asks it to."""
RATE_MS, WINDOW_MS, CHART_MS = 60_000, 300_000, 1_800_000
"""How far back the rate, the other figures of the present, and the chart go."""
_APART_MS = 1_500
"""How far apart the readings are that are kept, however many look."""
LEAST_WINDOW_MS = 20_000
"""What happened within less than this says little; the totals since the beginning say more."""


class RecentReadings:
    """The readings of the last half hour, and what follows from their differences.

    Readings come in order. One that counts less than the one before says that the ledger was
    emptied: what came before is then forgotten.
    """

    def __init__(self) -> None:
        self._kept: deque[ClusterState] = deque()

    @property
    def newest(self) -> ClusterState | None:
        """The last reading."""
        return self._kept[-1] if self._kept else None

    def add(self, reading: ClusterState) -> None:
        """Keep one more, and forget those that are too old."""
        if self.newest and reading.counts.accepted < self.newest.counts.accepted:
            self._kept.clear()
        if len(self._kept) > 1 and self._kept[-1].at_ms - self._kept[-2].at_ms < _APART_MS:
            self._kept.pop()
        if self._kept:  # of an older reading only the totals count
            self._kept[-1] = replace(self._kept[-1], workers=())
        self._kept.append(reading)
        while self._kept[0].at_ms < reading.at_ms - CHART_MS:
            self._kept.popleft()

    def before(self, span_ms: int, *, least_ms: int = 1) -> ClusterState | None:
        """The oldest reading of the last `span_ms`; None where none is `least_ms` old."""
        newest_ms = self._kept[-1].at_ms if self._kept else 0
        for reading in self._kept:
            if least_ms <= newest_ms - reading.at_ms <= span_ms:
                return reading
        return None

    def accepted_per_s(self) -> float | None:
        """Messages accepted a second during the last minute; None until there are two readings."""
        earlier = self.before(RATE_MS)
        return _rate(earlier, self._kept[-1]) if earlier else None

    def histograms(self) -> Mapping[Stage, Histogram]:
        """How long the messages took that ended lately; of all there ever were, at first.

        `window_s` says which.
        """
        earlier, newest = self._window_start(), self._kept[-1]
        if earlier is None:
            return newest.histograms
        return {
            stage: _difference(histogram, earlier.histograms[stage])
            for stage, histogram in newest.histograms.items()
        }

    def ends(self) -> dict[str, tuple[int, int | None]]:
        """By kind of end: how many there ever were, and lately; None at first."""
        earlier, newest = self._window_start(), self._kept[-1]
        past = _ends(earlier.counts) if earlier else {}
        return {
            kind: (total, total - past.get(kind, 0) if earlier else None)
            for kind, total in _ends(newest.counts).items()
        }

    def _window_start(self) -> ClusterState | None:
        return self.before(WINDOW_MS, least_ms=LEAST_WINDOW_MS)

    def window_s(self) -> float | None:
        """How many seconds "lately" is; None at first."""
        earlier = self._window_start()
        return (self._kept[-1].at_ms - earlier.at_ms) / 1000 if earlier else None

    def rates(self) -> list[tuple[int, float]]:
        """Moments, and messages accepted a second between each and the one before."""
        return [
            (later.at_ms, _rate(earlier, later))
            for earlier, later in pairwise(self._kept)
            if later.at_ms - earlier.at_ms >= _APART_MS
        ]


class Observer:
    """Reads for all who look at once, one after the other, and keeps the last readings.

    Args:
        redis: a client that decodes responses.
        admin: the operators' view of the ledger.
        queue: the RQ queue.
    """

    def __init__(self, redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> None:
        self.recent = RecentReadings()
        self._redis, self._admin, self._queue = redis, admin, queue
        # Two readings at once might overtake each other, and count backwards.
        self._reading = asyncio.Lock()

    async def read(self) -> ClusterState:
        """Read everything once more, and return it. What the Redis client raises is raised."""
        async with self._reading:
            reading = await read_cluster_state(self._redis, self._admin, self._queue)
            self.recent.add(reading)
            return reading


def _rate(earlier: ClusterState, later: ClusterState) -> float:
    elapsed_ms = max(1, later.at_ms - earlier.at_ms)
    return 1000 * (later.counts.accepted - earlier.counts.accepted) / elapsed_ms


def _ends(counts: Counts) -> dict[str, int]:
    dead = {f"dead: {reason}": total for reason, total in counts.dead.items()}
    wells = {
        "answered": counts.answered,
        "unmatched": counts.unmatched,
        "refused": counts.declined,
    }
    return wells | dead


def _difference(later: Histogram, earlier: Histogram) -> Histogram:
    counts = zip(later.cumulative, earlier.cumulative, strict=True)
    return Histogram(tuple(max(0, a - b) for a, b in counts), max(0, later.sum_s - earlier.sum_s))
