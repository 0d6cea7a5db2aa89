"""Backlog: what a message costs, coming and going, while others wait before it."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks import sink
from benchmarks.candidates import Server, a_gateway, a_server, a_sink, dingda
from benchmarks.load import send
from benchmarks.plan import Plan
from benchmarks.processes import Served
from benchmarks.samples import Column, Sample, Table
from benchmarks.worker import Meter, wait_for_replies

_CONNECTIONS = 64

TABLE = Table(
    question="backlog",
    title="Backlog: a message costs the same however many wait",
    note="Each backlog has a server and a gateway of its own; in turn they take some messages in, "
    "and a worker answers as many from the head of the queue. *all in* adds the CPU of the "
    "gateway, the worker and Redis: what one message costs from callback to reply.",
    columns=(
        Column("cost_us", "CPU µs a message, all in"),
        Column("accept_us", "gateway µs"),
        Column("accept_redis_us", "its Redis µs"),
        Column("answer_us", "worker µs"),
        Column("answer_redis_us", "its Redis µs"),
        Column("accepted_per_s", "accepted/s"),
        Column("answered_per_s", "answered/s"),
        Column("bytes_each", "Redis bytes a waiting message"),
    ),
    yardstick="1,000 waiting",
    compared="cost_us",
)


def variant(waiting: int) -> str:
    """What a backlog is called in the samples."""
    return f"{waiting:,} waiting"


@dataclass(frozen=True, slots=True)
class _Level:
    """A backlog of one size."""

    waiting: int
    server: Server
    gateway: Served
    url: str
    bytes_each: float


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Let messages come and go at each backlog in turn, round after round."""
    with ExitStack() as stack:
        process, port = stack.enter_context(a_sink())
        origin = f"http://127.0.0.1:{port}"
        levels = [_a_level(stack, folder, waiting, origin) for waiting in plan.backlogs]
        for number in range(plan.slow_rounds):
            for level in levels:
                process.check()
                values = _accept(level, plan.passing, origin) | _answer(level, plan.passing, port)
                values["cost_us"] = sum(
                    values[part]
                    for part in ("accept_us", "accept_redis_us", "answer_us", "answer_redis_us")
                )
                values["bytes_each"] = level.bytes_each
                yield Sample("backlog", variant(level.waiting), number, values)


def _a_level(stack: ExitStack, folder: Path, waiting: int, origin: str) -> _Level:
    server = stack.enter_context(a_server(folder / f"backlog-{waiting}"))
    empty_bytes = server.used_bytes
    dingda(1).fill(server, waiting, origin)
    bytes_each = (server.used_bytes - empty_bytes) / waiting
    gateway, url = stack.enter_context(a_gateway(server))
    return _Level(waiting, server, gateway, url, bytes_each)


def _accept(level: _Level, messages: int, origin: str) -> dict[str, float]:
    meter = Meter(level.gateway, level.server)
    load = send(level.url, connections=_CONNECTIONS, requests=messages, origin=origin)
    taken = meter.read(load.answered - load.refused)
    return {
        "accepted_per_s": load.per_s,
        "accept_us": taken["cpu_us"],
        "accept_redis_us": taken["redis_us"],
    }


def _answer(level: _Level, messages: int, port: int) -> dict[str, float]:
    origin = f"http://127.0.0.1:{port}"
    first = sink.ask(port).count + 1
    with closing(dingda(100, origin).work(level.server)) as worker:
        before = wait_for_replies(port, first, worker)
        meter = Meter(worker, level.server)
        after = wait_for_replies(port, first + messages, worker)
        taken = meter.read(after.count - before.count)
    return {
        "answered_per_s": taken["per_s"],
        "answer_us": taken["cpu_us"],
        "answer_redis_us": taken["redis_us"],
    }
