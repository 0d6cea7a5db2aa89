"""Memory: what Redis holds for a message that waits, and for one that has ended."""

import time
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

QUEUED, FINISHED, LATER = "Dingda, queued", "Dingda, finished", "Dingda, some minutes later"

_RESULTS, _RQ, _LEDGER = "rq:results:", "rq:", ""
_JOURNAL = LedgerKeys(QUEUE).journal
_MINUTES_S = 900
"""What Redis forgets sooner than this is forgotten *some minutes later*."""
_PER_S = 100
_WARM_UP = 50
_MORE = 3
"""How often as many are answered again: a table that Redis has made large for what waited and was
deleted stays large, and in the long run it is what is left that fills it."""
_SETTLE_S = 1.0

TABLE = Table(
    question="memory",
    title="Redis memory a message holds",
    note="Callbacks of 850 bytes; *finished* is right after the reply. *all in* is the growth of "
    "`used_memory`; the parts are `MEMORY USAGE` of the keys. *Some minutes later* is weighed when "
    f"everything has been deleted that Redis itself would expire within {_MINUTES_S // 60} "
    f"minutes, and {_MORE} times as many messages have gone the same way; what is left is what "
    "redelivery is recognised by, for three hours. The journal has a bound of its own, whatever "
    "comes, so it is weighed apart, an entry of it. From the two and from how long they last "
    f"follows what {_PER_S} messages a second take in the long run.",
    columns=(
        Column("bytes", "bytes, all in"),
        Column("results_bytes", "RQ's result"),
        Column("rq_bytes", "RQ's other keys"),
        Column("ledger_bytes", "the ledger's keys"),
        Column("entry_bytes", "an entry of the journal"),
        Column("steady_mb", f"MB at {_PER_S}/s"),
    ),
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Weigh messages before and after they are answered; one round, as all are the same."""
    with a_server(folder / "memory") as server:
        # So that Redis has every script, which stays.
        _answer(server, _WARM_UP)
        server.clear()
        empty_bytes = server.used_bytes
        yield Sample("memory", QUEUED, 0, _answer(server, plan.kept, empty_bytes))
        finished = _weigh(server, empty_bytes, plan.kept)
        yield Sample("memory", FINISHED, 0, finished)
        minutes_s, hours_s = _expire(server)
        for _ in range(_MORE):
            _answer(server, plan.kept)
            _expire(server)
        later = _weigh(server, empty_bytes, (1 + _MORE) * plan.kept)
        byte_s = (finished["bytes"] - later["bytes"]) * minutes_s + later["bytes"] * hours_s
        yield Sample("memory", LATER, 0, later | {"steady_mb": byte_s * _PER_S / 1e6})


def _answer(server: Server, messages: int, empty_bytes: int = 0) -> dict[str, float]:
    """Let a worker answer so many messages; returns what they weighed before."""
    with a_sink() as (_, port):
        origin = f"http://127.0.0.1:{port}"
        candidate = dingda(100, origin)
        candidate.fill(server, messages, origin)
        weights = _weigh(server, empty_bytes, messages)
        with closing(candidate.work(server)) as worker:
            wait_for_replies(port, messages, worker)
    return weights


def _expire(server: Server) -> tuple[float, float]:
    """Delete what Redis would expire in minutes: how long that, and the rest, would have lasted."""
    redis = server.client
    keys = list(redis.scan_iter(count=1000))
    with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.ttl(key)
        lives_s = dict(zip(keys, pipeline.execute(), strict=True))
        for key, life_s in lives_s.items():
            if 0 <= life_s < _MINUTES_S:
                pipeline.delete(key)
        pipeline.execute()
    minutes = [life_s for life_s in lives_s.values() if 0 <= life_s < _MINUTES_S]
    return max(minutes, default=0), max(lives_s.values(), default=0)


def _weigh(server: Server, empty_bytes: int, messages: int) -> dict[str, float]:
    # Redis makes its own tables smaller little by little.
    time.sleep(_SETTLE_S)
    grown = server.used_bytes - empty_bytes
    journal = server.client.memory_usage(_JOURNAL, samples=0) or 0
    weights = _by_owner(server)
    return {
        "bytes": (grown - journal) / messages,
        "results_bytes": weights[_RESULTS] / messages,
        "rq_bytes": weights[_RQ] / messages,
        "ledger_bytes": (weights[_LEDGER] - journal) / messages,
        "entry_bytes": journal / max(1, server.client.xlen(_JOURNAL)),
    }


def _by_owner(server: Server) -> Counter[str]:
    keys = [key.decode() for key in server.client.scan_iter(count=1000)]
    with server.client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.memory_usage(key, samples=0)
        weights = pipeline.execute()
    owners: Counter[str] = Counter()
    for key, weight in zip(keys, weights, strict=True):
        owner = next(prefix for prefix in (_RESULTS, _RQ, _LEDGER) if key.startswith(prefix))
        owners[owner] += weight or 0
    return owners
