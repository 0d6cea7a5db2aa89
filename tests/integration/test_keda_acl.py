"""KEDA counts what waits as the user that deploy/redis.acl has for it, and can do nothing else.

KEDA itself can't run here. What it sends to Redis is in kedacore/keda, pkg/scalers/redis_scaler.go
(2.20): PING, then EVAL of a script that asks for a key's type and counts it accordingly.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from tests.support.builders import KEYS, a_callback
from tests.support.processes import (
    ROOT,
    Valkey,
    gateway,
    post_callback,
    valkey,
    wait_until,
    worker,
)

PASSWORD = "change-this-too"
SLOW = "tests.e2e.slow_skill"
QUEUE = "rq:queue:dingda"
COUNT = """
local kind = redis.call('type', KEYS[1]).ok
if kind == 'zset' then return redis.call('zcard', KEYS[1]) end
return redis.call('llen', KEYS[1])
"""
"""Makes the calls of KEDA's script for a sorted set, a list, and a key that is not there."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        with server.client() as client:
            for line in (ROOT / "deploy" / "redis.acl").read_text("utf-8").splitlines():
                if line.startswith("user keda"):
                    _command(client, "ACL", "SETUSER", *line.split()[1:])
        yield server


@pytest.fixture
def keda(server: Valkey) -> Iterator["redis.Redis"]:
    url = f"redis://keda:{PASSWORD}@127.0.0.1:{server.port}/0"
    with redis.Redis.from_url(url) as client:
        assert client.ping()
        yield client


def test_it_counts_what_waits_and_what_is_being_answered(
    server: Valkey, keda: "redis.Redis"
) -> None:
    assert keda.eval(COUNT, 1, QUEUE) == keda.eval(COUNT, 1, KEYS.due) == 0
    with gateway(server.url) as (_, address):
        for number in range(3):
            post_callback(address, a_callback("慢 60", msgId=f"waits-{number}"))
        assert keda.eval(COUNT, 1, QUEUE) == 3
        with worker(server.url, DINGDA_SKILLS=SLOW):
            wait_until(lambda: keda.eval(COUNT, 1, QUEUE) == 0)
            wait_until(lambda: keda.eval(COUNT, 1, KEYS.due) == 3)


@pytest.mark.parametrize(
    "command",
    [
        f"LRANGE {QUEUE} 0 -1",
        f"RPUSH {QUEUE} x",
        f"DEL {KEYS.due}",
        f"ZRANGE {KEYS.due} 0 -1",
        f"HGETALL {KEYS.message('x')}",
        f"HGETALL {KEYS.count}",
        "KEYS *",
        "FLUSHALL",
        "INFO",
        "ACL LIST",
    ],
)
def test_it_can_neither_read_messages_nor_change_anything(
    keda: "redis.Redis", command: str
) -> None:
    with pytest.raises(NoPermissionError):
        _command(keda, *command.split())


@pytest.mark.parametrize("call", ["'del', KEYS[1]", "'zrange', KEYS[1], 0, -1", "'flushall'"])
def test_a_script_of_its_own_can_do_no_more(keda: "redis.Redis", call: str) -> None:
    with pytest.raises(redis.ResponseError, match=r"ACL failure|NOPERM"):
        keda.eval(f"return redis.call({call})", 1, KEYS.due)


def _command(client: Any, *words: str) -> None:
    client.execute_command(*words)
