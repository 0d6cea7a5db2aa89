"""Memory: what Redis holds for a message that waits, and for one that has ended."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.baselines.jobs import QUEUE
from benchmarks.candidates import Server, a_server, a_sink, dingda
from benchmarks.plan import Plan
from benchmarks.samples import Column, Sample, Table
from benchmarks.worker import wait_for_replies
from dingda.shared.ledger.keys import LedgerKeys

QUEUED, FINISHED = "Dingda, queued", "Dingda, finished"

_RESULTS, _RQ, _LEDGER = "rq:results:", "rq:", LedgerKeys(QUEUE).message("")

TABLE = Table(
    question="memory",
    title="Redis memory a message holds",
    note="Callbacks of 850 bytes. *all in* is the growth of `used_memory`; the parts are `MEMORY "
    "USAGE` of the keys. What RQ keeps of a finished job goes after a minute (`result_ttl`); its "
    "result is a stream, whose first node takes 4 kB. What the ledger remembers, against "
    "redelivery, goes after three hours.",
    columns=(
        Column("bytes", "bytes, all in"),
        Column("results_bytes", "RQ's result"),
        Column("rq_bytes", "RQ's other keys"),
        Column("ledger_bytes", "the ledger's message"),
    ),
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Weigh messages before and after they are answered; one round, as all are the same."""
    with a_server(folder / "memory") as server, a_sink() as (_, port):
        origin = f"http://127.0.0.1:{port}"
        candidate = dingda(100, origin)
        empty_bytes = server.used_bytes
        candidate.fill(server, plan.kept, origin, 0)
        yield Sample("memory", QUEUED, 0, _weigh(server, empty_bytes, plan.kept))
        with closing(candidate.work(server)) as worker:
            wait_for_replies(port, plan.kept, worker)
        yield Sample("memory", FINISHED, 0, _weigh(server, empty_bytes, plan.kept))


def _weigh(server: Server, empty_bytes: int, messages: int) -> dict[str, float]:
    grown = server.used_bytes - empty_bytes
    weights = _by_owner(server)
    return {
        "bytes": grown / messages,
        "results_bytes": weights[_RESULTS] / messages,
        "rq_bytes": weights[_RQ] / messages,
        "ledger_bytes": weights[_LEDGER] / messages,
    }


def _by_owner(server: Server) -> Counter[str]:
    keys = [key.decode() for key in server.client.scan_iter(count=1000)]
    with server.client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.memory_usage(key, samples=0)
        weights = pipeline.execute()
    owners: Counter[str] = Counter()
    for key, weight in zip(keys, weights, strict=True):
        owner = next((prefix for prefix in (_RESULTS, _RQ, _LEDGER) if key.startswith(prefix)), "")
        owners[owner] += weight or 0
    return owners
