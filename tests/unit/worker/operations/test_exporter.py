"""Prometheus is told what Redis knows of all processes together, at the moment when it asks."""

import asyncio
import json
from typing import Any

import fakeredis
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.ledger.worker_report import WorkerReport
from dingda.worker.operations.cluster_state import ClusterState, read_cluster_state
from dingda.worker.operations.exporter import create_exporter
from dingda.worker.services.openapi_calls import OpenAPICalls
from tests.support.builders import KEYS, now_ms
from tests.support.metrics import INFO
from tests.unit.worker.operations.messages import QUEUE, accepted, ended

Samples = dict[str, float]


class Exporter:
    """An exporter on a fake Redis, whose INFO says what a test says."""

    def __init__(self, redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin) -> None:
        self.redis = redis
        self.info: dict[str, Any] | Exception = INFO
        self.error: Exception | None = None
        self.hangs = False
        self._admin = admin

    async def tell_info(self) -> dict[str, Any]:
        if isinstance(self.info, Exception):
            raise self.info
        return self.info

    async def _read(self) -> ClusterState:
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return await read_cluster_state(self.redis, self._admin, QUEUE)

    async def scrape(self, wanted_replicas: int = 0, monthly_calls: int = 0) -> Samples:
        """The value of each sample, by its name and labels as they are written."""
        app = create_exporter(
            self._read, wanted_replicas=wanted_replicas, monthly_calls=monthly_calls
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
            response = await client.get("/metrics")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        return {
            f"{s.name}{json.dumps(s.labels) if s.labels else ''}": s.value
            for family in parse(response.text)
            for s in family.samples
        }


@pytest.fixture
def exporter(
    redis: fakeredis.FakeAsyncRedis, admin: LedgerAdmin, monkeypatch: pytest.MonkeyPatch
) -> Exporter:
    made = Exporter(redis, admin)
    monkeypatch.setattr(redis, "info", made.tell_info)
    return made


def a_report(**fields: Any) -> WorkerReport:
    known: dict[str, Any] = {
        "name": "w1",
        "host": "h",
        "pid": 1,
        "version": "0.1.0",
        "started_ms": 1,
        "seen_ms": 2,
        "slots": 100,
        "slots_used": 7,
    }
    return WorkerReport(**known | fields)


async def report(redis: fakeredis.FakeAsyncRedis, **fields: Any) -> None:
    worker = a_report(**fields)
    await redis.sadd(QUEUE.workers_key, QUEUE.worker_prefix + worker.name)
    await redis.set(KEYS.worker(worker.name), worker.to_json())


async def test_every_end_is_a_counter(exporter: Exporter, ledger: Ledger) -> None:
    await ended(ledger, msgId="1")
    await ended(ledger, Completion(Outcome.ANSWERED), msgId="2")
    await ended(ledger, Completion(Outcome.DECLINED), msgId="3")
    await accepted(ledger, msgId="4")
    samples = await exporter.scrape()
    assert samples["dingda_messages_accepted_total"] == 4
    assert samples['dingda_messages_ended_total{"end": "answered", "reason": ""}'] == 1
    assert samples['dingda_messages_ended_total{"end": "declined", "reason": ""}'] == 1
    assert samples['dingda_messages_ended_total{"end": "dead", "reason": "failed"}'] == 1
    assert samples["dingda_messages_open"] == 1
    assert samples["dingda_dead_letters"] == 1


async def test_a_retried_dead_letter_lets_no_counter_fall(
    exporter: Exporter, ledger: Ledger, admin: LedgerAdmin
) -> None:
    message = await ended(ledger)
    await admin.retry_dead_letter(message.id)
    samples = await exporter.scrape()
    assert samples["dingda_messages_revived_total"] == 1
    assert samples['dingda_messages_ended_total{"end": "dead", "reason": "failed"}'] == 1
    assert samples["dingda_dead_letters"] == 0


async def test_the_openapis_calls_are_told_beside_those_that_a_month_has(
    exporter: Exporter,
) -> None:
    calls = OpenAPICalls(exporter.redis, KEYS, monthly=5_000)
    calls.note()
    await calls.write()
    samples = await exporter.scrape(monthly_calls=5_000)
    assert samples["dingda_openapi_calls_this_month"] == 1
    assert samples["dingda_openapi_calls_a_month"] == 5_000


async def test_the_queue_has_a_length_and_an_oldest_age(exporter: Exporter, ledger: Ledger) -> None:
    message = await accepted(ledger, msgId="1")
    await accepted(ledger, msgId="2")
    await exporter.redis.hset(KEYS.message(message.id), "accepted_ms", now_ms() - 5_000)
    samples = await exporter.scrape()
    assert samples["dingda_queue_messages"] == 2
    assert samples["dingda_queue_oldest_age_seconds"] == pytest.approx(5.0, abs=1.0)


async def test_the_durations_are_histograms_by_stage(exporter: Exporter, ledger: Ledger) -> None:
    await ended(ledger)
    samples = await exporter.scrape()
    assert samples['dingda_message_duration_seconds_count{"stage": "total"}'] == 1
    assert samples['dingda_message_duration_seconds_bucket{"le": "+Inf", "stage": "total"}'] == 1


async def test_the_slots_of_all_workers_are_added_up(exporter: Exporter) -> None:
    await report(exporter.redis, name="w1", open_circuits=["weather"])
    await report(exporter.redis, name="w2", slots_used=100, open_circuits=["weather", "hr"])
    samples = await exporter.scrape()
    assert samples["dingda_workers"] == 2
    assert samples["dingda_cluster_slots"] == 200
    assert samples["dingda_cluster_slots_used"] == 107
    assert samples['dingda_cluster_open_circuits{"service": "weather"}'] == 2
    assert samples['dingda_cluster_open_circuits{"service": "hr"}'] == 1


async def test_what_is_under_a_name_that_we_do_not_know_is_other(exporter: Exporter) -> None:
    counts: dict[Any, Any] = {
        "dead:\n# HELP x": 2,
        "dead:failed: old": 1,
        "ignored:?": 3,
        "ignored:probe": 4,
    }
    await exporter.redis.hset(KEYS.count, mapping=counts)
    samples = await exporter.scrape()
    assert samples['dingda_messages_ended_total{"end": "dead", "reason": "other"}'] == 3
    assert samples['dingda_messages_ignored_total{"kind": "other"}'] == 3
    assert samples['dingda_messages_ignored_total{"kind": "probe"}'] == 4


async def test_no_more_than_a_hundred_services_are_told_apart(exporter: Exporter) -> None:
    names = [f"service {n}" for n in range(150)]
    await report(exporter.redis, open_circuits=names)
    samples = await exporter.scrape()
    circuits = [name for name in samples if name.startswith("dingda_cluster_open_circuits")]
    assert len(circuits) == 101
    assert samples['dingda_cluster_open_circuits{"service": "other"}'] == 50


@pytest.mark.parametrize("name", ['a"b', "a\n# HELP dingda_up no", "\ud800", "a\\", "x" * 5000])
async def test_whatever_a_service_is_called_the_rest_can_be_read(
    exporter: Exporter, name: str
) -> None:
    await report(exporter.redis, open_circuits=[name])
    samples = await exporter.scrape()
    circuits = [each for each in samples if each.startswith("dingda_cluster_open_circuits")]
    assert len(circuits) <= 1  # a report that can't be read is left out
    assert max(map(len, samples)) < 200
    assert samples["dingda_up"] == 1


async def test_redis_tells_its_memory_its_replicas_and_its_file(exporter: Exporter) -> None:
    samples = await exporter.scrape(wanted_replicas=1)
    told = {name: value for name, value in samples.items() if name.startswith("dingda_redis_")}
    assert told == {
        "dingda_redis_memory_bytes": 1_000,
        "dingda_redis_max_memory_bytes": 4_000,
        "dingda_redis_replicas": 2,
        "dingda_redis_replicas_wanted": 1,
        "dingda_redis_replica_lag_seconds": 4,
        "dingda_redis_unreplicated_total": 0,
        "dingda_redis_aof_enabled": 1,
        "dingda_redis_aof_write_ok": 0,
        "dingda_redis_cpu_seconds_total": 4,
    }


@pytest.mark.parametrize("info", [{}, {"used_memory": "nonsense"}, NoPermissionError("no INFO")])
async def test_without_info_the_rest_is_told(
    exporter: Exporter, info: dict[str, Any] | Exception
) -> None:
    exporter.info = info
    samples = await exporter.scrape()
    assert samples["dingda_up"] == 1
    assert "dingda_redis_memory_bytes" not in samples
    assert "dingda_workers" in samples


@pytest.mark.parametrize("error", [RedisConnectionError("away"), OSError(), TimeoutError()])
async def test_without_redis_it_says_so(exporter: Exporter, error: Exception) -> None:
    exporter.error = error
    samples = await exporter.scrape()
    assert samples["dingda_up"] == 0
    assert {name.partition("{")[0] for name in samples} == {"dingda_up", "dingda_build_info"}


async def test_a_redis_that_hangs_is_not_waited_for(exporter: Exporter) -> None:
    exporter.hangs = True
    assert (await asyncio.wait_for(exporter.scrape(), 10))["dingda_up"] == 0
