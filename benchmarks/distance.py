"""Replies to a DingTalk that is a while away, over TLS, by the worker as it is."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks import sink
from benchmarks.baselines.jobs import WAIT
from benchmarks.candidates import DINGDA, Server, a_server, dingda
from benchmarks.certificate import Certificate, a_certificate
from benchmarks.distant import Arrivals, a_distant_sink
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.samples import Column, Sample, Table, percentile

SKILL_S = 0.15
_ROUND_TRIP_S = 0.02
_PLACES = 10
_WITHIN_S = 60.0
_WATCH_S = 0.05

TABLE = Table(
    question="distance",
    title="Replies over TLS, DingTalk 20 ms away",
    note="The sink holds back what is sent for half a round trip, and what a connection carries "
    f"first for a whole one more. The skill takes {SKILL_S * 1000:g} ms; the delay counts from its "
    "end to the reply's arrival at DingTalk, which is half a round trip after the worker sent it. "
    "*Round trips* are those begun after the skill's end: one for the request and its response, "
    "and one each for TCP and TLS if the connection was not open by then. *CPU* is the worker's "
    f"for the whole message. {_PLACES} messages are answered at once.",
    columns=(
        Column("p50_ms", "delay p50 ms", 1),
        Column("p99_ms", "p99 ms", 1),
        Column("round_trips", "round trips, p50"),
        Column("round_trips_p99", "p99"),
        Column("connections", "connections a reply", 2),
        Column("cpu_us", "CPU µs a message"),
        Column("redis_us", "Redis µs a message"),
    ),
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Answer messages that wait in the queue, round after round."""
    certificate = a_certificate(folder)
    with a_server(folder / "distance") as server:
        for number in range(plan.rounds):
            yield Sample("distance", DINGDA, number, _replies(plan, server, certificate))
            server.clear()


def _replies(plan: Plan, server: Server, certificate: Certificate) -> dict[str, float]:
    messages = _PLACES * plan.replies_a_place
    with a_distant_sink(certificate, _ROUND_TRIP_S) as (origin, port):
        candidate = dingda(_PLACES, origin, certificate=certificate)
        candidate.fill(server, messages, origin, WAIT.format(seconds=SKILL_S))
        with closing(candidate.work(server)) as worker:
            give_up_at = time.monotonic() + _WITHIN_S
            cpu_s = redis_s = 0.0
            while (arrivals := Arrivals(**sink.report(port))).count < messages:
                worker.check()
                if time.monotonic() > give_up_at:
                    raise BenchmarkError(f"{arrivals.count} of {messages} replies came")
                if not arrivals.count:
                    cpu_s, redis_s = worker.cpu_s, server.cpu_s
                time.sleep(_WATCH_S)
            cpu_s, redis_s = worker.cpu_s - cpu_s, server.cpu_s - redis_s
    delays_ms = [delay_s * 1000 for delay_s in arrivals.delays_s]
    return {
        "p50_ms": percentile(delays_ms, 50),
        "p99_ms": percentile(delays_ms, 99),
        "round_trips": percentile(arrivals.round_trips, 50),
        "round_trips_p99": percentile(arrivals.round_trips, 99),
        "connections": arrivals.connections / messages,
        "cpu_us": cpu_s / messages * 1e6,
        "redis_us": redis_s / messages * 1e6,
    }
