"""The schedules of all workers' skills, as Redis knows them, and their ticks.

Every worker looks after its schedules (`worker.maintenance.scheduler`), and `tick.lua` accepts a
tick once. A schedule is known by its robot, skill, function and times: where another
version of a skill has other times, that is another schedule, which begins when it is first seen;
but a tick is known by its function and its time alone, so that of two versions at one moment one
brings it.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from redis.asyncio import Redis

from dingda.shared.dingtalk.notification import LIFE_MS
from dingda.shared.dingtalk.tick import tick_envelope, tick_payload
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.ledger import MOST_QUEUED
from dingda.shared.ledger.schedule_facts import FACTS, ScheduleFacts
from dingda.shared.ledger.scripts import LedgerScripts, TickArguments, TickEntry
from dingda.shared.ledger.states import Completion
from dingda.shared.ledger.times import LONGEST_SESSION_MS, RECHECK_MS
from dingda.shared.ledger.worker_report import read_worker_reports
from dingda.shared.queue import JobQueue, job_data, rq_now

REMEMBERED = 100
"""How many of its ticks a schedule remembers, marks included."""
FORGET_S = 30 * 24 * 3600
"""How long a schedule is remembered that no worker has any more: after a rollback it goes on."""
_A_ROUND_TRIP = 100


class TickResult(StrEnum):
    """What becomes of a tick that may be due."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    """It was accepted before, or is from before the first that the schedule remembers."""
    MISSED = "missed"
    """It is too late, and this is the first to see it."""
    EARLY = "early"
    """It isn't due by Redis's clock."""
    OPEN = "open"
    """An earlier one has not ended."""
    FULL = "full"
    """The backlog is at its limit."""

    @property
    def is_settled(self) -> bool:
        """Whether the schedule's next tick is another."""
        return self in (TickResult.ACCEPTED, TickResult.KNOWN, TickResult.MISSED)


class TickOutcome(NamedTuple):
    """What became of a tick, and when the last one before it was that is remembered."""

    result: TickResult
    after_ms: int


def end_of(outcome: str, reason: str) -> str:
    """How a tick ended, as operators read it: `answered`, or `dead: failed: …`."""
    return f"{outcome}: {reason}" if reason else outcome


class Schedules:
    """What Redis knows of schedules. Every method may raise what the Redis client raises.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue that ticks go through.
        replicas: how many must have a tick that was accepted.
    """

    def __init__(self, redis: Redis, queue: JobQueue, *, replicas: int = 0) -> None:
        self._redis = redis
        self._queue = queue
        self._keys = LedgerKeys(queue.name)
        self._scripts = LedgerScripts(redis, queue, replicas=replicas)

    async def now_ms(self) -> int:
        """The present by Redis's clock, in ms since 1970."""
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def register(self, schedules: Sequence[ScheduleFacts], *, rewrite: bool) -> None:
        """Note that a worker has schedules, and forget those that no worker has had for long.

        Args:
            schedules: all that it has.
            rewrite: whether to write down all of each; else only if Redis has forgotten one.
        """
        now_ms, key = await self.now_ms(), self._keys.schedules
        seen: dict[Any, Any] = {each.id: now_ms for each in schedules}
        if await self._redis.type(key) not in ("zset", "none"):  # a foreign value is in its place
            await self._redis.delete(key)
        added = await self._redis.zadd(key, seen)
        if rewrite or added:
            for begin in range(0, len(schedules), _A_ROUND_TRIP):
                await self._write(schedules[begin : begin + _A_ROUND_TRIP], now_ms)
        long_ago = now_ms - FORGET_S * 1000
        forgotten: list[Any] = await self._redis.zrangebyscore(key, "-inf", long_ago)
        for schedule_id in forgotten:
            await self._redis.delete(
                self._keys.schedule(schedule_id), self._keys.ticks(schedule_id)
            )
            await self._redis.zrem(key, schedule_id)

    async def accept(
        self, ticks: Sequence[tuple[ScheduleFacts, int]], *, backlog_limit: int, now_ms: int
    ) -> list[TickOutcome]:
        """Accept ticks that are due, each once whoever else tries to.

        Args:
            ticks: schedules, each with the time of its tick in ms since 1970.
            backlog_limit: how many messages may wait, on the queue or for another attempt.
            now_ms: the present, in ms since 1970.
        """
        entries = [self._entry(facts, at_ms, now_ms) for facts, at_ms in ticks]
        arguments = TickArguments(
            backlog_limit, LONGEST_SESSION_MS, rq_now(), MOST_QUEUED, RECHECK_MS, REMEMBERED
        )
        found = await self._scripts.run(arguments, entries)
        return [TickOutcome(TickResult(result), int(float(after))) for result, after in found]

    async def may_be_run(self) -> bool:
        """Whether every worker that is alive knows what a tick is: the version before does not."""
        reports = await read_worker_reports(self._redis, self._queue)
        # A worker without a version writes no reports: a stock `rq worker`.
        return all(report.takes_ticks or not report.version for report in reports)

    async def count_missed(self, number: int) -> None:
        """Count ticks that came too late, or whose turn had passed when workers came back."""
        await self._redis.hincrby(self._keys.count, "missed_ticks", number)

    async def note_end(self, facts: ScheduleFacts, tick_id: str, completion: Completion) -> None:
        """Note how a tick ended, for longer than its message is known."""
        end = json.dumps([tick_id, end_of(completion.outcome, completion.full_reason)])
        await self._redis.hset(self._keys.schedule(facts.id), "end", end)

    async def _write(self, schedules: Sequence[ScheduleFacts], now_ms: int) -> None:
        """Write schedules down; the ticks of those that are new count from now on."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in schedules:
                facts = FACTS.dump_json(each).decode()
                pipeline.hset(self._keys.schedule(each.id), "facts", facts)
            for each in schedules:
                pipeline.exists(self._keys.ticks(each.id))
            found = (await pipeline.execute(raise_on_error=False))[len(schedules) :]
            for each, exists in zip(schedules, found, strict=True):
                if not exists:
                    pipeline.zadd(self._keys.ticks(each.id), {"since": now_ms}, nx=True)
            await pipeline.execute()

    def _entry(self, facts: ScheduleFacts, at_ms: int, now_ms: int) -> TickEntry:
        tick = facts.tick(at_ms)
        envelope = tick_envelope(facts.robot_code, tick, now_ms=now_ms, life_ms=LIFE_MS)
        return TickEntry(
            self._keys.ticks(facts.id),
            at_ms,
            facts.catch_up_s * 1000,
            envelope.id,
            tick_payload(facts.robot_code, tick),
            LIFE_MS,
            job_data(envelope.id),
            envelope.ordering_key,
        )
