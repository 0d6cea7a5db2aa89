"""The schedules that workers have, with what became of their last ticks, as operators see them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.schedule_facts import FACTS, ScheduleFacts
from dingda.shared.ledger.schedules import end_of
from dingda.shared.ledger.timeline import MessageTimeline, read_timelines
from dingda.shared.queue import JobQueue

LOADED_WITHIN_MS = 180_000
"""How long a schedule counts as loaded after a worker had it: workers say so each minute."""
OPEN = "open"
_MARKS = ("since", "missed")
_A_ROUND_TRIP = 100


class ScheduleState(NamedTuple):
    """A schedule, and its last tick. Times are in ms since 1970."""

    facts: ScheduleFacts
    is_loaded: bool
    """Whether a worker has it."""
    last_ms: int | None
    """Its last tick; None if none is remembered."""
    end: str
    """How that ended, such as `answered` or `dead: failed: …`; `open`; "" if nobody knows."""
    missed_ms: int | None
    """The last tick that came too late to be run."""


class NotedEnd(NamedTuple):
    """How a tick ended, noted for longer than the ledger knows it."""

    tick_id: str
    end: str


_NOTED_END: TypeAdapter[NotedEnd] = TypeAdapter(NotedEnd)


class _Stored(NamedTuple):
    facts: ScheduleFacts
    seen_ms: float
    noted: NotedEnd | None
    ticks: dict[str, float]
    """Its last tick and its marks, by their time."""

    @property
    def last_id(self) -> str:
        return next((member for member in self.ticks if member not in _MARKS), "")


async def read_schedules(redis: Redis, queue: JobQueue) -> list[ScheduleState]:
    """Read all schedules that are remembered, by name and robot.

    Args:
        redis: a client that decodes responses. What it raises is raised.
        queue: the RQ queue that ticks go through.
    """
    seconds, _ = await redis.time()
    found: list[Any] = await redis.zrange(LedgerKeys(queue.name).schedules, 0, -1, withscores=True)
    states = []
    for begin in range(0, len(found), _A_ROUND_TRIP):
        stored = await _read_stored(redis, queue, found[begin : begin + _A_ROUND_TRIP])
        timelines = await read_timelines(redis, queue, [each.last_id for each in stored])
        states += [
            _state(each, timeline, now_ms=int(seconds) * 1000)
            for each, timeline in zip(stored, timelines, strict=True)
        ]
    return sorted(states, key=lambda state: (state.facts.name, state.facts.robot))


async def _read_stored(
    redis: Redis, queue: JobQueue, seen: Sequence[tuple[str, float]]
) -> list[_Stored]:
    keys = LedgerKeys(queue.name)
    async with redis.pipeline(transaction=False) as pipeline:
        for schedule_id, _ in seen:
            pipeline.hmget(keys.schedule(schedule_id), "facts", "end")
            pipeline.zrevrange(keys.ticks(schedule_id), 0, len(_MARKS), withscores=True)
        found = await pipeline.execute(raise_on_error=False)
    stored = []
    for (_, seen_ms), record, ticks in zip(seen, found[::2], found[1::2], strict=True):
        facts, noted = record if isinstance(record, list) else (None, None)
        if read := _read(FACTS, facts):
            listed = dict(ticks) if isinstance(ticks, list) else {}
            stored.append(_Stored(read, seen_ms, _read(_NOTED_END, noted), listed))
    return stored


def _state(stored: _Stored, timeline: MessageTimeline | None, *, now_ms: int) -> ScheduleState:
    end = ""
    if timeline and stored.last_id:
        end = end_of(timeline.state, timeline.reason) if timeline.ended else OPEN
    elif stored.noted and stored.noted.tick_id == stored.last_id:
        end = stored.noted.end
    return ScheduleState(
        stored.facts,
        is_loaded=now_ms - stored.seen_ms < LOADED_WITHIN_MS,
        last_ms=_whole(stored.ticks.get(stored.last_id)),
        end=end,
        missed_ms=_whole(stored.ticks.get("missed")),
    )


def _read(kind: TypeAdapter[Any], stored: object) -> Any:
    """What is stored; None where it is missing, another version's or a foreign hand's."""
    try:
        return kind.validate_json(stored) if isinstance(stored, str) else None
    except ValidationError:
        return None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
