"""The candidates: the command of each worker, and the module that fills its queue."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import redis

from benchmarks.baselines.jobs import QUEUE
from benchmarks.callbacks import SECRET
from benchmarks.certificate import Certificate
from benchmarks.processes import BASELINES, BASELINES_ARQ, OURS, Served, cpu_s, run, served
from dingda.simulator.testing.processes import a_running_valkey, free_port

DINGDA = "Dingda"
SERVICE_TAKES_S = 1.0
"""Seconds that the service behind a look-up takes, as those do that the bot exists for."""
# Rewriting the log, and snapshots, would come into some rounds and not into others.
_CONFIG = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "auto-aof-rewrite-percentage": "0",
    "save": "",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queue and its worker."""

    name: str
    worker: tuple[str, ...]
    """The command line, less Python itself."""
    module: str
    """Which of `benchmarks.baselines` fills the queue, and enqueues for a gateway."""
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    python: str = OURS

    def work(self, server: "Server", **env: str) -> Served:
        """Start the worker."""
        return Served(self.python, *self.worker, env={**server.env, **self.env, **env})

    def fill(self, server: "Server", count: int, origin: str = "", lookup: str = "") -> None:
        """Queue jobs.

        Args:
            server: where.
            count: how many.
            origin: where each replies; "": they do nothing at all.
            lookup: what each asks before that, as `benchmarks.baselines.jobs` says; "": nothing.
        """
        module = f"benchmarks.baselines.{self.module}"
        words = (str(count), origin, lookup)
        run(self.python, "-m", "benchmarks.baselines.fill", module, *words, env=server.env)


class Server:
    """A Valkey of our own that logs every write, as in production, and its URL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.client = redis.Redis.from_url(url)
        self._pid = int(self.client.info("server")["process_id"])

    @property
    def env(self) -> dict[str, str]:
        """The settings of a process under test."""
        return {
            "BENCH_REDIS_URL": self._url,
            "BENCH_SECRET": SECRET,
            "RQ_REDIS_URL": self._url,
            "DINGDA_REDIS_URL": self._url,
            "DINGDA_QUEUE": QUEUE,
            "DINGDA_APP_SECRET": SECRET,
            "DINGDA_NO_WORKERS": "wait",  # the gateway is measured without any
            "DINGDA_BACKLOG_LIMIT": "100000000",
            "DINGDA_LOG_LEVEL": "WARNING",
            "DINGDA_SKILLS": "benchmarks.baselines.lookup_skill",
        }

    @property
    def cpu_s(self) -> float:
        """CPU seconds that the server has used so far."""
        return cpu_s(self._pid)

    @property
    def used_bytes(self) -> int:
        """Memory that the server's data takes."""
        return int(self.client.info("memory")["used_memory"])

    def clear(self) -> None:
        """Forget everything."""
        self.client.flushall()


@contextmanager
def a_server(folder: Path) -> Iterator[Server]:
    """A server for as long as the context is open; `folder` must not exist yet."""
    folder.mkdir()
    with a_running_valkey(folder, **_CONFIG) as url:
        server = Server(url)
        with server.client:
            yield server


@contextmanager
def a_sink() -> Iterator[tuple[Served, int]]:
    """A fake DingTalk in a process of its own, and its port."""
    port = free_port()
    with served(OURS, "-m", "benchmarks.sink", str(port), env={}, ready="ready") as process:
        yield process, port


@contextmanager
def a_tls_sink(certificate: Certificate) -> Iterator[tuple[int, str]]:
    """A fake DingTalk that takes replies over TLS as well: its port without, its origin with."""
    port, tls_port = free_port(), free_port()
    words = (str(port), str(tls_port), str(certificate.server))
    with served(OURS, "-m", "benchmarks.sink", *words, env={}, ready="ready"):
        yield port, f"https://127.0.0.1:{tls_port}"


@dataclass(frozen=True, slots=True)
class SlowService:
    """A service that takes a while for each call (`benchmarks.backend`), and its addresses."""

    process: Served
    port: int
    urls: Mapping[str, str]
    """By scheme: "http", and "https" where it has a certificate."""


@contextmanager
def a_slow_service(takes_s: float, certificate: Certificate | None = None) -> Iterator[SlowService]:
    """A service that takes so many seconds for each call."""
    ports = {"http": free_port(), "https": free_port()}
    command = ["-m", "benchmarks.backend", str(ports["http"]), str(takes_s)]
    if certificate:
        command += [str(ports["https"]), str(certificate.server)]
    urls = {scheme: f"{scheme}://127.0.0.1:{port}" for scheme, port in ports.items()}
    with served(OURS, *command, env={}, ready="ready") as process:
        yield SlowService(process, ports["http"], urls)


@contextmanager
def a_gateway(server: Server) -> Iterator[tuple[Served, str]]:
    """Our gateway, and its callback's address."""
    port = free_port()
    env = {**server.env, "DINGDA_PORT": str(port), "DINGDA_LOG_LEVEL": "INFO"}
    with served(OURS, "-m", "gateway", env=env, ready="listening on") as process:
        yield process, f"http://127.0.0.1:{port}/dd_robot/"


@contextmanager
def a_front(
    server: Server, factory: str, *, module: str = "", python: str = OURS
) -> Iterator[tuple[Served, str]]:
    """A gateway as people would write it (`baselines/front.py`), and its callback's address."""
    port = free_port()
    command = ["-m", "uvicorn", "--factory", f"benchmarks.baselines.front:{factory}"]
    command += ["--port", str(port), "--no-access-log", "--no-server-header"]
    env = {**server.env, "BENCH_BASELINE": f"benchmarks.baselines.{module}"}
    with served(python, *command, env=env, ready="running on") as process:
        yield process, f"http://127.0.0.1:{port}/dd_robot/"


def dingda(
    concurrency: int,
    origin: str = "",
    *,
    name: str = DINGDA,
    certificate: Certificate | None = None,
    **env: str,
) -> Candidate:
    """Our worker as it is, answering real messages from the ledger.

    Args:
        concurrency: how many messages it answers at once.
        origin: where replies go.
        name: what it is called in the samples.
        certificate: of a server that it trusts.
        env: more settings.
    """
    settings = {
        "DINGDA_CONCURRENCY": str(concurrency),
        "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
        **env,
    }
    worker = certificate.trusted("worker") if certificate else ("-m", "worker")
    return Candidate(name, worker, "with_dingda", settings)


def dramatiq(threads: int) -> Candidate:
    """dramatiq, one process of so many threads."""
    command = ("-m", "dramatiq", "benchmarks.baselines.with_dramatiq", "--processes", "1")
    return Candidate(
        f"dramatiq, {threads} threads",
        (*command, "--threads", str(threads)),
        "with_dramatiq",
        python=BASELINES,
    )


_RQ = ("-m", "rq.cli", "worker", QUEUE, "--quiet")
_TASKIQ = ("-m", "taskiq", "worker", "benchmarks.baselines.with_taskiq:broker", "--workers", "1")

DINGDA_NOTHING = Candidate(DINGDA, ("-m", "benchmarks.baselines.with_dingda"), "with_dingda")
RQ_WORKER = Candidate("rq worker", _RQ, "with_rq")
SIMPLE_WORKER = Candidate("RQ SimpleWorker", (*_RQ, "--worker-class", "rq.SimpleWorker"), "with_rq")
STOCK_SIMPLE_WORKER = replace(
    SIMPLE_WORKER, name="RQ SimpleWorker, `httpx.post` in each job", module="with_stock_rq"
)
WORKER_POOL = Candidate(
    "rq worker-pool -n 32, preloaded",
    ("-m", "benchmarks.baselines.rq_preloaded", "worker-pool", QUEUE, "-n", "32", "--quiet"),
    "with_rq",
)
ARQ = Candidate("arq", ("-m", "benchmarks.baselines.with_arq"), "with_arq", python=BASELINES_ARQ)
TASKIQ = Candidate(
    "taskiq",
    (*_TASKIQ, "--log-level", "WARNING", "--max-async-tasks", "500"),
    "with_taskiq",
    python=BASELINES,
)
