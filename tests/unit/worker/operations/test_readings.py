"""What happens just now is the difference between readings."""

from dataclasses import replace
from typing import Any

import fakeredis
import pytest

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.histograms import BUCKETS_S, Histogram, Stage
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Counts, Outcome
from dingda.worker.operations.cluster_state import ClusterState
from dingda.worker.operations.readings import CHART_MS, Observer, RecentReadings
from dingda.worker.operations.redis_health import RedisHealth, Replica
from dingda.worker.operations.top import draw
from tests.unit.worker.operations.messages import QUEUE, accepted, ended

NOTHING = Counts(0, 0, 0, 0, {}, {})
HEALTH = RedisHealth(
    version="Valkey 9.1.2",
    role="master",
    memory_bytes=2_400_000,
    max_memory_bytes=0,
    policy="noeviction",
    append_only=None,
    append_only_works=True,
)


def a_reading(at_s: float, accepted_count: int = 0, **facts: Any) -> ClusterState:
    counts = replace(NOTHING, accepted=accepted_count, answered=accepted_count)
    histogram = Histogram((accepted_count,) * (len(BUCKETS_S) + 1), accepted_count * 0.02)
    values: dict[str, Any] = {
        "at_ms": round(at_s * 1000),
        "counts": counts,
        "histograms": dict.fromkeys(Stage, histogram),
        "queued": 0,
        "oldest_s": 0.0,
        "due": 0,
        "resting": 0,
        "dead_letters": 0,
        "is_suspended": False,
        "workers": (),
        "redis": HEALTH,
    }
    return ClusterState(**values | facts)


def recent(*readings: ClusterState) -> RecentReadings:
    kept = RecentReadings()
    for reading in readings:
        kept.add(reading)
    return kept


def test_after_one_reading_there_is_no_rate_and_the_totals_are_of_all_time() -> None:
    kept = recent(a_reading(100, 50))
    assert kept.accepted_per_s() is None
    assert kept.window_s() is None
    assert kept.ends()["answered"] == (50, None)
    assert kept.histograms()[Stage.TOTAL].count == 50


def test_the_rate_is_of_the_last_minute() -> None:
    kept = recent(a_reading(0, 0), a_reading(100, 1000), a_reading(160, 1120))
    assert kept.accepted_per_s() == 2.0


def test_the_ends_and_times_are_of_the_last_five_minutes() -> None:
    kept = recent(a_reading(0, 0), a_reading(400, 1000), a_reading(700, 1030))
    assert kept.window_s() == 300
    assert kept.ends()["answered"] == (1030, 30)
    assert kept.histograms()[Stage.SKILL].count == 30


def test_a_few_seconds_are_no_window() -> None:
    kept = recent(a_reading(0, 0), a_reading(5, 10))
    assert kept.accepted_per_s() == 2.0
    assert kept.window_s() is None


def test_readings_older_than_the_chart_are_forgotten() -> None:
    kept = recent(*(a_reading(n * 60) for n in range(100)))
    assert len(kept.rates()) == CHART_MS / 60_000


def test_however_many_look_the_readings_that_are_kept_are_apart() -> None:
    kept = recent(*(a_reading(n / 10, n) for n in range(301)))
    assert kept.newest
    assert kept.newest.counts.accepted == 300
    moments = [at_ms for at_ms, _ in kept.rates()]
    assert len(moments) == 20
    assert {rate for _, rate in kept.rates()} == {10.0}


def test_a_ledger_that_was_emptied_starts_from_the_beginning() -> None:
    kept = recent(a_reading(0, 1000), a_reading(60, 10))
    assert kept.accepted_per_s() is None
    assert kept.ends()["answered"] == (10, None)


async def test_the_observer_counts_what_the_ledger_counts(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin, ledger: Ledger
) -> None:
    observer = Observer(redis, admin, QUEUE)
    await observer.read()
    await accepted(ledger, msgId="1")
    await ended(ledger, msgId="2")
    await ended(ledger, Completion(Outcome.ANSWERED), msgId="3")
    reading = await observer.read()
    assert reading.counts == await admin.counts()
    assert (reading.counts.open, reading.dead_letters, reading.queued) == (1, 1, 3)
    assert reading.oldest_s > 0
    assert observer.recent.newest is reading


async def test_redis_says_how_full_it_is_and_how_far_its_replicas_are(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = {
        "redis_version": "7.2.0",
        "valkey_version": "9.1.2",
        "role": "master",
        "used_memory": 500,
        "maxmemory": 1000,
        "maxmemory_policy": "noeviction",
        "aof_enabled": 1,
        "aof_last_write_status": "err",
        "connected_slaves": 1,
        "master_repl_offset": 900,
        "slave0": {"ip": "10.0.0.2", "port": 6379, "state": "online", "offset": 800, "lag": 1},
    }

    async def told(_: object) -> dict[str, object]:
        return info

    monkeypatch.setattr(fakeredis.FakeAsyncRedis, "info", told)
    health = (await Observer(redis, admin, QUEUE).read()).redis
    assert (health.version, health.memory_bytes, health.max_memory_bytes) == (
        "Valkey 9.1.2",
        500,
        1000,
    )
    assert (health.append_only, health.append_only_works) == (True, False)
    assert health.replicas == (Replica("10.0.0.2:6379", "online", 1, 100),)
    lines = draw(a_reading(0, redis=health), recent(a_reading(0)), width=80, height=50)
    assert lines[2].startswith("Valkey 9.1.2  master  500 B of 1 kB  aof FAILING  replicas 1 (")


@pytest.mark.parametrize("width", [80, 40, 200])
def test_no_line_of_the_terminal_is_wider_than_it_is(width: int) -> None:
    kept = recent(a_reading(0, 0), a_reading(30, 90))
    newest = kept.newest
    assert newest
    lines = draw(newest, kept, width=width, height=50)
    assert all(len(line.replace("\x1b[1m", "").replace("\x1b[0m", "")) <= width for line in lines)
    text = "\n".join(lines)
    assert "accepted/s 3" in text
    if width >= 80:
        assert "answered                 90" in text
        assert "no worker is alive: nothing is answered" in text


def test_a_terminal_that_is_too_low_is_told_what_is_left_out() -> None:
    kept = recent(a_reading(0, 0))
    newest = kept.newest
    assert newest
    lines = draw(newest, kept, width=80, height=8)
    assert len(lines) == 7
    assert lines[-1].endswith("lines more")


def test_the_terminal_says_that_the_workers_are_suspended() -> None:
    kept = recent(a_reading(0, is_suspended=True))
    assert kept.newest
    assert "PAUSED" in draw(kept.newest, kept, width=80, height=50)[0]
