"""The look before the start at what kind of Redis this is, and at what takes over from it."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dingda.shared.runtime.finding import Finding, Severity
from dingda.shared.runtime.preflight import check
from dingda.shared.runtime.settings import Settings
from dingda.simulator.testing.processes import free_port
from tests.support.processes import SECRET, Valkey, process, valkey
from tests.support.sentinels import MASTER, SentinelDeployment, sentinel_deployment

TAIR = "bad lua script for redis cluster"
DANGER, WARNING, OK = Severity.DANGER, Severity.WARNING, Severity.OK


def findings(url: str, name: str, **fields: Any) -> list[Finding]:
    """What a check before the start finds under a name."""
    given = {"app_secret": SECRET, "redis_url": url} | fields
    settings = Settings(_env_file=None, **given)  # type: ignore[call-arg]
    return [finding for finding in check(settings) if finding.name == name]


def said(found: list[Finding]) -> str:
    return "\n".join(map(str, found))


# Kinds that cannot be used ------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Valkey]:
    config = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with valkey(tmp_path, **config) as server:
        yield server


def test_a_cluster_is_refused_with_what_to_use_instead(cluster: Valkey) -> None:
    (found,) = findings(cluster.url, "redis")
    assert found.severity is DANGER
    assert "it is a Redis Cluster" in found.what
    assert "docs/operations.md" in found.advice


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_no_process_starts_on_a_cluster(cluster: Valkey, command: str) -> None:
    env = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": cluster.url}
    with process("-m", command, env=env) as started:
        assert started.popen.wait(20) == 2
    assert "danger: redis: it is a Redis Cluster" in started.output
    assert "DINGDA_ALLOW" not in started.output


@pytest.mark.parametrize(
    ("refusal", "severity", "words"),
    [
        (f"ERR {TAIR}, all the keys that the script uses should be passed", DANGER, "Tair"),
        (f"ERR {TAIR}, first parameter of redis.call must be a literal", DANGER, "Tair"),
        ("CROSSSLOT Keys in request don't hash to the same slot", DANGER, "as a cluster does"),
        ("MOVED 866 10.0.0.2:6379", DANGER, "as a cluster does"),
        ("CLUSTERDOWN Hash slot not served", DANGER, "as a cluster does"),
        (
            "ERR Script attempted to access a non local key in a cluster node script: x",
            DANGER,
            "as a cluster does",
        ),
        ("ERR unknown command 'EVAL'", WARNING, "does not run our scripts"),
        ("BUSY Redis is busy running a script.", WARNING, "does not run our scripts"),
    ],
)
def test_a_server_that_hides_its_kind_is_known_by_how_it_refuses_a_script(
    refusal: str, severity: Severity, words: str
) -> None:
    with server_that_refuses_scripts(refusal) as url:
        (found,) = (each for each in findings(url, "redis") if "went away" not in each.what)
    assert found.severity is severity
    assert words in found.what


@contextmanager
def server_that_refuses_scripts(refusal: str) -> Iterator[str]:
    """A server that answers PING, hides INFO and refuses EVAL, as a managed one may."""
    answers = {b"PING": "+PONG", b"EVAL": f"-{refusal}", b"INFO": "-ERR command is not supported"}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                lines = [self.rfile.readline() for _ in range(2 * int(line[1:]))]
                answer = answers.get(lines[1].strip().upper(), "-ERR unknown command")
                self.wfile.write(f"{answer}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()


# Replicas ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelDeployment]:
    config = {"min-replicas-to-write": "1", "min-replicas-max-lag": "10"}
    with sentinel_deployment(tmp_path_factory.mktemp("redis"), config) as deployment:
        deployment.wait_for_replicas()
        yield deployment


def test_a_replica_is_refused_with_what_to_name_instead(deployment: SentinelDeployment) -> None:
    (found,) = findings(deployment.replicas[0].url, "redis")
    assert found.severity is DANGER
    assert "DINGDA_REDIS_SENTINELS" in found.advice


def test_a_sentinel_in_the_place_of_a_redis_is_named(deployment: SentinelDeployment) -> None:
    (found,) = findings(f"redis://{deployment.sentinels[0].address}/0", "redis")
    assert found.severity is DANGER
    assert "it is a Sentinel" in found.what


@pytest.mark.parametrize("wanted", [1, 2])
def test_replicas_that_keep_up_are_well(deployment: SentinelDeployment, wanted: int) -> None:
    (found,) = findings(deployment.primary.url, "replicas", redis_replicas=wanted)
    assert found.severity is OK
    assert "2 online" in found.what


def test_fewer_replicas_than_are_waited_for_is_a_warning(deployment: SentinelDeployment) -> None:
    (found,) = findings(deployment.primary.url, "replicas", redis_replicas=3)
    assert found.severity is WARNING
    assert "2 online, and DINGDA_REDIS_REPLICAS is 3" in found.what


def test_a_primary_that_would_go_on_without_replicas_is_a_warning(
    deployment: SentinelDeployment,
) -> None:
    with deployment.primary.client() as client:
        client.config_set("min-replicas-to-write", 0)
        try:
            (found,) = findings(deployment.primary.url, "replicas", redis_replicas=1)
        finally:
            client.config_set("min-replicas-to-write", 1)
    assert found.severity is WARNING
    assert "min-replicas-to-write 1" in found.advice


def test_one_that_is_alone_says_so_in_every_respect(tmp_path: Path) -> None:
    with valkey(tmp_path, **{"min-replicas-to-write": "1"}) as server:
        found = findings(server.url, "replicas", redis_replicas=1)
    assert {each.severity for each in found} == {WARNING}
    assert "0 online" in said(found)
    assert "NOREPLICAS" in said(found)


def test_replicas_are_nobodys_business_where_none_are_wanted(
    deployment: SentinelDeployment,
) -> None:
    assert findings(deployment.primary.url, "replicas") == []


def test_a_user_who_may_not_call_wait_is_named(deployment: SentinelDeployment) -> None:
    server = deployment.primary
    with server.client() as client:
        client.acl_setuser(
            "narrow", enabled=True, passwords=["+pass"], keys=["*"], commands=["+@all", "-wait"]
        )
    url = f"redis://narrow:pass@127.0.0.1:{server.port}/0"
    assert [each.severity for each in findings(url, "redis-rights", redis_replicas=1)] == [WARNING]


# Sentinels --------------------------------------------------------------------------------


def sentinels(deployment: SentinelDeployment, **fields: Any) -> list[Finding]:
    given = {"redis_sentinels": deployment.addresses, "redis_master": MASTER} | fields
    return findings("redis://nowhere.invalid/0", "sentinels", **given)


def test_sentinels_that_know_the_primary_are_well(deployment: SentinelDeployment) -> None:
    (found,) = sentinels(deployment)
    assert found.severity is OK


def test_a_name_that_no_sentinel_watches_is_a_danger(deployment: SentinelDeployment) -> None:
    (found,) = sentinels(deployment, redis_master="other")
    assert found.severity is DANGER
    assert found.advice == "correct DINGDA_REDIS_MASTER"


def test_a_sentinel_that_does_not_answer_is_a_warning(deployment: SentinelDeployment) -> None:
    (found,) = sentinels(deployment, redis_sentinels=f"127.0.0.1:1,{deployment.addresses}")
    assert (found.severity, found.what) == (WARNING, "1 of 4 do not answer")


def test_sentinels_none_of_which_answers_are_a_warning(deployment: SentinelDeployment) -> None:
    (found,) = sentinels(deployment, redis_sentinels="127.0.0.1:1,127.0.0.1:2")
    assert found.severity is WARNING


def test_sentinels_that_could_elect_no_other_primary_are_a_warning(
    deployment: SentinelDeployment,
) -> None:
    first = deployment.sentinels[0]
    first.ask("SET", MASTER, "quorum", "9")
    try:
        found = sentinels(deployment)
    finally:
        first.ask("SET", MASTER, "quorum", "2")
    assert [each.severity for each in found] == [WARNING]
    assert "NOQUORUM" in found[0].what


def test_without_sentinels_nothing_is_said_of_them(deployment: SentinelDeployment) -> None:
    assert findings(deployment.primary.url, "sentinels") == []
