"""Redis with Sentinel on this machine: a primary, two replicas, and the three that watch them."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from dingda.simulator.testing.processes import free_port
from tests.support.processes import Valkey, wait_until

MASTER = "dingda"
"""What the Sentinels call the primary."""
_SETTLES_WITHIN_S = 60.0
"""A primary that comes back is demoted after some ten seconds, and on a busy machine later."""
_SENTINEL = """\
port {port}
bind 127.0.0.1
dir "{folder}"
sentinel resolve-hostnames yes
sentinel monitor {master} 127.0.0.1 {primary} 2
sentinel down-after-milliseconds {master} {down_after_ms}
sentinel failover-timeout {master} {failover_timeout_ms}
"""


class Sentinel:
    """One Sentinel; it rewrites its configuration itself."""

    def __init__(self, folder: Path, primary: Valkey, *, down_after_ms: int) -> None:
        folder.mkdir()
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            _SENTINEL.format(
                port=self.port,
                folder=folder,
                master=MASTER,
                primary=primary.port,
                down_after_ms=down_after_ms,
                failover_timeout_ms=10 * down_after_ms,
            )
        )
        with (folder / "sentinel.log").open("wb") as log:
            self._process = subprocess.Popen(
                [primary.binary, str(config), "--sentinel"], stdout=log, stderr=subprocess.STDOUT
            )

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, *command: str) -> Any:
        """Run a subcommand of SENTINEL."""
        with redis.Redis(
            port=self.port, socket_timeout=1.0, decode_responses=True, protocol=3
        ) as client:
            return client.execute_command("SENTINEL", *command)

    def knows_all(self) -> bool:
        """Whether it has found both replicas and both other Sentinels, and could elect."""
        with suppress(redis.RedisError):
            found: dict[str, str] = self.ask("MASTER", MASTER)
            seen = found["flags"], found["num-slaves"], found["num-other-sentinels"]
            return seen == ("master", "2", "2") and "OK" in self.ask("CKQUORUM", MASTER)
        return False

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait()


class SentinelDeployment:
    """A primary, two replicas and three Sentinels, ready to fail over.

    Args:
        servers: the first is the primary.
        sentinels: what watches them.
    """

    def __init__(self, servers: list[Valkey], sentinels: list[Sentinel]) -> None:
        self.servers = servers
        self.sentinels = sentinels
        wait_until(lambda: all(each.knows_all() for each in sentinels), within_s=_SETTLES_WITHIN_S)

    @property
    def addresses(self) -> str:
        """The Sentinels', as the setting takes them."""
        return ",".join(sentinel.address for sentinel in self.sentinels)

    @property
    def primary(self) -> Valkey:
        """The one that the Sentinels agree upon and that says so itself; waits for one."""
        found: Valkey = wait_until(self._find_primary, within_s=_SETTLES_WITHIN_S)
        return found

    @property
    def replicas(self) -> list[Valkey]:
        primary = self.primary
        return [server for server in self.servers if server is not primary]

    def wait_for_other_primary(self, old: Valkey) -> Valkey:
        """Wait until another server is the primary, and return it."""
        wait_until(lambda: self.primary is not old, within_s=_SETTLES_WITHIN_S)
        return self.primary

    def wait_for_replicas(self, count: int = 2) -> None:
        """Wait until the primary has so many replicas that keep up."""
        wait_until(
            lambda: (
                _replication(self.primary).get("connected_slaves")
                == sum(map(_is_in_step, self.replicas))
                == count
            ),
            within_s=_SETTLES_WITHIN_S,
        )

    def fail_over(self, *how: str) -> Valkey:
        """Have a Sentinel move the primary's role, and return the server that has it then.

        Args:
            how: `COORDINATED`, which Valkey has had since 9.0, or nothing.
        """
        old = self.primary
        # One that has just watched a failover refuses for a while: there is no good replica yet.
        wait_until(lambda: self._orders(*how), within_s=_SETTLES_WITHIN_S)
        return self.wait_for_other_primary(old)

    def _orders(self, *how: str) -> bool:
        with suppress(redis.ResponseError):
            return bool(self.sentinels[0].ask("FAILOVER", MASTER, *how))
        return False

    def _find_primary(self) -> Valkey | None:
        named = {port for sentinel in self.sentinels if (port := _named_by(sentinel))}
        for server in self.servers:
            if named == {server.port} and _replication(server).get("role") == "master":
                return server
        return None


@contextmanager
def sentinel_deployment(
    folder: Path, config: Mapping[str, str], *, down_after_ms: int = 1_000
) -> Iterator[SentinelDeployment]:
    """Redis with Sentinel for one test; nothing of it outlives the test.

    Args:
        folder: where all of them keep their data and logs.
        config: the servers', such as `{"min-replicas-to-write": "1"}`.
        down_after_ms: after how long a silent server counts as down, in milliseconds.
    """
    options = {"repl-diskless-sync-delay": "0", **config}
    with ExitStack() as stack:

        def server(name: str, **role: str) -> Valkey:
            started = Valkey(folder / name, **options, **role)
            stack.callback(started.close)
            return started

        def sentinel(name: str) -> Sentinel:
            started = Sentinel(folder / name, primary, down_after_ms=down_after_ms)
            stack.callback(started.close)
            return started

        primary = server("server1")
        follow = {"replicaof": f"127.0.0.1 {primary.port}"}
        servers = [primary, *(server(f"server{number}", **follow) for number in (2, 3))]
        wait_until(lambda: all(map(_is_in_step, servers[1:])))
        yield SentinelDeployment(servers, [sentinel(f"sentinel{n}") for n in (1, 2, 3)])


def _named_by(sentinel: Sentinel) -> int | None:
    """The port of the primary in a Sentinel's eyes; None if it is silent."""
    with suppress(redis.RedisError):
        return int(sentinel.ask("GET-MASTER-ADDR-BY-NAME", MASTER)[1])
    return None


def _replication(server: Valkey) -> dict[str, Any]:
    """What a server says of its part; nothing if it is away or frozen."""
    with suppress(redis.RedisError), server.client(socket_timeout=1.0) as client:
        found: dict[str, Any] = client.info("replication")
        return found
    return {}


def _is_in_step(replica: Valkey) -> bool:
    return _replication(replica).get("master_link_status") == "up"
