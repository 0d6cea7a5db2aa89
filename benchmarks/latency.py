"""Callback to reply on an idle machine: one message at a time, with a rest before each."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.baselines.jobs import AT_ONCE
from benchmarks.callbacks import Callbacks
from benchmarks.candidates import (
    ARQ,
    RQ_WORKER,
    SIMPLE_WORKER,
    TASKIQ,
    Candidate,
    a_front,
    a_gateway,
    a_server,
    dingda,
    dramatiq,
)
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.samples import Column, Sample, Table, percentile
from benchmarks.sink import Sink, Taken
from dingda.simulator.testing.processes import free_port

_BASELINES = (SIMPLE_WORKER, RQ_WORKER, ARQ, dramatiq(8), TASKIQ)
_WITHIN_S = 15.0
# At random, to hit a polling worker at every point of its interval.
_REST_S = (0.03, 0.13)
_UNCOUNTED = 3

TABLE = Table(
    question="latency",
    title="Callback to reply on an idle machine",
    note="From the first byte of the callback to the reply's arrival, lookup of 0 s, one message "
    "at a time after a rest of 30 to 130 ms. Beside Dingda each worker has a gateway in Starlette "
    "that checks the signature and enqueues. All of them run all the time, idle but for one.",
    columns=(
        Column("p50_ms", "p50 ms", 1),
        Column("p90_ms", "p90 ms", 1),
        Column("p99_ms", "p99 ms", 1),
    ),
    yardstick=SIMPLE_WORKER.name,
    compared="p50_ms",
)


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """A gateway and the worker behind it."""

    name: str
    url: str


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Send some messages through each pipeline in turn, round after round."""
    port = free_port()
    with ExitStack() as stack:
        ours = dingda(100, f"http://127.0.0.1:{port}")
        baselines = _BASELINES if plan.everyone else (SIMPLE_WORKER,)
        pipelines = [
            stack.enter_context(_a_pipeline(candidate, folder / f"latency-{number}"))
            for number, candidate in enumerate((ours, *baselines))
        ]
        for number in range(plan.rounds):
            for pipeline in pipelines:
                latencies_ms = asyncio.run(_send(pipeline, port, plan.messages))
                values = {
                    f"p{percent}_ms": percentile(latencies_ms, percent) for percent in (50, 90, 99)
                }
                yield Sample("latency", pipeline.name, number, values)


@contextmanager
def _a_pipeline(candidate: Candidate, folder: Path) -> Iterator[_Pipeline]:
    """A pipeline with a server of its own, because some baselines' queues share their names."""
    with ExitStack() as stack:
        server = stack.enter_context(a_server(folder))
        if candidate.module == "with_dingda":
            gateway = a_gateway(server)
        else:
            gateway = a_front(server, "queueing", module=candidate.module, python=candidate.python)
        _, url = stack.enter_context(gateway)
        worker = candidate.work(server)
        stack.callback(worker.close)
        yield _Pipeline(candidate.name, url)


async def _send(pipeline: _Pipeline, port: int, messages: int) -> list[float]:
    """Send messages one by one, and return for each the ms until its reply."""
    replies: asyncio.Queue[float] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    sinks: list[Sink] = []

    def accept() -> Sink:
        sinks.append(Sink(Taken(), lambda *_: replies.put_nowait(time.perf_counter())))
        return sinks[-1]

    server = await loop.create_server(accept, "127.0.0.1", port)
    address = urlsplit(pipeline.url)
    callbacks = Callbacks(address.netloc, text=AT_ONCE, origin=f"http://127.0.0.1:{port}")
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    latencies_ms = []
    try:
        # The first ones open connections and load modules.
        for number in range(messages + _UNCOUNTED):
            await asyncio.sleep(random.uniform(*_REST_S))  # noqa: S311 - nothing secret
            began = time.perf_counter()
            writer.write(callbacks.request(number))
            async with asyncio.timeout(_WITHIN_S):
                replied = await replies.get()
                await reader.read(4096)
            latencies_ms.append((replied - began) * 1000)
    except TimeoutError:
        raise BenchmarkError(f"{pipeline.name}: no reply within {_WITHIN_S:g} s") from None
    finally:
        writer.close()
        server.close()
        for sink in sinks:
            sink.close()
    return latencies_ms[_UNCOUNTED:]
