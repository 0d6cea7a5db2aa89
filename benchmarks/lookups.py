"""A look-up through HTTP that takes one second, then a POST: what a worker holds in flight."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from benchmarks import backend, sink
from benchmarks.candidates import (
    ARQ,
    DINGDA,
    RQ_WORKER,
    SERVICE_TAKES_S,
    SIMPLE_WORKER,
    TASKIQ,
    WORKER_POOL,
    Candidate,
    Server,
    SlowService,
    a_server,
    a_sink,
    a_slow_service,
    dingda,
    dramatiq,
)
from benchmarks.certificate import Certificate, a_certificate
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.processes import Served
from benchmarks.samples import Column, Sample, Table
from benchmarks.worker import wait_for_replies

DRAMATIQ = dramatiq(128)
IN_FLIGHT = (100, 500)
SCHEMES = ("http", "https")

_WITHIN_S = 180.0
_WATCH_S, _WATCH_CLOSELY_S = 0.2, 0.02
_AT_ONCE: dict[Candidate, int] = {
    WORKER_POOL: 32,
    SIMPLE_WORKER: 1,
    RQ_WORKER: 1,
    ARQ: 500,
    DRAMATIQ: 128,
    TASKIQ: 500,
}
"""How many jobs each of the others has in flight."""


def variant(in_flight: int, scheme: str) -> str:
    """What our worker with so many places is called in the samples."""
    return f"{DINGDA}, {in_flight} at once, {scheme}"


TABLE = Table(
    question="lookups",
    title="Worker: a look-up of one second by HTTP, then a POST",
    note="Each message GETs its own JSON from a service on this machine that takes a second, and "
    "POSTs the answer: Dingda through `ctx.services.http`, the others through an httpx client "
    "without limits, by plain http. All messages wait in the queue beforehand; arq and taskiq have "
    "500 in flight as well. Clock and CPU count from the first look-up to the last reply; *CPU* is "
    "the worker's for the whole message. *MB* is the most that "
    "the worker's processes took together (PSS: what they share counts once), *a waiting look-up* "
    "what that is more than the same worker takes when it waits for messages.",
    columns=(
        Column("per_s", "answers/s"),
        Column("mb", "MB"),
        Column("waiting_kb", "kB a waiting look-up"),
        Column("per_100_mb", "answers/s per 100 MB", 1),
        Column("cpu_ms", "CPU ms an answer", 2),
    ),
    yardstick=WORKER_POOL.name,
    compared="per_100_mb",
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Let each worker answer what waits in its queue, round after round."""
    certificate = a_certificate(folder)
    with (
        a_server(folder / "lookups") as server,
        a_slow_service(SERVICE_TAKES_S, certificate) as service,
    ):
        for number in range(plan.rounds):
            idle_mb = _idle_mb(server, service.urls, certificate)
            for in_flight in IN_FLIGHT:
                for scheme, url in service.urls.items():
                    candidate = _dingda(in_flight, scheme, url, certificate)
                    messages = in_flight * plan.lookups_a_place
                    values = _answers(candidate, server, messages, service, scheme)
                    values["waiting_kb"] = (values["mb"] - idle_mb) / in_flight * 1024
                    yield Sample("lookups", candidate.name, number, values)
                    server.clear()
            others = _AT_ONCE if plan.everyone else (WORKER_POOL,)
            for candidate in others:
                jobs = _AT_ONCE[candidate] * plan.lookups_a_place
                values = _answers(candidate, server, jobs, service, "http")
                yield Sample("lookups", candidate.name, number, values)
                server.clear()


def _dingda(in_flight: int, scheme: str, url: str, certificate: Certificate) -> Candidate:
    return dingda(
        in_flight,
        name=variant(in_flight, scheme),
        certificate=certificate,
        DINGDA_BENCH_SERVICE_URL=url,
    )


def _idle_mb(server: Server, urls: Mapping[str, str], certificate: Certificate) -> float:
    """Memory of a worker that has answered a message, and waits for the next."""
    with a_sink() as (_, port):
        origin, url = f"http://127.0.0.1:{port}", urls["https"]
        candidate = _dingda(IN_FLIGHT[-1], "https", url, certificate)
        candidate.fill(server, 1, origin, url)
        with closing(_work(candidate, server, origin)) as worker:
            wait_for_replies(port, 1, worker)
            time.sleep(_WATCH_S)
            mb = worker.pss_mb
    server.clear()
    return mb


def _answers(
    candidate: Candidate, server: Server, jobs: int, service: SlowService, scheme: str
) -> dict[str, float]:
    with a_sink() as (_, port):
        origin = f"http://127.0.0.1:{port}"
        candidate.fill(server, jobs, origin, service.urls[scheme])
        calls = backend.ask(service.port).calls
        with closing(_work(candidate, server, origin)) as worker:
            give_up_at = time.monotonic() + _WITHIN_S
            while backend.ask(service.port).calls == calls:
                _check(worker, candidate, give_up_at)
                time.sleep(_WATCH_CLOSELY_S)
            began_s, cpu_s, mb = time.monotonic(), worker.cpu_s, 0.0
            while (taken := sink.ask(port)).count < jobs:
                _check(worker, candidate, give_up_at)
                mb = max(mb, worker.pss_mb)
                time.sleep(_WATCH_S)
            # An apology would be a reply as well.
            if (asked := backend.ask(service.port).calls - calls) < jobs:
                raise BenchmarkError(f"{candidate.name}: only {asked} of {jobs} were looked up")
            per_s = jobs / (taken.last_s - began_s)
            return {
                "per_s": per_s,
                "mb": mb,
                "per_100_mb": per_s / mb * 100,
                "cpu_ms": (worker.cpu_s - cpu_s) / jobs * 1000,
            }


def _check(worker: Served, candidate: Candidate, give_up_at: float) -> None:
    worker.check()
    if time.monotonic() > give_up_at:
        raise BenchmarkError(f"{candidate.name} takes too long:\n{worker.output[-3000:]}")


def _work(candidate: Candidate, server: Server, origin: str) -> Served:
    return candidate.work(server, DINGDA_SESSION_WEBHOOK_ORIGINS=origin)
