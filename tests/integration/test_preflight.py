"""The look that both processes take at their set-up, on real servers that are set up badly."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.finding import Severity
from dingda.shared.runtime.preflight import MAX_SKEW_S, check, run_preflight
from dingda.shared.runtime.settings import Settings
from dingda.simulator.testing.processes import free_port
from tests.support.processes import SECRET, Valkey, gateway, process, valkey

DANGER, WARNING, OK = Severity.DANGER, Severity.WARNING, Severity.OK


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def settings(server: Valkey | None, **fields: Any) -> Settings:
    url = server.url if server else f"redis://127.0.0.1:{free_port()}/0"
    given = {"app_secret": SECRET, "redis_url": url} | fields
    return Settings(_env_file=None, **given)  # type: ignore[call-arg]


def severities(settings: Settings) -> dict[str, Severity]:
    return {finding.name: finding.severity for finding in check(settings)}


def test_a_good_set_up_is_good_in_every_respect(server: Valkey) -> None:
    names = ["settings", "secret", "http-origin", "open-redis", "redis"]
    names += ["redis-version", "eviction", "append-only", "clock", "queue"]
    assert severities(settings(server)) == dict.fromkeys(names, OK)


def test_a_redis_that_does_not_answer_is_said_and_stops_nothing() -> None:
    away = settings(None)
    assert severities(away)["redis"] is WARNING
    run_preflight(away)


def test_a_redis_without_append_only_file_is_a_warning(tmp_path: Path) -> None:
    with valkey(tmp_path, appendonly="no") as server:
        assert severities(settings(server))["append-only"] is WARNING


def test_a_redis_that_evicts_is_a_danger_once_it_has_a_limit(tmp_path: Path) -> None:
    with valkey(tmp_path, **{"maxmemory-policy": "allkeys-lru"}) as server:
        assert severities(settings(server))["eviction"] is WARNING
        with redis.Redis.from_url(server.url) as client:
            client.config_set("maxmemory", "100mb")
        assert severities(settings(server))["eviction"] is DANGER


def test_an_acl_without_info_is_named(server: Valkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        rule = "on >pass ~* &* +@all -info"
        client.execute_command("ACL", "SETUSER", "narrow", *rule.split())
    url = f"redis://narrow:pass@127.0.0.1:{server.port}/0"
    found = severities(settings(server, redis_url=url))
    assert found["redis-version"] is WARNING
    assert found["redis-rights"] is WARNING


def test_a_clock_that_differs_from_redis_is_a_warning(
    server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + MAX_SKEW_S + 5
    monkeypatch.setattr("dingda.shared.runtime.preflight.time.time", lambda: ahead)
    assert severities(settings(server))["clock"] is WARNING


def test_a_worker_on_two_queues_is_named(server: Valkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.hset("rq:worker:other", "queues", "dingda,mail")
        client.sadd("rq:workers:dingda", "rq:worker:other")
        try:
            assert severities(settings(server))["queue"] is WARNING
        finally:
            client.delete("rq:worker:other", "rq:workers:dingda")


@pytest.mark.parametrize(
    ("url", "severity"),
    [
        ("redis://127.0.0.1:1/0", OK),
        ("redis://localhost:1/0", OK),
        ("redis://[::1]:1/0", OK),
        ("unix:///run/redis.sock", OK),
        ("rediss://redis.invalid:1/0", OK),
        ("redis://:password@redis.invalid:1/0", OK),
        ("redis://redis.invalid:1/0", DANGER),
        ("redis://user@redis.invalid:1/0", DANGER),
    ],
)
def test_a_redis_elsewhere_needs_a_password_or_tls(url: str, severity: Severity) -> None:
    assert severities(settings(None, redis_url=url))["open-redis"] is severity


@pytest.mark.parametrize(
    ("origin", "severity"),
    [
        ("https://oapi.dingtalk.com", OK),
        ("http://127.0.0.1:8100", OK),
        ("http://localhost:8100", OK),
        ("http://oapi.dingtalk.com", DANGER),
    ],
)
def test_replies_over_plain_http_are_a_danger_beyond_this_machine(
    origin: str, severity: Severity
) -> None:
    found = severities(settings(None, session_webhook_origins=origin))
    assert found["http-origin"] is severity


def test_a_secret_that_is_too_short_to_be_one_is_a_warning() -> None:
    assert severities(settings(None, app_secret="short"))["secret"] is WARNING


def test_a_danger_stops_the_start_and_says_how_to_go_on() -> None:
    with pytest.raises(SettingsError, match="DINGDA_ALLOW=http-origin"):
        run_preflight(settings(None, session_webhook_origins="http://dingtalk.invalid"))


def test_a_danger_that_is_allowed_by_name_stops_nothing() -> None:
    allowed = {"session_webhook_origins": "http://dingtalk.invalid", "allow": "http-origin"}
    run_preflight(settings(None, **allowed))


def test_no_finding_holds_a_password_or_a_secret() -> None:
    url = "redis://:canary-password@127.0.0.1:1/0"
    said = "".join(map(str, check(settings(None, redis_url=url, app_secret="canary"))))
    assert "canary" not in said


@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_neither_process_starts_in_danger(server: Valkey, command: str) -> None:
    env = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": server.url,
        "DINGDA_SESSION_WEBHOOK_ORIGINS": "http://dingtalk.invalid",
    }
    with process("-m", command, env=env) as started:
        assert started.popen.wait(20) == 2
    assert "danger: http-origin" in started.output
    assert "Traceback" not in started.output


def test_check_prints_every_finding_and_its_status_tells_whether_to_start(server: Valkey) -> None:
    env = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": server.url}
    with process("-m", "gateway", "check", env=env) as checked:
        assert checked.popen.wait(20) == 0
        checked.wait_for("ok: queue")
    assert checked.output.count("\n") == 10
    env["DINGDA_SESSION_WEBHOOK_ORIGINS"] = "http://dingtalk.invalid"
    with process("-m", "gateway", "check", env=env) as checked:
        assert checked.popen.wait(20) == 1


def test_check_does_not_call_a_gateway_without_a_secret_ready_to_start(server: Valkey) -> None:
    with process("-m", "gateway", "check", env={"DINGDA_REDIS_URL": server.url}) as checked:
        assert checked.popen.wait(20) == 2
        checked.wait_for("DINGDA_APP_SECRET is not set")
        checked.wait_for("ok: queue")


def test_a_warning_is_logged_at_the_start(tmp_path: Path) -> None:
    with valkey(tmp_path, appendonly="no") as server, gateway(server.url) as (hears, _):
        assert "append-only" in hears.output


@contextmanager
def redis_that_says(version: str) -> Iterator[str]:
    """The address of a server that speaks Redis's protocol and states a version."""
    said = f"# Server\r\nredis_version:{version}\r\nmaxmemory:0\r\n".encode()
    answers = {b"INFO": b"$%d\r\n%s\r\n" % (len(said), said), b"PING": b"+PONG\r\n"}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                lines = [self.rfile.readline() for _ in range(2 * int(line[1:]))]
                answer = answers.get(lines[1].strip().upper(), b"-ERR unknown command\r\n")
                self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()


@pytest.mark.parametrize("version", ["5.0.7", "6.0.16", "6.1.99", "3.2", "odd", ""])
@pytest.mark.parametrize("command", ["gateway", "worker"])
def test_a_redis_that_is_too_old_is_refused_in_a_sentence(version: str, command: str) -> None:
    with redis_that_says(version) as url:
        env = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": url}
        with process("-m", command, env=env) as started:
            assert started.popen.wait(20) == 2
    assert "danger: redis-version: Redis is" in started.output
    assert "use Redis 6.2 or newer" in started.output
    assert "DINGDA_ALLOW" not in started.output
    assert "Traceback" not in started.output


@pytest.mark.parametrize("version", ["6.2.0", "7.2.4", "8.0.0-rc1", "7.4", "255.255.255"])
def test_a_redis_that_is_new_enough_is_taken(version: str) -> None:
    with redis_that_says(version) as url:
        assert severities(settings(None, redis_url=url))["redis-version"] is OK


@pytest.mark.parametrize("command", [["gateway"], ["gateway", "check"], ["worker"]], ids=" ".join)
def test_a_misspelt_setting_is_named_at_the_start_with_the_one_that_is_meant(
    server: Valkey, command: list[str]
) -> None:
    env = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": server.url,
        "DINGDA_PORT": str(free_port()),
        "DINGDA_SENDER_LIMITS": "canary",
        "DINGDA_TAOBAO_APPKEY": "canary",
    }
    with process("-m", *command, env=env) as started:
        started.wait_for(r"settings: .*SENDER_LIMITS \(did you mean DINGDA_SENDER_LIMIT\?\)")
        if command == ["worker"]:
            started.wait_for(r"TAOBAO_APPKEY \(did you mean DINGDA_TAOBAO_APP_KEY\?\)")
    assert "canary" not in started.output


@pytest.mark.parametrize(
    ("command", "name", "meant"),
    [
        ("simulator", "DINGDA_SIMULATOR_REPLY_PER_MINUTE", "DINGDA_SIMULATOR_REPLIES_PER_MINUTE"),
        ("dashboard", "DINGDA_DASHBOARD_ACT_PASSWD", "DINGDA_DASHBOARD_ACT_PASSWORD"),
    ],
)
def test_the_simulator_and_the_dashboard_name_their_own_that_are_misspelt(
    server: Valkey, command: str, name: str, meant: str
) -> None:
    env = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": server.url,
        f"DINGDA_{command.upper()}_PORT": str(free_port()),
        name: "canary",
    }
    with process("-m", "dingda", command, env=env) as started:
        started.wait_for(f"nothing reads {name}; did you mean {meant}\\?")
    assert "canary" not in started.output


CANTEEN = """
from dingda.skill import Skill, SkillSettings

class CanteenSettings(SkillSettings):
    canteen_url: str = ""

skill = Skill("canteen", summary="x")

@skill.command("食堂")
def menu(settings: CanteenSettings) -> str:
    return settings.canteen_url
"""


@pytest.mark.parametrize("command", ["worker", "check"])
def test_the_names_of_a_loaded_skills_settings_are_known(
    server: Valkey, tmp_path: Path, command: str
) -> None:
    (tmp_path / "canteen.py").write_text(CANTEEN, "utf-8")
    env = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": server.url,
        "DINGDA_SKILLS": "canteen",
        "DINGDA_CANTEEN_URL": "canary",
        "DINGDA_CANTEN_URL": "canary",
        "DINGDA_SIMULATOR_PROT": "1",
    }
    with process("-m", "dingda", command, env=env, cwd=tmp_path) as started:
        started.wait_for(r"nothing reads DINGDA_CANTEN_URL \(did you mean DINGDA_CANTEEN_URL\?\)")
        if command == "check":
            started.wait_for(r"DINGDA_SIMULATOR_PROT \(did you mean DINGDA_SIMULATOR_PORT\?\)")
    assert "reads DINGDA_CANTEEN_URL" not in started.output
    assert "canary" not in started.output


@pytest.mark.parametrize(
    "url",
    [
        "redis://:canary@127.0.0.1:6379/0?foo=1",
        "redis://:canary@127.0.0.1:6379/abc",
        "redis://:canary@127.0.0.1:6379/0?max_connections=1",
        "redis://:can/ary@127.0.0.1:6379/0",
    ],
)
@pytest.mark.parametrize(
    "command", ["gateway", "gateway check", "worker", "worker status", "worker dead list"]
)
def test_a_redis_url_that_cannot_be_used_is_refused_by_every_command(
    url: str, command: str
) -> None:
    env = {"DINGDA_APP_SECRET": SECRET, "DINGDA_REDIS_URL": url}
    with process("-m", *command.split(), env=env) as started:
        assert started.popen.wait(20) == 2
    assert started.output.startswith("DINGDA_REDIS_URL: ")
    assert started.output.count("\n") == 1
    assert "ary" not in started.output
