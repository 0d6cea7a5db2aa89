"""What Redis says of itself: its memory, its append-only file, its replicas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica, as its primary sees it."""

    address: str
    state: str
    lag_s: int | None
    """Seconds since it last said how far it is."""
    behind_bytes: int


@dataclass(frozen=True, slots=True)
class RedisHealth:
    """What the server says of itself; None and "" for what it does not say."""

    version: str = ""
    role: str = ""
    memory_bytes: int | None = None
    max_memory_bytes: int | None = None
    """0 where no limit is set."""
    policy: str = ""
    append_only: bool | None = None
    append_only_works: bool | None = None
    """Whether the last write to the append-only file succeeded."""
    replicas: tuple[Replica, ...] | None = None
    cpu_s: float | None = None
    """CPU time of its main thread, which has one core."""


async def read_redis_health(redis: Redis) -> RedisHealth:
    """Ask INFO; a user that may not, and a managed service, hear little or nothing.

    Args:
        redis: the client. What it raises of a connection is raised.
    """
    try:
        return redis_health(await redis.info())
    except ResponseError:  # the user may not ask
        return RedisHealth()


def redis_health(info: Mapping[str, Any]) -> RedisHealth:
    """Read what INFO says, as redis-py has parsed it."""
    append_only = _whole(info, "aof_enabled")
    write_status = info.get("aof_last_write_status")
    cpu_s = [info.get(f"used_cpu_{kind}_main_thread") for kind in ("sys", "user")]
    cpu_numbers = [each for each in cpu_s if isinstance(each, int | float)]
    return RedisHealth(
        version=_version(info),
        role=str(info.get("role", "")),
        memory_bytes=_whole(info, "used_memory"),
        max_memory_bytes=_whole(info, "maxmemory"),
        policy=str(info.get("maxmemory_policy", "")),
        append_only=None if append_only is None else bool(append_only),
        append_only_works=write_status == "ok" if write_status else None,
        replicas=_replicas(info),
        cpu_s=sum(cpu_numbers) if len(cpu_numbers) == len(cpu_s) else None,
    )


def _version(info: Mapping[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}" if "redis_version" in info else ""


def _replicas(info: Mapping[str, Any]) -> tuple[Replica, ...] | None:
    count = _whole(info, "connected_slaves")
    if count is None:
        return None
    offset = _whole(info, "master_repl_offset") or 0
    found = (info.get(f"slave{number}") for number in range(count))
    return tuple(_replica(facts, offset) for facts in found if isinstance(facts, Mapping))


def _replica(facts: Mapping[str, Any], offset: int) -> Replica:
    return Replica(
        address=f"{facts.get('ip', '')}:{facts.get('port', '')}",
        state=str(facts.get("state", "")),
        lag_s=_whole(facts, "lag"),
        behind_bytes=max(0, offset - (_whole(facts, "offset") or 0)),
    )


def _whole(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) else None
