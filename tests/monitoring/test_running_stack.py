"""A running stack exports every metric that the alerts and the dashboard name."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import StreamSimulator, a_stream_simulator
from tests.monitoring.rules import PROMETHEUS, named_metrics, needs_promtool, promtool
from tests.support.builders import a_callback
from tests.support.metrics import all_metrics
from tests.support.processes import (
    ROOT,
    Process,
    Script,
    SessionWebhook,
    Valkey,
    gateway,
    post_callback,
    process,
    valkey,
    wait_until,
    worker,
)

LABELS = {
    *("end", "kind", "le", "outcome", "process", "reason", "result", "service", "skill", "stage"),
    *("robot", "topic"),
}
PARTS = ("exporter", "gateway", "stream", "worker")
CANARY = "canary-canary"
REJECTS = Script(body=b'{"errcode": 300001, "errmsg": "session"}')


@dataclass(frozen=True)
class Stack:
    """Where the parts of a running stack tell Prometheus of themselves."""

    redis: Valkey
    callback: str
    exporter: str
    gateway: str
    stream: str
    worker: str

    def scrape(self, part: str) -> str:
        return httpx.get(f"http://{getattr(self, part)}/metrics", timeout=10).text

    def ended(self) -> int:
        """How many messages have an end."""
        text = self.scrape("exporter")
        ends = re.findall(r"^dingda_messages_ended_total\{.*\} (\d+)\.0$", text, re.MULTILINE)
        return sum(map(int, ends))


@contextmanager
def exporter(redis_url: str, port: int) -> Iterator[Process]:
    env = {"DINGDA_REDIS_URL": redis_url}
    with process("-m", "worker", "metrics", "--port", str(port), env=env) as started:
        started.wait_for("telling Prometheus on", within_s=60)
        yield started


@contextmanager
def stream(redis_url: str, dingtalk: StreamSimulator, port: int) -> Iterator[Process]:
    env = {"DINGDA_REDIS_URL": redis_url, "DINGDA_METRICS_PORT": str(port)}
    with process("-m", "gateway", "--stream", env=dingtalk.settings | env) as started:
        started.wait_for("connected to DingTalk", within_s=60)
        yield started


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with a replica, that has answered, ignored, and failed to answer some messages."""
    ports = [free_port() for _ in PARTS]
    with ExitStack() as parts:
        redis, replica = (
            parts.enter_context(valkey(tmp_path_factory.mktemp(name))) for name in ("one", "two")
        )
        with replica.client() as client:
            client.replicaof("127.0.0.1", str(redis.port))
        webhook = parts.enter_context(SessionWebhook())
        parts.enter_context(exporter(redis.url, ports[0]))
        dingtalk = parts.enter_context(a_stream_simulator(tmp_path_factory.mktemp("dingtalk")))
        parts.enter_context(stream(redis.url, dingtalk, ports[2]))
        _, callback = parts.enter_context(
            gateway(redis.url, DINGDA_METRICS_PORT=str(ports[1]), DINGDA_GATEWAY_PROCESSES="2")
        )
        parts.enter_context(
            worker(
                redis.url,
                webhook.origin,
                dingtalk.url,
                DINGDA_METRICS_PORT=str(ports[3]),
                DINGDA_OPEN_METEO_GEOCODING_URL="http://127.0.0.1:9",
                DINGDA_OPEN_METEO_URL="http://127.0.0.1:9",
            )
        )
        addresses = (f"127.0.0.1:{port}" for port in ports)
        running = Stack(redis, callback, *addresses)
        webhook.decide = lambda post: REJECTS if "rejected" in post.path else Script()
        texts = ("text", "text", f"天气 {CANARY}", "北京明天天气怎么样")
        for number, text in enumerate(texts):
            body = a_callback(
                text,
                msgId=f"{CANARY}-{number}",
                senderId=f"{CANARY}-{number}",
                senderNick=CANARY,
                sessionWebhook=webhook.url(CANARY if number else "rejected"),
            )
            post_callback(callback, body)
        post_callback(callback, b"{}")
        with SimulatedDingTalk.at(dingtalk.url) as people:
            people.ask("text", sender=CANARY)
        wait_until(lambda: running.ended() == len(texts) + 1, within_s=30)
        yield running


def exported(stack: Stack) -> dict[str, set[str]]:
    """The names of the labels of each metric that any part exports, by the name in queries."""
    found: dict[str, set[str]] = {}
    for part in PARTS:
        for family in parse(stack.scrape(part)):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.setdefault(name, set()).update(*(sample.labels for sample in family.samples))
    return found


def test_every_metric_that_rules_and_dashboard_name_is_exported(stack: Stack) -> None:
    assert named_metrics() - exported(stack).keys() == set()


def test_every_metric_that_the_page_describes_is_exported_and_no_other(stack: Stack) -> None:
    assert exported(stack).keys() == all_metrics().keys()


def test_the_exporter_tells_what_became_of_the_messages(stack: Stack) -> None:
    text = stack.scrape("exporter")
    assert "dingda_messages_accepted_total 5.0\n" in text
    # DingTalk has rejected one reply, the weather can't be reached, and one place is unknown.
    assert 'dingda_messages_ended_total{end="dead",reason="failed"} 2.0\n' in text
    assert 'dingda_messages_ended_total{end="declined",reason=""} 1.0\n' in text
    assert 'dingda_messages_ended_total{end="answered",reason=""} 2.0\n' in text
    assert 'dingda_messages_ignored_total{kind="probe"} 1.0\n' in text
    assert "dingda_messages_open 0.0\n" in text
    assert "dingda_workers 1.0\n" in text
    assert "dingda_redis_replicas 1.0\n" in text


def test_the_gateways_processes_tell_their_sums(stack: Stack) -> None:
    text = stack.scrape("gateway")
    assert 'dingda_callback_duration_seconds_count{outcome="stored"} 4.0\n' in text
    assert 'dingda_callback_duration_seconds_count{outcome="ignored"} 1.0\n' in text
    assert "dingda_intake_batch_size_sum 4.0\n" in text


def test_a_stream_process_tells_of_its_connection_and_of_what_came_by_it(stack: Stack) -> None:
    text = stack.scrape("stream")
    assert 'dingda_stream_connections{robot="dingsimulated"} 1.0\n' in text
    assert 'dingda_stream_connects_total{result="opened"} 1.0\n' in text
    assert 'dingda_stream_connects_total{result="refused"} 0.0\n' in text
    assert 'dingda_stream_frames_total{outcome="stored",topic="message"} 1.0\n' in text
    assert "dingda_intake_batch_size_sum 1.0\n" in text


def test_the_container_of_stream_mode_is_found_healthy(stack: Stack) -> None:
    """What docker-compose.yml has run in it."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    service = re.search(r"^  stream:\n(?:^    .*\n|^$\n)+", compose, re.MULTILINE)
    assert service is not None
    code = re.search(r'^        - "(import .*)"$', service[0], re.MULTILINE)
    assert code is not None
    command = [sys.executable, "-c", code[1].replace('\\"', '"')]
    port = stack.stream.rpartition(":")[2]
    subprocess.run(command, env={"DINGDA_METRICS_PORT": port}, check=True)


def test_a_worker_tells_what_it_did(stack: Stack) -> None:
    text = stack.scrape("worker")
    assert 'dingda_skill_duration_seconds_count{outcome="answered",skill="demo"} 3.0\n' in text
    assert 'dingda_delivery_attempts_total{outcome="rejected"} 1.0\n' in text
    assert re.search(r'^dingda_backend_circuit_open\{service=".+"\} 0\.0$', text, re.MULTILINE)


def test_labels_are_few_and_hold_nobody(stack: Stack) -> None:
    labels = set().union(*exported(stack).values())
    assert labels <= LABELS | {"version"}
    told = "".join(map(stack.scrape, PARTS))
    assert CANARY not in told


def test_health_is_told_beside_the_metrics(stack: Stack) -> None:
    for part in PARTS:
        assert httpx.get(f"http://{getattr(stack, part)}/healthz").json() == {"alive": True}
    for part in ("stream", "worker"):
        assert httpx.get(f"http://{getattr(stack, part)}/readyz").json() == {"ready": True}


def test_what_is_told_is_not_on_the_public_port(stack: Stack) -> None:
    public = httpx.URL(stack.callback).join("/metrics")
    assert httpx.get(public).status_code == 404


def test_the_exposition_is_as_prometheus_wants_it(stack: Stack) -> None:
    """What `promtool check metrics` looks at, and the suffixes of the units."""
    for part in PARTS:
        text = stack.scrape(part)
        families = list(parse(text))
        assert len({family.name for family in families}) == len(families)
        for family in families:
            assert family.name.startswith("dingda_")
            assert family.documentation.endswith(".")
            assert not re.search(r"_(ms|milliseconds|minutes|kb|mb)\b", family.name)
            if family.type == "counter":
                assert f"# TYPE {family.name}_total counter\n" in text
            if "Time" in family.documentation and family.type == "histogram":
                assert family.name.endswith("_seconds")


@needs_promtool
@pytest.mark.parametrize("part", PARTS)
def test_promtool_finds_nothing_to_say_of_the_exposition(stack: Stack, part: str) -> None:
    done = promtool("check", "metrics", stdin=stack.scrape(part))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(not shutil.which("prometheus"), reason="no prometheus")
def test_prometheus_scrapes_all_parts_and_evaluates_every_rule(
    stack: Stack, tmp_path: Path
) -> None:
    """The server itself, with the example of its settings."""
    settings = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    for example, real in (
        ("127.0.0.1:9108", stack.exporter),
        ("127.0.0.1:9110", stack.gateway),
        ('"127.0.0.1:9111", "127.0.0.1:9112"', f'"{stack.worker}"'),
        ('"127.0.0.1:9121", "127.0.0.1:9122"', f'"{stack.stream}"'),
        ("15s", "1s"),
        ("[recording", f"[{PROMETHEUS}/recording"),
        (" alerts.rules", f" {PROMETHEUS}/alerts.rules"),
    ):
        assert example in settings
        settings = settings.replace(example, real)
    (tmp_path / "prometheus.yml").write_text(settings)
    with prometheus(tmp_path) as server:
        jobs = {"dingda", "dingda-gateway", "dingda-stream", "dingda-worker"}
        wait_until(lambda: up(server) == jobs)
        wait_until(lambda: unhealthy_rules(server) == [])
        assert query(server, "dingda_messages_accepted_total") == ["5"]


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    command = (
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    with subprocess.Popen(command) as server:
        try:
            wait_until(lambda: answers(f"http://{address}/-/ready"))
            yield f"http://{address}"
        finally:
            server.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def up(server: str) -> set[str]:
    """The jobs whose targets were all scraped."""
    targets = httpx.get(f"{server}/api/v1/targets").json()["data"]["activeTargets"]
    return {target["labels"]["job"] for target in targets if target["health"] == "up"}


def unhealthy_rules(server: str) -> list[str]:
    """The rules that were not evaluated yet, or could not be."""
    groups = httpx.get(f"{server}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    return [rule["name"] for rule in rules if rule["health"] != "ok"]


def query(server: str, expression: str) -> list[str]:
    found = httpx.get(f"{server}/api/v1/query", params={"query": expression}).json()
    return [result["value"][1] for result in found["data"]["result"]]


def test_while_redis_hangs_the_exporter_still_answers(stack: Stack) -> None:
    with stack.redis.frozen():
        assert "dingda_up 0.0\n" in stack.scrape("exporter")
    wait_until(lambda: "dingda_up 1.0\n" in stack.scrape("exporter"))
