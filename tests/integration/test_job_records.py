"""Our records against RQ's: the same job, on RQ's own worker and on ours, leaves the same keys."""

import asyncio
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis
from rq import Queue, SimpleWorker
from rq.job import JobStatus
from rq.serializers import JSONSerializer

from dingda.worker.engine.completer import JobCompleter, ended
from dingda.worker.engine.concurrent_worker import ConcurrentWorker
from dingda.worker.engine.fetcher import JobFetcher
from dingda.worker.engine.records import StartedJob
from dingda.worker.engine.registration import WorkerRegistration
from tests.integration import rq_jobs
from tests.integration.rq_keys import read_keys
from tests.support.processes import Valkey, process, valkey

Fetch = Callable[..., list[StartedJob]]
JOBS = {"well": rq_jobs.look, "badly": rq_jobs.fail}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def client(server: Valkey) -> "Iterator[redis.Redis]":
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def queue(client: "redis.Redis") -> Queue:
    return Queue("dingda", connection=client, serializer=JSONSerializer)


def enqueue(queue: Queue, how: str, *arguments: str, result_ttl_s: int = 60) -> str:
    job = queue.enqueue(
        JOBS[how],
        *arguments,
        description="x",
        result_ttl=result_ttl_s,
        failure_ttl=700,
        job_timeout=60,
    )
    return str(job.id)


def run_ours(server: Valkey) -> None:
    async def perform(data: bytes) -> None:
        name, _, arguments, _ = json.loads(zlib.decompress(data))
        JOBS["well" if name.endswith("look") else "badly"](*arguments)

    async def run(queue: Queue) -> None:
        async with AsyncRedis.from_url(server.url) as fetching:
            await ConcurrentWorker(queue, fetching, perform=perform, concurrency=4).run(burst=True)

    with redis.Redis.from_url(server.url) as client:
        asyncio.run(run(Queue("dingda", connection=client, serializer=JSONSerializer)))


def run_rqs(server: Valkey) -> None:
    # With as much time between heartbeats as ours has; leases depend on it.
    options = ("--burst", "-S", "json", "--job-monitoring-interval", "10", "-u", server.url)
    with process("-m", "rq.cli", "worker", *options, "dingda", env={}) as worker:
        assert worker.popen.wait(30) == 0


def run(
    run_worker: Callable[[Valkey], None],
    server: Valkey,
    client: "redis.Redis",
    how: str,
    path: str,
    result_ttl_s: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a job; returns RQ's keys as the job saw them, and as they are when the worker is gone."""
    client.flushall()
    queue = Queue("dingda", connection=client, serializer=JSONSerializer)
    enqueue(queue, how, server.url, path, result_ttl_s=result_ttl_s)
    run_worker(server)
    seen: dict[str, Any] = json.loads(Path(path).read_text())
    # The time of the last heartbeat, and how long it counts, differ between the workers.
    del seen["rq:worker:WORKER"]["value"]["last_heartbeat"]
    seen["rq:worker:WORKER:executions"]["lasts"] = None
    left = {key: value for key, value in read_keys(client).items() if "rq:worker" not in key}
    return seen, left


@pytest.mark.parametrize("result_ttl_s", [0, 60])
@pytest.mark.parametrize("how", JOBS)
def test_a_job_sees_and_leaves_the_keys_that_it_would_on_rqs_own_worker(
    how: str, result_ttl_s: int, server: Valkey, client: "redis.Redis", tmp_path: Path
) -> None:
    path = str(tmp_path / "seen")
    ours = run(run_ours, server, client, how, path, result_ttl_s)
    assert ours == run(run_rqs, server, client, how, path, result_ttl_s)


@pytest.fixture
def fetch(queue: Queue, server: Valkey) -> Fetch:
    async def fetch(limit: int, reserved: bytes | None) -> list[StartedJob]:
        async with AsyncRedis.from_url(server.url) as fetching:
            fetcher = JobFetcher(queue, fetching, worker_name="w", heartbeat_s=10)
            return await fetcher.fetch(limit, reserved=reserved)

    return lambda limit, reserved=None: asyncio.run(fetch(limit, reserved))


@pytest.fixture
def completer(queue: Queue) -> JobCompleter:
    return JobCompleter(queue, worker_name="w")


@pytest.fixture
def registration(queue: Queue) -> WorkerRegistration:
    worker = SimpleWorker([queue], name="w", connection=queue.connection)
    return WorkerRegistration(worker, queue, is_idle=lambda: False, job_ttl_s=70)


def test_jobs_start_in_the_order_of_the_queue_and_as_many_as_wanted(
    queue: Queue, fetch: Fetch
) -> None:
    ids = [enqueue(queue, "well") for _ in range(5)]
    assert [started.job_id for started in fetch(3)] == ids[:3]
    assert queue.job_ids == ids[3:]


def test_a_job_that_waits_in_the_intermediate_queue_starts_first(
    queue: Queue, fetch: Fetch, client: "redis.Redis"
) -> None:
    ids = [enqueue(queue, "well") for _ in range(2)]
    client.lmove(queue.key, queue.intermediate_queue_key)
    started = fetch(5, ids[0].encode())
    assert [each.job_id for each in started] == ids
    assert client.llen(queue.intermediate_queue_key) == 0


@pytest.mark.parametrize("plant", ["nothing", "a list", "no data"])
def test_an_id_without_a_readable_job_does_not_keep_the_others_from_starting(
    queue: Queue, fetch: Fetch, client: "redis.Redis", plant: str
) -> None:
    if plant == "a list":
        client.rpush("rq:job:planted", "x")
    elif plant == "no data":
        client.hset("rq:job:planted", "status", "queued")
    client.rpush(queue.key, "planted")
    job_id = enqueue(queue, "well")
    assert [started.job_id for started in fetch(5)] == [job_id]


@pytest.mark.parametrize("ttl", ["-1", "0", "x", "1e300", "inf", "nan", "1.5"])
def test_a_job_ends_and_expires_whatever_ttl_it_states(
    queue: Queue, fetch: Fetch, completer: JobCompleter, client: "redis.Redis", ttl: str
) -> None:
    job_id = enqueue(queue, "well")
    client.hset(f"rq:job:{job_id}", mapping={"result_ttl": ttl, "failure_ttl": ttl})
    (started,) = fetch(1)
    completer.complete([ended(started, JobStatus.FAILED, "planted")], idle=True)
    assert queue.failed_job_registry.get_job_ids() == [job_id]
    assert 0 < int(client.ttl(f"rq:job:{job_id}")) <= 31_536_000


def test_a_job_that_ends_well_and_keeps_no_result_leaves_no_key(
    queue: Queue, fetch: Fetch, completer: JobCompleter, client: "redis.Redis"
) -> None:
    job_id = enqueue(queue, "well", result_ttl_s=0)
    (started,) = fetch(1)
    for _ in range(2):
        completer.complete([ended(started)], idle=True)
    assert [key for key in client.scan_iter("*") if job_id.encode() in key] == []
    registry = queue.started_job_registry
    for place in (registry.key, queue.finished_job_registry.key, queue.failed_job_registry.key):
        assert client.zcard(place) == 0
    assert client.hget("rq:worker:w", "successful_job_count") == b"1"


def test_a_job_that_was_recorded_as_abandoned_leaves_no_key_either_once_it_ends_well(
    queue: Queue, fetch: Fetch, completer: JobCompleter, client: "redis.Redis"
) -> None:
    job_id = enqueue(queue, "well", result_ttl_s=0)
    (started,) = fetch(1)
    client.zadd(queue.started_job_registry.key, {f"{job_id}:{started.execution_id}": 1})
    client.delete(f"rq:execution:{job_id}:{started.execution_id}")
    queue.started_job_registry.cleanup()
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == [job_id]
    completer.complete([ended(started)], idle=True)
    assert [key for key in client.scan_iter("*") if job_id.encode() in key] == []
    assert client.zcard(queue.failed_job_registry.key) == 0


@pytest.mark.parametrize("ttl", ["-1", "x", "1e300", "inf", "nan"])
def test_a_job_that_ends_well_expires_whatever_ttl_it_states(
    queue: Queue, fetch: Fetch, completer: JobCompleter, client: "redis.Redis", ttl: str
) -> None:
    job_id = enqueue(queue, "well")
    client.hset(f"rq:job:{job_id}", "result_ttl", ttl)
    (started,) = fetch(1)
    completer.complete([ended(started)], idle=True)
    assert 0 < int(client.ttl(f"rq:job:{job_id}")) <= 31_536_000


def test_a_batch_that_is_written_twice_counts_once(
    queue: Queue, fetch: Fetch, completer: JobCompleter, client: "redis.Redis"
) -> None:
    enqueue(queue, "well")
    (started,) = fetch(1)
    for _ in range(2):
        completer.complete([ended(started)], idle=True)
    assert client.hget("rq:worker:w", "successful_job_count") == b"1"
    assert client.xlen(f"rq:results:{started.job_id}") == 1


def test_a_stopped_job_is_in_the_registry_of_failed_ones(
    queue: Queue, fetch: Fetch, completer: JobCompleter
) -> None:
    job_id = enqueue(queue, "well")
    (started,) = fetch(1)
    completer.complete([ended(started, JobStatus.STOPPED, "stopped on request")], idle=True)
    job = queue.fetch_job(job_id)
    assert job is not None
    assert job.get_status() == JobStatus.STOPPED
    assert queue.failed_job_registry.get_job_ids() == [job_id]


def test_a_heartbeat_lengthens_the_executions_and_creates_none_again(
    queue: Queue,
    fetch: Fetch,
    completer: JobCompleter,
    registration: WorkerRegistration,
    client: "redis.Redis",
) -> None:
    enqueue(queue, "well")
    (started,) = fetch(1)
    both = f"{started.job_id}:{started.execution_id}"
    client.zadd(queue.started_job_registry.key, {both: 1})
    registration.send_job_heartbeats([started])
    assert float(client.zscore(queue.started_job_registry.key, both) or 0) > started.at_s + 60
    completer.complete([ended(started)], idle=True)
    registration.send_job_heartbeats([])
    assert client.keys("rq:execution*") == []


def test_the_worker_is_busy_while_it_has_jobs_and_idle_after(
    queue: Queue, fetch: Fetch, completer: JobCompleter, client: "redis.Redis"
) -> None:
    enqueue(queue, "well")
    (started,) = fetch(1)
    assert client.hget("rq:worker:w", "state") == b"busy"
    completer.complete([ended(started)], idle=True)
    assert client.hget("rq:worker:w", "state") == b"idle"
