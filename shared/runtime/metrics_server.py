"""`/metrics`, `/healthz` and `/readyz` on a port of a process's own, served from threads.

Not from the event loop: a worker whose loop is blocked still says so. The port is for Prometheus
and for health checks, never for the public. Import this only where metrics are on: it loads
prometheus_client.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from dingda import __version__
from dingda.shared.runtime.counter_files import Measure
from dingda.shared.runtime.logs import printable
from dingda.shared.runtime.server import listen_for_metrics
from dingda.shared.runtime.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_MAX_VALUES, _MAX_CHARS = 100, 60
_MAX_REQUESTS = 8
"""How many may be served at once; one more is closed."""
_TIMEOUT_S = 2.0
Details = Callable[[], Mapping[str, object]]
"""Further facts that `/readyz` tells operators."""

_POLL_S = 0.1
"""How long `shutdown` may take, in seconds."""


class ClosedLabel:
    """The values of a label that come from outside: no more than a hundred, the rest are `other`.

    Prometheus keeps a series for each value that it has ever seen.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()

    def value(self, name: str) -> str:
        """What to call it: as a log would, since it is from outside."""
        value = printable(name, _MAX_CHARS)
        if value not in self._values:
            if len(self._values) == _MAX_VALUES:
                return "other"
            self._values.add(value)
        return value


class Collected(Collector):
    """Metrics that are read when they are asked for.

    Args:
        read: reads them.
    """

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Read the metrics."""
        return self._read()


def expose(metrics: Iterable[Metric]) -> bytes:
    """Write metrics in Prometheus's text format."""
    return generate_latest(Collected(lambda: metrics))


def build_info(process: str) -> GaugeMetricFamily:
    """Which version runs in a process: `gateway`, `stream`, `worker` or `exporter`."""
    family = GaugeMetricFamily(
        "dingda_build_info", "The version that runs, always 1.", labels=["process", "version"]
    )
    family.add_metric([process, __version__], 1)
    return family


def counted(totals: Mapping[Measure, Mapping[str, list[float]]]) -> Iterator[Metric]:
    """Make metrics of what `read_counter_files` has read."""
    for measure, by_value in totals.items():
        labels = [measure.label] if measure.label else []
        yield (_histogram if measure.bounds else _counter)(measure, by_value, labels)


def _histogram(
    measure: Measure, by_value: Mapping[str, list[float]], labels: list[str]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(measure.name, measure.help, labels=labels)
    for value, (*counts, sum_value) in by_value.items():
        buckets = _buckets(measure.bounds, counts)
        family.add_metric([value] if labels else [], buckets, sum_value)
    return family


def _counter(
    measure: Measure, by_value: Mapping[str, list[float]], labels: list[str]
) -> CounterMetricFamily:
    family = CounterMetricFamily(measure.name, measure.help, labels=labels)
    for value, (count, _) in by_value.items():
        family.add_metric([value] if labels else [], count)
    return family


def _buckets(bounds: Iterable[float], counts: Iterable[float]) -> list[tuple[str, float]]:
    """Pair the bounds of a histogram with cumulative counts, as prometheus_client wants them."""
    below, pairs = 0.0, []
    for bound, number in zip((*map(str, map(float, bounds)), "+Inf"), counts, strict=True):
        below += number
        pairs.append((bound, below))
    return pairs


@contextmanager
def serve_metrics(
    listener: socket.socket,
    registry: Collector | CollectorRegistry,
    *,
    is_alive: Callable[[], bool] = lambda: True,
    why_not_ready: Callable[[], str] = lambda: "",
    details: Details = dict,
) -> Iterator[None]:
    """Serve `/metrics`, `/healthz` and `/readyz` as long as the context lasts.

    Args:
        listener: where to listen.
        registry: what to expose; it is asked from a thread.
        is_alive: what `/healthz` says, 200 or 503; called from a thread.
        why_not_ready: what `/readyz` says, 200 for "" or 503; called from a thread.
        details: what else `/readyz` tells operators while it says 200; called from a thread.
    """
    server = _Server(listener, registry, is_alive, why_not_ready, details)
    thread = threading.Thread(
        target=server.serve_forever, args=(_POLL_S,), name="metrics", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def serve_process(
    settings: Settings,
    registry: CollectorRegistry,
    state: Callable[[], Iterable[Metric]],
    *,
    is_alive: Callable[[], bool],
    why_not_ready: Callable[[], str],
    details: Details = dict,
) -> AbstractContextManager[None]:
    """Serve a process's metrics and health where its settings say; see `serve_metrics`.

    Args:
        settings: where to listen.
        registry: what the process counts.
        state: reads what it is like at this moment; called from a thread.
        is_alive: whether it is well.
        why_not_ready: why it does not work; "" if it does.
        details: what operators are told while it works.

    Raises:
        SettingsError: if the port is taken.
    """
    registry.register(Collected(state))
    return serve_metrics(
        listen_for_metrics(settings),
        registry,
        is_alive=is_alive,
        why_not_ready=why_not_ready,
        details=details,
    )


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self,
        listener: socket.socket,
        registry: Collector,
        is_alive: Callable[[], bool],
        why_not_ready: Callable[[], str],
        details: Details,
    ) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.registry = registry
        self.is_alive = is_alive
        self.why_not_ready = why_not_ready
        self.details = details
        self._places = threading.BoundedSemaphore(_MAX_REQUESTS)

    def verify_request(self, *_: object) -> bool:
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIMEOUT_S
    server_version = "dingda"
    sys_version = ""

    def do_GET(self) -> None:
        """Respond to a request."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._respond(HTTPStatus.OK, CONTENT_TYPE, generate_latest(self.server.registry))
        elif path == "/healthz":
            alive = self.server.is_alive()
            self._respond_well({"alive": alive}, is_well=alive)
        elif path == "/readyz":
            why = self.server.why_not_ready()
            facts = (
                {"ready": False, "why": why} if why else {"ready": True, **self.server.details()}
            )
            self._respond_well(facts, is_well=not why)
        else:
            self._respond(HTTPStatus.NOT_FOUND, "application/json", b'{"error": "http"}')

    def _respond_well(self, facts: Mapping[str, object], *, is_well: bool) -> None:
        status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
        self._respond(status, "application/json", json.dumps(facts).encode())

    def _respond(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: what clients send is not for the log."""
