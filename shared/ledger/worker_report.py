"""What each worker says of itself at its heartbeat: that it is alive, and what it is doing.

A report lives for 30 seconds and is written every ten, on the worker's event loop. So a worker that
was killed, or whose loop is blocked, is gone from Redis within 30 seconds; RQ's own record of it
stays for two minutes. Times are Redis's, which all readers and writers share.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.utils import utcparse

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.stored import WholeNumber
from dingda.shared.queue import JobQueue

REPORT_TTL_MS = 30_000
"""How long a worker counts as alive after its last report."""
MAX_DOING = 20
"""How many of the messages that a worker holds are in its report."""
MAX_MISSING = 20
"""How many of the modules that a worker could not load are in its report."""
_RQ_TTL_MS = 120_000
"""How long RQ's record of one of our workers lives after a heartbeat (RQ 3: its TTL and 60 s)."""


@dataclass(frozen=True, slots=True)
class HeldMessage:
    """A message that a worker is answering."""

    id: str
    skill: str
    """The skill's name; "" if no skill wants the message."""
    since_ms: WholeNumber
    """When the worker leased it, in ms since 1970."""


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker: where it runs, and what it is doing. Times are in ms since 1970."""

    name: str
    """RQ's name of it."""
    host: str
    pid: WholeNumber
    version: str
    """Dingda's; "" of a worker that writes no reports (see `read_worker_reports`)."""
    started_ms: WholeNumber
    seen_ms: WholeNumber
    slots: WholeNumber
    """How many jobs it runs at once; 0 of a worker that writes no reports."""
    slots_used: WholeNumber
    doing: tuple[HeldMessage, ...] = ()
    """The messages that it has held longest, `MAX_DOING` at the most."""
    open_circuits: tuple[str, ...] = ()
    """Backends that it does not call just now, because they failed too often."""
    missing_skills: tuple[str, ...] = ()
    """The modules of skills that it could not load, each with the error's class behind it,
    `MAX_MISSING` at the most."""
    takes_ticks: bool = False
    """Whether it knows what a tick is, as the version before does not."""

    def to_json(self) -> str:
        """Write it down for Redis."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Presence:
    """What a gateway wants to know of the workers."""

    is_any_alive: bool
    missing_skills: tuple[str, ...] = ()
    """The modules of skills that any of them could not load."""


_REPORT = TypeAdapter(WorkerReport)


async def read_worker_reports(redis: Redis, queue: JobQueue) -> list[WorkerReport]:
    """Read the reports of all workers that are alive, by host and name.

    A worker of the version before writes none: until 0.2 RQ's record of it is read instead. A stock
    `rq worker` is judged likewise, and so is not always found: its heartbeats are minutes apart.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue.

    Raises:
        RedisError: what the client raises; what a foreign hand has spoilt is left out.
    """
    names = await _registered(redis, queue)
    if not names:
        return []
    keys = LedgerKeys(queue.name)
    stored: list[Any] = await redis.mget([keys.worker(name) for name in names])
    reports = [
        _parse(text) if text else await _from_rq(redis, queue, name)
        for name, text in zip(names, stored, strict=True)
    ]
    return sorted(filter(None, reports), key=lambda report: (report.host, report.name))


async def read_connected_workers(redis: Redis, queue: JobQueue) -> list[WorkerReport]:
    """The reports of those workers that are connected to Redis, which tells of a death at once.

    A worker subscribes to RQ's commands for as long as it lives (RQ 3, `Worker.subscribe`). The
    kernel closes a killed one's connection, while its report lives on; where its whole machine
    died, Redis may believe in the connection for longer than in the report.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue.

    Raises:
        RedisError: what the client raises.
    """
    reports = await read_worker_reports(redis, queue)
    channels = [PUBSUB_CHANNEL_TEMPLATE % report.name for report in reports]
    subscribers: list[Any] = await redis.pubsub_numsub(*channels)
    return [report for report, (_, count) in zip(reports, subscribers, strict=True) if count]


async def read_worker_presence(redis: Redis, queue: JobQueue) -> Presence:
    """What `read_worker_reports` would find, in short; cheaper, and raises the same.

    A worker whose report can't be read is alive.
    """
    names = await _registered(redis, queue)
    if not names:
        return Presence(is_any_alive=False)
    keys = LedgerKeys(queue.name)
    stored: list[Any] = await redis.mget([keys.worker(name) for name in names])
    if not any(stored):
        return Presence(any([await _from_rq(redis, queue, name) for name in names]))
    reports = filter(None, map(_parse, filter(None, stored)))
    missing = {module for report in reports for module in report.missing_skills}
    return Presence(is_any_alive=True, missing_skills=tuple(sorted(missing)[:MAX_MISSING]))


async def _registered(redis: Redis, queue: JobQueue) -> list[str]:
    """The names in RQ's set of workers, which keeps those that were killed for a while."""
    members: Any = await redis.smembers(queue.workers_key)
    return [key.removeprefix(queue.worker_prefix) for key in members]


def _parse(text: str) -> WorkerReport | None:
    with suppress(ValidationError):
        return _REPORT.validate_json(text)
    return None


async def _from_rq(redis: Redis, queue: JobQueue, name: str) -> WorkerReport | None:
    """What RQ's record says of a worker that writes no reports; None if it is not alive."""
    key = queue.worker_prefix + name
    # Not by `last_heartbeat`, which is by the worker's own clock.
    since_seen_ms = _RQ_TTL_MS - await redis.pttl(key)
    if since_seen_ms > REPORT_TTL_MS:
        return None
    with suppress(ResponseError, ValueError):
        record: list[Any] = await redis.hmget(key, "hostname", "pid", "birth")
        host, pid, birth = record
        seconds, microseconds = await redis.time()
        return WorkerReport(
            name=name,
            host=host or "",
            pid=int(pid or 0),
            version="",
            started_ms=int(utcparse(birth).timestamp() * 1000) if birth else 0,
            seen_ms=seconds * 1000 + microseconds // 1000 - since_seen_ms,
            slots=0,
            slots_used=0,
        )
    return None
