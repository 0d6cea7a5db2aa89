"""The gateway: messages acknowledged, beside a bare route and what people would write instead."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.candidates import DINGDA, Server, a_front, a_gateway, a_server, a_sink
from benchmarks.errors import BenchmarkError
from benchmarks.load import Load, send
from benchmarks.plan import Plan
from benchmarks.processes import BASELINES, Served, served
from benchmarks.samples import Column, Sample, Table
from dingda.simulator.testing.processes import free_port

CEILING = "constant bytes (what the load can reach)"
BARE = "bare Starlette route"
ENQUEUE = "Starlette, Queue.enqueue(unique=True) in the thread pool"
SEED = "the seed's Django view, gunicorn, 1 process"

_CONNECTIONS = 64
_WARM_UP_S = 0.3

TABLE = Table(
    question="gateway",
    title="Gateway: stored and acknowledged",
    note=f"One process each, {_CONNECTIONS} connections that each wait for their response, signed "
    "callbacks of 850 bytes with distinct msgIds, uvicorn with uvloop and httptools. Only Dingda "
    "and `Queue.enqueue` store anything. *CPU* is the process's own; *Redis* what the server "
    "adds; *idle* is one connection alone.",
    columns=(
        Column("per_s", "req/s"),
        Column("per_cpu_s", "req per CPU-second"),
        Column("cpu_us", "CPU µs a request"),
        Column("redis_us", "Redis µs a request"),
        Column("p50_ms", "p50 ms", 1),
        Column("p99_ms", "p99 ms", 1),
        Column("idle_p50_ms", "idle p50 ms", 2),
        Column("idle_p99_ms", "idle p99 ms", 2),
        Column("load_us", "the load's own CPU µs"),
    ),
    yardstick=BARE,
    compared="per_s",
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Load each gateway in turn, round after round; all of them run all the time."""
    with ExitStack() as stack:
        server = stack.enter_context(a_server(folder / "gateway"))
        sink, port = stack.enter_context(a_sink())
        gateways = {
            CEILING: (sink, f"http://127.0.0.1:{port}/dd_robot/"),
            BARE: stack.enter_context(a_front(server, "bare")),
            DINGDA: stack.enter_context(a_gateway(server)),
            ENQUEUE: stack.enter_context(a_front(server, "queueing", module="with_rq")),
            SEED: stack.enter_context(_a_seed(server)),
        }
        for number in range(plan.rounds):
            for variant, (process, url) in gateways.items():
                values = _values(process, url, server, plan.gateway_s, variant)
                yield Sample("gateway", variant, number, values)
                server.clear()


@contextmanager
def _a_seed(server: Server) -> Iterator[tuple[Served, str]]:
    port = free_port()
    # Threads keep connections open; gunicorn's default worker does not, and is slower.
    command = ["-m", "gunicorn", "benchmarks.baselines.seed.wsgi", "--bind", f"127.0.0.1:{port}"]
    command += ["--workers", "1", "--threads", str(_CONNECTIONS)]
    with served(BASELINES, *command, env=server.env, ready="Booting worker") as process:
        yield process, f"http://127.0.0.1:{port}/dd_robot/"


def _values(
    process: Served, url: str, server: Server, seconds: float, variant: str
) -> dict[str, float]:
    expected = "errcode" if variant == CEILING else '"empty"'
    cpu_s, redis_s = process.cpu_s, server.cpu_s
    load = send(
        url, connections=_CONNECTIONS, seconds=seconds, warm_up_s=_WARM_UP_S, expected=expected
    )
    cpu_s, redis_s = process.cpu_s - cpu_s, server.cpu_s - redis_s
    idle = send(url, connections=1, seconds=seconds / 2, warm_up_s=0.1, expected=expected)
    _check(load, variant)
    _check(idle, variant)
    return {
        "per_s": load.per_s,
        "per_cpu_s": load.answered / cpu_s,
        "cpu_us": cpu_s / load.answered * 1e6,
        "redis_us": redis_s / load.answered * 1e6,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "idle_p50_ms": idle.p50_ms,
        "idle_p99_ms": idle.p99_ms,
        "load_us": load.own_cpu_s / load.answered * 1e6,
    }


def _check(load: Load, variant: str) -> None:
    if load.refused:
        raise BenchmarkError(f"{variant}: {load.refused} of {load.answered} were not acknowledged")
