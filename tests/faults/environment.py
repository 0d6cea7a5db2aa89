"""The whole bot on real processes, for tests that break it, and the check that ends each."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from dingda.shared.ledger.states import Counts
from tests.faults.proxy import Proxy
from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    ROOT,
    Process,
    SessionWebhook,
    Valkey,
    gateway,
    gateway_of,
    post_callback,
    valkey,
    wait_until,
    worker_of,
)
from tests.support.sentinels import MASTER, SentinelDeployment, sentinel_deployment

EMPTY = {"msgtype": "empty"}
BUSY = "系统繁忙"
SKILLS = "dingda.worker.skills.demo,tests.e2e.slow_skill,tests.faults.bad_skill"
_SESSION = re.compile(r"session=(\w+)")
_TRY_S = 30.0


class FaultEnvironment:
    """A Redis, a fake sessionWebhook and a gateway; workers as a test starts them.

    Args:
        server: the Redis that everything is in.
        webhook: plays DingTalk.
        address: the gateway's.
        redis_url: where workers find the Redis, if there is something in between.
        settings: what every process is set to besides.
    """

    def __init__(
        self,
        server: Valkey,
        webhook: SessionWebhook,
        address: str,
        redis_url: str,
        settings: Mapping[str, str],
    ) -> None:
        self.server = server
        self.webhook = webhook
        self.address = address
        self.redis_url = redis_url
        self.settings = settings
        self.message_count = 0

    @contextmanager
    def worker(self, checkout: Path = ROOT, /, **settings: str) -> Iterator[Process]:
        """A worker of a checkout, with the tests' skills."""
        own = {"DINGDA_SKILLS": SKILLS, **self.settings, **settings}
        with worker_of(checkout, self.redis_url, self.webhook.origin, **own) as started:
            yield started

    @contextmanager
    def supervised_worker(self, **settings: str) -> Iterator[list[Process]]:
        """A worker that is started again whenever it ends, as a supervisor does; all of them."""
        with supervised(lambda: self.worker(**settings)) as started:
            yield started

    @contextmanager
    def gateway(self, checkout: Path = ROOT, /, **settings: str) -> Iterator[tuple[Process, str]]:
        """Another gateway, of a checkout, and its address."""
        own = {**self.settings, **settings}
        with gateway_of(checkout, self.redis_url, **own) as (started, address):
            yield started, address

    def body(self, text: str, **fields: Any) -> bytes:
        """A callback of its own, by a person of its own, whose session is its number."""
        self.message_count += 1
        own = {
            "msgId": f"msg{self.message_count}",
            "senderId": f"$:LWCP_v1:$s{self.message_count}",
            "sessionWebhook": self.webhook.url(f"s{self.message_count}"),
        }
        return a_callback(text, **own | fields)

    def say(self, text: str, **fields: Any) -> httpx.Response:
        return self.post(self.body(text, **fields))

    def post(self, body: bytes, *, address: str | None = None) -> httpx.Response:
        return post_callback(address or self.address, body, timeout_s=_TRY_S)

    def accept(self, text: str, count: int = 1, **fields: Any) -> None:
        """Say something so many times; each must be stored."""
        for _ in range(count):
            assert self.say(text, **fields).json() == EMPTY

    def fill_redis(self) -> None:
        """Let Redis have no memory for more than it holds."""
        with self.server.client() as client:
            client.config_set("maxmemory", "1mb")
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.set("more", "than there is room for")

    def counts(self) -> Counts:
        with self.server.client() as client:
            stored: Any = client.hgetall(KEYS.count)
        return as_counts({name: int(total) for name, total in stored.items()})

    def wait_for_state(self, state: str, count: int = 1, *, within_s: float = 20.0) -> None:
        """Wait until so many messages are in a state."""

        def reached() -> bool:
            with self.server.client() as client:
                keys = client.scan_iter(KEYS.message("*"))
                return sum(client.hget(key, "state") == state for key in keys) >= count

        wait_until(reached, within_s=within_s)

    def expect_ends(
        self,
        *,
        within_s: float = 20.0,
        dead: dict[str, int] | None = None,
        parts: int = 1,
        **expected: int,
    ) -> None:
        """The check that ends every test: nothing is open, the sum is right, no reply came twice.

        Args:
            within_s: how long the last message may take to its end, in seconds.
            dead: the dead letters that are expected, by reason.
            parts: how many messages a reply takes.
            expected: how many were answered, unmatched and refused; 0 unless given.
        """
        wait_until(lambda: self.counts().open == 0, within_s=within_s)
        time.sleep(0.3)  # what comes late comes now
        counts = self.counts()
        found = {"answered": counts.answered, "unmatched": counts.unmatched}
        found["refused"] = counts.declined
        wanted = dict.fromkeys(found, 0) | expected
        assert (found, counts.dead) == (wanted, dead or {}), (found, counts.dead, wanted, dead)
        ended = sum(wanted.values()) + sum((dead or {}).values())
        assert counts.accepted + counts.revived == ended
        assert [session for session, times in self.shown().items() if times > parts] == []

    def shown(self) -> Counter[str]:
        """How often each message's reply was seen in the chat."""
        return Counter(map(session_of, (post.path for post in self.webhook.shown)))

    def took_s(self, condition: Callable[[], Any], *, within_s: float) -> float:
        """Wait for something, and say how long that took, in seconds."""
        began = time.monotonic()
        wait_until(condition, within_s=within_s)
        return time.monotonic() - began


def as_counts(stored: dict[str, int]) -> Counts:
    """Read the ledger's totals as `Ledger.counts` does."""
    dead = {k.removeprefix("dead:"): n for k, n in stored.items() if k.startswith("dead:") and n}
    return Counts(
        accepted=stored.get("accepted", 0),
        answered=stored.get("answered", 0),
        unmatched=stored.get("unmatched", 0),
        declined=stored.get("refused", 0),
        dead=dead,
        ignored={},
        revived=stored.get("revived", 0),
    )


def session_of(path: str) -> str:
    """The session that a reply was posted to."""
    found = _SESSION.search(path)
    assert found is not None
    return found[1]


@contextmanager
def supervised(start: Callable[[], AbstractContextManager[Process]]) -> Iterator[list[Process]]:
    """A process that is started again whenever it ends, as a supervisor does; all of them."""
    started: list[Process] = []
    over = threading.Event()

    def supervise() -> None:
        while not over.is_set():
            with start() as running:
                started.append(running)
                while not over.wait(0.1) and running.popen.poll() is None:
                    pass

    supervising = threading.Thread(target=supervise)
    supervising.start()
    wait_until(lambda: started)
    try:
        yield started
    finally:
        over.set()
        supervising.join()


@contextmanager
def fault_environment(folder: Path, **config: str) -> Iterator[FaultEnvironment]:
    """An environment for one test; `config` is the server's. Workers are for the test to start."""
    with valkey(folder, **config) as server, _environment(server, server.url) as opened:
        yield opened


@contextmanager
def environment_behind_proxy(
    folder: Path, **config: str
) -> Iterator[tuple[FaultEnvironment, Proxy]]:
    """An environment whose processes reach the server through a proxy."""
    with (
        valkey(folder, **config) as server,
        Proxy(server.port) as proxy,
        _environment(server, proxy.url) as opened,
    ):
        yield opened, proxy


@contextmanager
def environment_with_sentinels(
    folder: Path, *, replicas: int, min_replicas: int
) -> Iterator[tuple[FaultEnvironment, SentinelDeployment]]:
    """An environment whose processes ask Sentinels for the primary.

    Args:
        folder: where the servers and the Sentinels keep their data.
        replicas: how many replicas have what we acknowledge (`DINGDA_REDIS_REPLICAS`).
        min_replicas: how many a primary must have to take a write (`min-replicas-to-write`).
    """
    config = {"min-replicas-to-write": str(min_replicas), "min-replicas-max-lag": "2"}
    with sentinel_deployment(folder, config) as deployment:
        settings = {
            "DINGDA_REDIS_SENTINELS": deployment.addresses,
            "DINGDA_REDIS_MASTER": MASTER,
            "DINGDA_REDIS_REPLICAS": str(replicas),
        }
        with _environment(deployment.primary, "redis://nowhere.invalid/0", **settings) as opened:
            yield opened, deployment


@contextmanager
def environment_of_robots(folder: Path, robots: str) -> Iterator[FaultEnvironment]:
    """An environment whose gateway hears several robots; workers know those that they are told.

    What is said is signed with the tests' own secret, so it is for the robot that has that one.
    """
    settings = {"DINGDA_ROBOTS": robots, "DINGDA_APP_SECRET": ""}
    with valkey(folder) as server, _environment(server, server.url, **settings) as opened:
        yield opened


@contextmanager
def _environment(server: Valkey, redis_url: str, **settings: str) -> Iterator[FaultEnvironment]:
    # Many rows leave messages without a worker for longer than senders would be left unaware.
    own = {"DINGDA_NO_WORKERS": "wait"} | settings
    with SessionWebhook() as webhook, gateway(redis_url, **own) as (_, address):
        yield FaultEnvironment(server, webhook, address, redis_url, settings)
