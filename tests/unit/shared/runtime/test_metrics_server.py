"""`/metrics` and `/healthz` on a port of a process's own."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from dingda.shared.runtime.metrics_server import Collected, build_info, serve_metrics

pytestmark = pytest.mark.heavy


@contextmanager
def served(
    read: Callable[[], Iterator[Metric]] = lambda: iter([build_info("worker")]),
    is_alive: Callable[[], bool] = lambda: True,
    why_not_ready: Callable[[], str] = lambda: "",
    **options: Any,
) -> Iterator[httpx.Client]:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    options |= {"is_alive": is_alive, "why_not_ready": why_not_ready}
    with (
        serve_metrics(listener, Collected(read), **options),
        httpx.Client(base_url=address, timeout=10) as client,
    ):
        yield client


def test_metrics_are_read_when_they_are_asked_for() -> None:
    values = iter((1, 2))

    def read() -> Iterator[Metric]:
        yield GaugeMetricFamily("dingda_thing", "A thing.", value=next(values))

    with served(read) as client:
        assert client.get("/metrics").text.endswith("dingda_thing 1.0\n")
        again = client.get("/metrics?name=x")
    assert again.text.endswith("dingda_thing 2.0\n")
    assert again.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_health_is_yes_or_no() -> None:
    answers = iter((True, False))
    with served(is_alive=lambda: next(answers)) as client:
        assert client.get("/healthz").status_code == 200
        ill = client.get("/healthz")
    assert (ill.status_code, ill.json()) == (503, {"alive": False})


def test_readiness_says_why_not() -> None:
    answers = iter(("", "stopping"))
    with served(why_not_ready=lambda: next(answers)) as client:
        assert client.get("/readyz").json() == {"ready": True}
        stopping = client.get("/readyz")
    assert (stopping.status_code, stopping.json()) == (503, {"ready": False, "why": "stopping"})


def test_readiness_tells_more_while_all_is_well() -> None:
    with served(details=lambda: {"skills_missing": ["acme.leave (E)"]}) as client:
        assert client.get("/readyz").json() == {"ready": True, "skills_missing": ["acme.leave (E)"]}


def test_there_is_nothing_else() -> None:
    with served() as client:
        assert client.get("/").status_code == 404
        assert client.post("/metrics").status_code == 501


def test_clients_that_say_nothing_are_few_and_do_not_stay(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with served() as client, ExitStack() as stack:
        host, port = client.base_url.host, client.base_url.port or 0
        lines = [stack.enter_context(socket.create_connection((host, port), 20)) for _ in range(20)]
        # Those beyond the eighth are closed at once, the others once their time is up.
        assert all(line.recv(1) == b"" for line in lines)
        assert client.get("/healthz").status_code == 200
    assert capfd.readouterr().err == ""
