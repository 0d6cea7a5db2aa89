"""Start-up: from the start of a process to its first answer, with everything that is shipped."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from benchmarks import sink
from benchmarks.callbacks import Callbacks
from benchmarks.candidates import Server, a_server, a_sink, dingda
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.processes import OURS, Served
from benchmarks.samples import Column, Sample, Table
from dingda.simulator.testing.processes import free_port

WORKER, GATEWAY, BOT = "worker, a message waits", "gateway", "both at once, nothing in Redis"

_QUICK = "帮助"
_WITHIN_S = 60.0
_WATCH_S = 0.005
_REST_S = 1.0

TABLE = Table(
    question="startup",
    title="Start-up",
    note="All shipped skills, and bytecode from an earlier start. *Ready* is when the process says "
    "it is. The *first answer* is the reply to 「帮助」, which a worker finds in the queue; of the "
    "gateway it is the acknowledgement of the first callback. *Both at once*: the callback is sent "
    "as soon as the gateway is ready. *CPU* is the processes' own up to the first answer; *MB* "
    "(PSS) is taken a second later.",
    columns=(
        Column("ready_s", "ready after s", 2),
        Column("first_s", "first answer after s", 2),
        Column("cpu_s", "CPU s", 2),
        Column("idle_mb", "idle MB"),
    ),
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Start each in turn, round after round, and once before that counts for nothing."""
    with a_server(folder / "startup") as server:
        for number in range(-1, plan.rounds):
            for variant, start in ((WORKER, _worker), (GATEWAY, _gateway), (BOT, _bot)):
                values = start(server)
                server.clear()
                if number >= 0:
                    yield Sample("startup", variant, number, values)


def _worker(server: Server) -> dict[str, float]:
    with a_sink() as (_, port):
        candidate = dingda(100)
        candidate.fill(server, 1, _origin(port), _QUICK)
        began_s = time.monotonic()
        with closing(_start("worker", server, port)) as worker:
            worker.wait_for("takes up to")
            ready_s = time.monotonic()
            return _values(began_s, ready_s, _replied_s(port, worker), worker)


def _gateway(server: Server) -> dict[str, float]:
    began_s, port = time.monotonic(), free_port()
    with closing(_start("gateway", server, 9, port)) as gateway:
        gateway.wait_for("listening on")
        ready_s = time.monotonic()
        _send(port, _origin(9))
        return _values(began_s, ready_s, time.monotonic(), gateway)


def _bot(server: Server) -> dict[str, float]:
    with a_sink() as (_, sink_port), ExitStack() as stack:
        began_s, port = time.monotonic(), free_port()
        processes = [_start(name, server, sink_port, port) for name in ("gateway", "worker")]
        for process in processes:
            stack.callback(process.close)
        gateway, worker = processes
        gateway.wait_for("listening on")
        _send(port, _origin(sink_port))
        replied_s = _replied_s(sink_port, worker)
        worker.wait_for("takes up to")
        return _values(began_s, time.monotonic(), replied_s, *processes)


def _start(module: str, server: Server, sink_port: int, port: int = 0) -> Served:
    env = {
        **server.env,
        "DINGDA_SKILLS": "",
        "DINGDA_PORT": str(port or free_port()),
        "DINGDA_SESSION_WEBHOOK_ORIGINS": _origin(sink_port),
        "DINGDA_LOG_LEVEL": "INFO",
    }
    return Served(OURS, "-m", module, env=env)


def _send(port: int, origin: str) -> None:
    """Send the first callback, and wait until it is acknowledged."""
    request = Callbacks(f"127.0.0.1:{port}", text=_QUICK, origin=origin).request(0)
    with socket.create_connection(("127.0.0.1", port), timeout=_WITHIN_S) as connection:
        connection.sendall(request)
        received = b""
        while b'"empty"' not in received:
            if not (chunk := connection.recv(4096)):
                raise BenchmarkError(f"the first callback was not acknowledged: {received!r}")
            received += chunk


def _replied_s(port: int, worker: Served) -> float:
    """Wait for the first reply; returns when it came."""
    give_up_at = time.monotonic() + _WITHIN_S
    while not (taken := sink.ask(port)).count:
        worker.check()
        if time.monotonic() > give_up_at:
            raise BenchmarkError(f"no first reply came:\n{worker.output[-3000:]}")
        time.sleep(_WATCH_S)
    return taken.first_s


def _values(began_s: float, ready_s: float, first_s: float, *processes: Served) -> dict[str, float]:
    cpu_s = sum(process.cpu_s for process in processes)
    time.sleep(_REST_S)
    return {
        "ready_s": ready_s - began_s,
        "first_s": first_s - began_s,
        "cpu_s": cpu_s,
        "idle_mb": sum(process.pss_mb for process in processes),
    }


def _origin(port: int) -> str:
    return f"http://127.0.0.1:{port}"
