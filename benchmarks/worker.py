"""The worker: jobs that do nothing, so that only the machinery is measured."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks import sink
from benchmarks.baselines.jobs import BEGIN, END
from benchmarks.candidates import (
    ARQ,
    DINGDA_NOTHING,
    RQ_WORKER,
    SIMPLE_WORKER,
    STOCK_SIMPLE_WORKER,
    TASKIQ,
    Candidate,
    Server,
    a_server,
    a_sink,
    dingda,
    dramatiq,
)
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.processes import Served
from benchmarks.samples import Column, Sample, Table

ANSWERS = "Dingda, whole messages: ledger, routing, skill, POST"
DRAMATIQ = dramatiq(8)

_JOBS: dict[Candidate, int] = {
    DINGDA_NOTHING: 12_000,
    SIMPLE_WORKER: 1_200,
    RQ_WORKER: 100,
    ARQ: 4_000,
    DRAMATIQ: 6_000,
    TASKIQ: 4_000,
}
_REPLIES: dict[Candidate, int] = {
    replace(dingda(100), name=ANSWERS): 5_000,
    STOCK_SIMPLE_WORKER: 150,
    replace(SIMPLE_WORKER, name="RQ SimpleWorker, one httpx client for all jobs"): 600,
}
_COMPARED = {
    DINGDA_NOTHING.name,
    SIMPLE_WORKER.name,
    DRAMATIQ.name,
    ANSWERS,
    STOCK_SIMPLE_WORKER.name,
}
_WITHIN_S = 120.0
_WATCH_S = 0.02

TABLE = Table(
    question="worker",
    title="Worker: jobs that do nothing",
    note="One worker process each (dramatiq with its default of 8 threads), its queue filled "
    "beforehand; the clock and the CPU count from the first job to the last. The last three rows "
    "are not such jobs: all that Dingda does for a message, the POST of the reply included, and "
    "jobs of RQ that only POST the same.",
    columns=(
        Column("per_cpu_s", "jobs per CPU-second"),
        Column("per_s", "jobs/s"),
        Column("cpu_us", "CPU µs a job"),
        Column("redis_us", "Redis µs a job"),
    ),
    yardstick=SIMPLE_WORKER.name,
    compared="per_cpu_s",
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Let each worker empty its queue in turn, round after round."""
    with a_server(folder / "worker") as server:
        for number in range(plan.rounds):
            for candidate, jobs in _chosen(_JOBS, plan):
                values = _nothing(candidate, server, jobs)
                yield Sample("worker", candidate.name, number, values)
                server.clear()
            for candidate, jobs in _chosen(_REPLIES, plan):
                values = _replies(candidate, server, jobs)
                yield Sample("worker", candidate.name, number, values)
                server.clear()


def _chosen(jobs: dict[Candidate, int], plan: Plan) -> Iterator[tuple[Candidate, int]]:
    """Those that the plan asks for, and how many jobs each gets."""
    for candidate, count in jobs.items():
        if plan.everyone or candidate.name in _COMPARED:
            yield candidate, max(10, round(count * plan.jobs))


def _nothing(candidate: Candidate, server: Server, jobs: int) -> dict[str, float]:
    candidate.fill(server, jobs)
    with closing(candidate.work(server)) as worker:
        wait_for_mark(server, BEGIN, worker)
        meter = Meter(worker, server)
        wait_for_mark(server, END, worker)
        return meter.read(jobs)


def _replies(candidate: Candidate, server: Server, jobs: int) -> dict[str, float]:
    with a_sink() as (_, port):
        origin = f"http://127.0.0.1:{port}"
        candidate.fill(server, jobs, origin)
        with closing(candidate.work(server, DINGDA_SESSION_WEBHOOK_ORIGINS=origin)) as worker:
            before = wait_for_replies(port, 1, worker)
            meter = Meter(worker, server)
            taken = wait_for_replies(port, jobs, worker)
            return meter.read(taken.count - before.count)


class Meter:
    """Time and CPU from its making on."""

    def __init__(self, worker: Served, server: Server) -> None:
        self._worker = worker
        self._server = server
        self._began = (time.monotonic(), worker.cpu_s, server.cpu_s)

    def read(self, jobs: int) -> dict[str, float]:
        """What so many jobs took."""
        now = (time.monotonic(), self._worker.cpu_s, self._server.cpu_s)
        took_s, cpu_s, redis_s = (
            after - before for before, after in zip(self._began, now, strict=True)
        )
        return {
            "per_s": jobs / took_s,
            "per_cpu_s": jobs / cpu_s,
            "cpu_us": cpu_s / jobs * 1e6,
            "redis_us": redis_s / jobs * 1e6,
        }


def wait_for_replies(port: int, count: int, worker: Served) -> sink.Taken:
    """Wait until a sink has taken so many replies.

    Raises:
        BenchmarkError: if the worker ends before, or it takes two minutes.
    """
    give_up_at = time.monotonic() + _WITHIN_S
    while (taken := sink.ask(port)).count < count:
        worker.check()
        if time.monotonic() > give_up_at:
            raise BenchmarkError(f"{taken.count} of {count} replies came:\n{worker.output[-3000:]}")
        time.sleep(_WATCH_S)
    return taken


def wait_for_mark(server: Server, mark: str, worker: Served) -> None:
    """Wait until the first or the last job has begun.

    Raises:
        BenchmarkError: if the worker ends before, or it takes two minutes.
    """
    give_up_at = time.monotonic() + _WITHIN_S
    while not server.client.blpop([mark], timeout=1):
        worker.check()
        if time.monotonic() > give_up_at:
            raise BenchmarkError(f"no {mark} came:\n{worker.output[-3000:]}")
