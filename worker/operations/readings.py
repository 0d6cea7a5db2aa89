"""What the dashboard and `dingda top` show of the present: one reading of Redis, and the last ones.

The ledger counts from the beginning. What happens just now is the difference between two readings,
which are kept in memory by whoever shows it, and nowhere else.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError
from rq.suspension import WORKERS_SUSPENDED

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.histograms import Histogram, Stage
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.states import Counts
from dingda.shared.ledger.worker_report import WorkerReport, read_worker_reports
from dingda.shared.queue import JobQueue, message_of_job

READ_EVERY_S = 5.0
"""How often the dashboard reads while nobody asks it to."""
RATE_MS, WINDOW_MS, CHART_MS = 60_000, 300_000, 1_800_000
"""How far back the rate, the other figures of the present, and the chart go."""
_APART_MS = 1_500
"""How far apart the readings are that are kept, however many look."""
LEAST_WINDOW_MS = 20_000
"""What happened within less than this says little; the totals since the beginning say more."""


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica, as its primary sees it."""

    address: str
    state: str
    lag_s: int
    """Seconds since it last said how far it is."""
    behind_bytes: int


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """What the server says of itself; None and "" for what it does not say."""

    version: str
    role: str
    memory_bytes: int | None
    max_memory_bytes: int | None
    """None where no limit is set."""
    policy: str
    append_only: bool | None
    append_only_works: bool
    """Whether the last write to the append-only file succeeded."""
    replicas: tuple[Replica, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """The bot at one moment."""

    at_ms: int
    """By Redis's clock."""
    counts: Counts
    histograms: Mapping[Stage, Histogram]
    queued: int
    oldest_s: float
    resting: int
    """Accepted messages off the queue: they wait for another attempt, or for their turn."""
    dead_letters: int
    """Those on the list; `counts` has all that ever were."""
    is_suspended: bool
    workers: tuple[WorkerReport, ...]
    redis: RedisHealth

    @property
    def slots(self) -> int:
        """How many messages all workers can answer at once."""
        return sum(worker.slots for worker in self.workers)

    @property
    def slots_used(self) -> int:
        """How many they are answering."""
        return sum(worker.slots_used for worker in self.workers)

    @property
    def open_circuits(self) -> dict[str, int]:
        """Backends that are not called, each with the number of workers that don't."""
        names = [name for worker in self.workers for name in worker.open_circuits]
        return {name: names.count(name) for name in sorted(set(names))}


async def read_now(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> Reading:
    """Read everything once.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        admin: the operators' view of the ledger.
        queue: the RQ queue.
    """
    keys = LedgerKeys(queue.name)
    _, queue_key = queue.keys
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.time()
        pipeline.llen(queue_key)
        pipeline.lindex(queue_key, 0)
        pipeline.scard(keys.resting)
        pipeline.zcard(keys.dead)
        pipeline.exists(WORKERS_SUSPENDED)
        clock, queued, head, resting, dead, suspended = await pipeline.execute()
    seconds, microseconds = clock
    return Reading(
        at_ms=seconds * 1000 + microseconds // 1000,
        counts=await admin.counts(),
        histograms=await admin.histograms(),
        queued=queued,
        oldest_s=await admin.age_s(message_of_job(head)) if head else 0.0,
        resting=resting,
        dead_letters=dead,
        is_suspended=bool(suspended),
        workers=tuple(await read_worker_reports(redis, queue)),
        redis=await _read_health(redis),
    )


async def _read_health(redis: Redis) -> RedisHealth:
    try:
        info: dict[str, Any] = await redis.info()
    except ResponseError:  # the user may not ask
        info = {}
    offset = info.get("master_repl_offset", 0)
    found = (info.get(f"slave{n}") for n in range(info.get("connected_slaves", 0)))
    return RedisHealth(
        version=_server(info),
        role=str(info.get("role", "")),
        memory_bytes=info.get("used_memory"),
        max_memory_bytes=info.get("maxmemory") or None,
        policy=str(info.get("maxmemory_policy", "")),
        append_only=bool(info["aof_enabled"]) if "aof_enabled" in info else None,
        append_only_works=info.get("aof_last_write_status", "ok") == "ok",
        replicas=tuple(_replica(each, offset) for each in found if isinstance(each, dict)),
    )


def _server(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}" if "redis_version" in info else ""


def _replica(facts: Mapping[str, Any], offset: int) -> Replica:
    return Replica(
        address=f"{facts.get('ip', '')}:{facts.get('port', '')}",
        state=str(facts.get("state", "")),
        lag_s=facts.get("lag", 0),
        behind_bytes=max(0, offset - facts.get("offset", 0)),
    )


class RecentReadings:
    """The readings of the last half hour, and what follows from their differences.

    Readings come in order. One that counts less than the one before says that the ledger was
    emptied: what came before is then forgotten.
    """

    def __init__(self) -> None:
        self._kept: deque[Reading] = deque()

    @property
    def newest(self) -> Reading | None:
        """The last reading."""
        return self._kept[-1] if self._kept else None

    def add(self, reading: Reading) -> None:
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

    def before(self, span_ms: int, *, least_ms: int = 1) -> Reading | None:
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

    def _window_start(self) -> Reading | None:
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

    async def read(self) -> Reading:
        """Read everything once more, and return it. What the Redis client raises is raised."""
        async with self._reading:
            reading = await read_now(self._redis, self._admin, self._queue)
            self.recent.add(reading)
            return reading


def _rate(earlier: Reading, later: Reading) -> float:
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
