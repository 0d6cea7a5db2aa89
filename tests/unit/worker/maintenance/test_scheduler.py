"""The scheduler: each tick is accepted once, whichever worker is first and whatever clocks do."""

from collections.abc import AsyncIterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import fakeredis
import pytest

from dingda.shared.dingtalk.notification import parse_notification
from dingda.shared.dingtalk.tick import Tick
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.schedule_facts import ScheduleFacts
from dingda.shared.ledger.schedule_states import ScheduleState, read_schedules
from dingda.shared.ledger.schedules import Schedules
from dingda.shared.ledger.states import Completion, Lease, Outcome
from dingda.shared.ledger.worker_report import WorkerReport
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import CHINA
from dingda.worker.maintenance.scheduler import MOST_COUNTED, Scheduled, Scheduler
from dingda.worker.sdk.cron import Cron
from tests.support.builders import KEYS

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
ANSWERED = Completion(Outcome.ANSWERED)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


def a_schedule(function: str = "report", cron: str = "0 9 * * *", **fields: Any) -> Scheduled:
    given: dict[str, Any] = {
        "catch_up_s": 3600,
        "robot_code": "dingrobot",
        "robot": "dingrobot",
    } | fields
    facts = ScheduleFacts(
        skill="morning",
        function=function,
        cron=cron,
        timezone="Asia/Shanghai",
        workdays=False,
        to=("group ops",),
        **given,
    )
    return Scheduled(facts, Cron.parse(cron, "Asia/Shanghai"))


class Deployment:
    """Workers on one Redis, whose clock a test sets."""

    def __init__(self, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.redis = redis
        self.now_ms = at("2026-11-30 08:00")
        self.ledger = Ledger(redis, QUEUE)
        clock = SimpleNamespace(time=lambda: self.now_ms / 1000)
        monkeypatch.setattr("fakeredis.commands_mixins.server_mixin.time", clock)

    def worker(self, *mine: Scheduled, backlog_limit: int = 10_000) -> Scheduler:
        """A worker that has just started; by default it has a report at nine."""
        schedules = Schedules(self.redis, QUEUE)
        return Scheduler(schedules, mine or [a_schedule()], backlog_limit=backlog_limit)

    async def report(self, *, takes_ticks: bool) -> None:
        """Let a worker be alive."""
        report = WorkerReport("w", "h", 1, "1", 1, 2, 100, 7, takes_ticks=takes_ticks)
        await self.redis.sadd(QUEUE.workers_key, QUEUE.worker_prefix + report.name)
        await self.redis.set(KEYS.worker(report.name), report.to_json())

    async def open_ids(self) -> list[str]:
        found = [
            key.removeprefix(KEYS.message("")) for key in await self.redis.keys(KEYS.message("*"))
        ]
        return [key for key in found if await self.redis.hget(KEYS.message(key), "payload")]

    async def ran(self) -> list[str]:
        """End all ticks that are open, as workers do; returns when each was due."""
        shown = []
        for message_id in await self.open_ids():
            lease = await self.ledger.lease(message_id)
            assert isinstance(lease, Lease)
            tick = parse_notification(lease.payload).subject
            assert isinstance(tick, Tick)
            shown.append(f"{tick.at:%d %H:%M} {tick.function}")
            await self.ledger.finish(lease, ANSWERED)
        return sorted(shown)

    async def state(self) -> ScheduleState:
        (state,) = await read_schedules(self.redis, QUEUE)
        return state

    async def missed(self) -> int:
        return (await LedgerAdmin(self.redis, QUEUE).counts()).missed_ticks


@pytest.fixture
async def deployment(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Deployment]:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield Deployment(redis, monkeypatch)
    await redis.aclose()


# A tick at its time --------------------------------------------------------------------------


async def test_a_tick_is_accepted_at_its_time_and_not_before(deployment: Deployment) -> None:
    worker = deployment.worker()
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00") - 1
    await worker.advance()
    assert await deployment.ran() == []
    deployment.now_ms += 1
    await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"]


async def test_it_sleeps_until_the_next_tick_and_five_seconds_at_the_most(
    deployment: Deployment,
) -> None:
    worker = deployment.worker()
    assert await worker.advance() == 5.0
    deployment.now_ms = at("2026-11-30 09:00") - 1_500
    assert await worker.advance() == 1.5


async def test_of_many_workers_one_has_it_accepted(deployment: Deployment) -> None:
    workers = [deployment.worker() for _ in range(3)]
    for worker in workers:
        await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    for worker in workers:
        await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"]
    for worker in workers:
        await worker.advance()
    assert await deployment.ran() == []


async def test_a_new_schedule_begins_with_its_next_tick(deployment: Deployment) -> None:
    deployment.now_ms = at("2026-11-30 09:10")
    worker = deployment.worker()
    await worker.advance()
    assert await deployment.ran() == []
    deployment.now_ms = at("2026-12-01 09:00")
    await worker.advance()
    assert await deployment.ran() == ["01 09:00 report"]
    assert await deployment.missed() == 0


async def test_a_schedule_of_two_robots_is_run_for_each(deployment: Deployment) -> None:
    worker = deployment.worker(a_schedule(), a_schedule(robot_code="dingother", robot="other"))
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"] * 2


async def test_two_skills_of_one_name_in_one_worker_have_one_tick(deployment: Deployment) -> None:
    worker = deployment.worker(a_schedule(), a_schedule(), a_schedule(cron="0 9,18 * * *"))
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    assert (await LedgerAdmin(deployment.redis, QUEUE).counts()).accepted == 1
    assert await deployment.ran() == ["30 09:00 report"]


async def test_a_tick_that_waits_for_the_one_before_it_is_run_when_that_has_ended(
    deployment: Deployment,
) -> None:
    worker = deployment.worker(a_schedule(cron="* * * * *"))
    await worker.advance()
    for _ in range(3):
        deployment.now_ms += MINUTE
        await worker.advance()
    assert await deployment.ran() == ["30 08:01 report"]
    deployment.now_ms += 2 * SECOND
    await worker.advance()
    assert await deployment.ran() == ["30 08:03 report"]
    assert await deployment.missed() == 1  # that of 08:02


async def test_while_the_backlog_is_full_a_tick_waits(deployment: Deployment) -> None:
    full, worker = deployment.worker(backlog_limit=0), deployment.worker()
    await worker.advance()
    await full.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await full.advance()
    assert await deployment.ran() == []
    deployment.now_ms += 2 * SECOND
    await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"]


# Nobody was there ----------------------------------------------------------------------------


async def test_after_an_outage_the_last_tick_that_is_not_too_old_is_run(
    deployment: Deployment,
) -> None:
    await deployment.worker().advance()
    deployment.now_ms = at("2026-12-02 09:59")
    await deployment.worker().advance()
    assert await deployment.ran() == ["02 09:00 report"]
    assert await deployment.missed() == 2


async def test_a_tick_that_is_older_than_its_schedule_allows_is_missed_and_counted_once(
    deployment: Deployment,
) -> None:
    await deployment.worker().advance()
    deployment.now_ms = at("2026-11-30 10:01")
    for worker in (deployment.worker(), deployment.worker()):
        await worker.advance()
        await worker.advance()
    assert await deployment.ran() == []
    assert await deployment.missed() == 1
    assert (await deployment.state()).missed_ms == at("2026-11-30 09:00")
    deployment.now_ms = at("2026-12-01 09:00")
    await deployment.worker().advance()
    assert await deployment.ran() == ["01 09:00 report"]
    assert await deployment.missed() == 1


async def test_of_very_many_missed_ticks_no_more_than_a_hundred_are_counted(
    deployment: Deployment,
) -> None:
    await deployment.worker(a_schedule(cron="* * * * *")).advance()
    deployment.now_ms += 100 * DAY
    await deployment.worker(a_schedule(cron="* * * * *")).advance()
    assert await deployment.missed() == MOST_COUNTED
    assert len(await deployment.ran()) == 1


async def test_a_tick_that_was_run_before_an_outage_is_not_run_after_it(
    deployment: Deployment,
) -> None:
    worker = deployment.worker(a_schedule(catch_up_s=86_400))
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"]
    await deployment.redis.delete(*await deployment.redis.keys("dingda:ended:*"))  # hours later
    deployment.now_ms = at("2026-12-01 08:59")
    await deployment.worker(a_schedule(catch_up_s=86_400)).advance()
    assert await deployment.ran() == []


async def test_where_redis_has_forgotten_everything_no_tick_of_before_is_run(
    deployment: Deployment,
) -> None:
    worker = deployment.worker()
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    await deployment.redis.flushall()
    deployment.now_ms += 90 * SECOND
    for each in (worker, deployment.worker()):
        await each.advance()
    assert await deployment.ran() == []
    deployment.now_ms = at("2026-12-01 09:00")
    await worker.advance()
    assert await deployment.ran() == ["01 09:00 report"]


async def test_what_is_in_the_place_of_its_memory_stops_no_schedule(
    deployment: Deployment,
) -> None:
    worker = deployment.worker()
    await worker.advance()
    (key,) = await deployment.redis.keys("dingda:ticks:*")
    for spoilt in (key, KEYS.schedules):
        await deployment.redis.set(spoilt, "foreign")
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    deployment.now_ms = at("2026-12-01 09:00")
    await worker.advance()
    assert await deployment.ran() == ["01 09:00 report"]


# Clocks that jump ----------------------------------------------------------------------------


async def each_minute(deployment: Deployment, worker: Scheduler, minutes: int) -> list[str]:
    """Let minutes pass by; returns the ticks that were run, without their function."""
    found = []
    for _ in range(minutes):
        deployment.now_ms += MINUTE
        await worker.advance()
        found += [shown.removesuffix(" report") for shown in await deployment.ran()]
    return found


async def test_where_the_clock_goes_back_no_tick_comes_twice(deployment: Deployment) -> None:
    worker = deployment.worker(a_schedule(cron="* * * * *"))
    await worker.advance()
    before = await each_minute(deployment, worker, 30)
    deployment.now_ms -= 20 * MINUTE
    after = await each_minute(deployment, worker, 30)
    assert before == [f"30 08:{minute:02}" for minute in range(1, 31)]
    assert after == [f"30 08:{minute:02}" for minute in range(31, 41)]


async def test_where_it_goes_back_farther_than_a_schedule_remembers_none_comes_twice_either(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dingda.shared.ledger.schedules.REMEMBERED", 5)
    worker = deployment.worker(a_schedule(cron="* * * * *"))
    await worker.advance()
    before = await each_minute(deployment, worker, 20)
    await deployment.redis.delete(*await deployment.redis.keys("dingda:ended:*"))  # hours later
    deployment.now_ms -= 15 * MINUTE
    restarted = deployment.worker(a_schedule(cron="* * * * *"))
    await restarted.advance()
    assert await each_minute(deployment, restarted, 17) == ["30 08:21", "30 08:22"]
    assert len(before) == 20


async def test_where_a_clock_was_days_ahead_the_days_that_it_passed_over_have_their_ticks(
    deployment: Deployment,
) -> None:
    worker = deployment.worker()
    await worker.advance()
    deployment.now_ms += 3 * DAY + HOUR + SECOND  # 3 December, just after nine
    await worker.advance()
    assert await deployment.ran() == ["03 09:00 report"]
    deployment.now_ms -= 3 * DAY + 30 * MINUTE
    await worker.advance()
    assert await deployment.ran() == []
    found = []
    for day in ("2026-11-30", "2026-12-01", "2026-12-02", "2026-12-03", "2026-12-04"):
        deployment.now_ms = at(f"{day} 09:00") + SECOND
        await worker.advance()
        found += await deployment.ran()
    assert found == [f"{day} 09:00 report" for day in ("30", "01", "02", "04")]


# Versions side by side -----------------------------------------------------------------------


async def test_where_two_versions_name_one_time_in_two_ways_one_of_them_brings_it(
    deployment: Deployment,
) -> None:
    workers = [deployment.worker(), deployment.worker(a_schedule(cron="0 9,18 * * *"))]
    for worker in workers:
        await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    for worker in workers:
        await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"]
    for worker in workers:
        await worker.advance()
    assert await deployment.ran() == []


async def test_a_schedule_that_is_changed_begins_with_its_next_tick_by_the_new_times(
    deployment: Deployment,
) -> None:
    await deployment.worker().advance()
    deployment.now_ms = at("2026-11-30 08:45")
    changed = deployment.worker(a_schedule(cron="30 8 * * *"))
    await changed.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await changed.advance()
    assert await deployment.ran() == []
    deployment.now_ms = at("2026-12-01 08:30")
    await changed.advance()
    assert await deployment.ran() == ["01 08:30 report"]


async def test_ticks_wait_while_a_worker_is_alive_that_knows_none(deployment: Deployment) -> None:
    worker = deployment.worker()
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await deployment.report(takes_ticks=False)
    assert await worker.advance() == 5.0
    assert await deployment.ran() == []
    await deployment.report(takes_ticks=True)
    await worker.advance()
    assert await deployment.ran() == ["30 09:00 report"]


# What operators see --------------------------------------------------------------------------


async def test_operators_see_the_last_tick_and_how_it_ended(deployment: Deployment) -> None:
    worker = deployment.worker()
    await worker.advance()
    state = await deployment.state()
    assert (state.facts, state.is_loaded) == (a_schedule().facts, True)
    assert (state.last_ms, state.end, state.missed_ms) == (None, "", None)
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    state = await deployment.state()
    assert (state.last_ms, state.end) == (at("2026-11-30 09:00"), "open")
    await deployment.ran()
    assert (await deployment.state()).end == "answered"


async def test_how_a_tick_ended_is_known_for_longer_than_its_message(
    deployment: Deployment,
) -> None:
    worker = deployment.worker()
    await worker.advance()
    deployment.now_ms = at("2026-11-30 09:00")
    await worker.advance()
    (message_id,) = await deployment.open_ids()
    await deployment.ran()
    await Schedules(deployment.redis, QUEUE).note_end(a_schedule().facts, message_id, ANSWERED)
    await deployment.redis.delete(KEYS.message(message_id), KEYS.ended(message_id))
    assert (await deployment.state()).end == "answered"


async def test_a_schedule_that_no_worker_has_is_said_to_be_gone_and_forgotten_in_a_month(
    deployment: Deployment,
) -> None:
    await deployment.worker().advance()
    deployment.now_ms += HOUR
    assert not (await deployment.state()).is_loaded
    deployment.now_ms += 31 * DAY
    await deployment.worker(a_schedule("another")).advance()
    assert (await deployment.state()).facts.function == "another"
    assert len(await deployment.redis.keys("dingda:ticks:*")) == 1
