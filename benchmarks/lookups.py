"""A lookup that takes one second, then a POST: what a unit of memory can hold in flight."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks import sink
from benchmarks.candidates import (
    ARQ,
    RQ_WORKER,
    SIMPLE_WORKER,
    TASKIQ,
    WORKER_POOL,
    Candidate,
    Server,
    a_server,
    a_sink,
    dingda,
    dramatiq,
)
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.samples import Column, Sample, Table

DRAMATIQ = dramatiq(128)

_LOOKUP_S = 1.0
_IN_FLIGHT = 500
_WITHIN_S = 180.0
_WATCH_S = 0.2
# As many as each can do in about ten seconds, and a few for those that do one at a time.
_JOBS: dict[Candidate, int] = {
    WORKER_POOL: 240,
    SIMPLE_WORKER: 8,
    RQ_WORKER: 8,
    ARQ: 4_000,
    DRAMATIQ: 1_280,
    TASKIQ: 4_000,
}
_MESSAGES = 4_000

TABLE = Table(
    question="lookups",
    title="Worker: a lookup of one second, then a POST",
    note=f"All lookups wait in the queue beforehand; Dingda, arq and taskiq have {_IN_FLIGHT} in "
    "flight. The clock counts from the start of the first lookup to the last reply. *MB* is the "
    "most that the worker's processes took together (PSS: what they share counts once).",
    columns=(
        Column("per_s", "replies/s"),
        Column("mb", "MB"),
        Column("per_100_mb", "replies/s per 100 MB", 1),
        Column("cpu_ms", "CPU ms a reply", 2),
    ),
    yardstick=WORKER_POOL.name,
    compared="per_100_mb",
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Let each worker answer what waits in its queue, round after round."""
    with a_server(folder / "lookups") as server:
        for number in range(plan.slow_rounds):
            for candidate, jobs in {dingda(_IN_FLIGHT): _MESSAGES, **_JOBS}.items():
                values = _replies(candidate, server, max(3, round(jobs * plan.jobs)))
                yield Sample("lookups", candidate.name, number, values)
                server.clear()


def _replies(candidate: Candidate, server: Server, jobs: int) -> dict[str, float]:
    with a_sink() as (_, port):
        origin = f"http://127.0.0.1:{port}"
        candidate.fill(server, jobs, origin, _LOOKUP_S)
        env = {"DINGDA_SESSION_WEBHOOK_ORIGINS": origin}
        with closing(candidate.work(server, **env)) as worker:
            mb, give_up_at = 0.0, time.monotonic() + _WITHIN_S
            while (taken := sink.ask(port)).count < jobs:
                worker.check()
                if time.monotonic() > give_up_at:
                    raise BenchmarkError(f"{candidate.name}: {taken.count} of {jobs} replies came")
                mb = max(mb, worker.pss_mb)
                time.sleep(_WATCH_S)
            per_s = jobs / (taken.last_s - taken.first_s + _LOOKUP_S)
            return {
                "per_s": per_s,
                "mb": mb,
                "per_100_mb": per_s / mb * 100,
                "cpu_ms": worker.cpu_s / jobs * 1000,
            }
