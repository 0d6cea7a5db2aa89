"""Removing what RQ can't read under RQ's own keys, whoever put it there.

RQ reads a whole registry at a time, so one key of another type, or one id that is not UTF-8, breaks
every reader: a worker that fetches a job, one that tidies, `rq info`.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from redis import Redis
from rq.utils import as_text

logger = logging.getLogger(__name__)
Kind = Literal["list", "set", "zset", "hash"]
_SHOWN_BYTES = 80


def remove_other_kinds(connection: Redis, kinds: Mapping[str, Kind]) -> None:
    """Remove keys of another type than RQ's: every command on them would fail."""
    with connection.pipeline(transaction=False) as pipeline:
        for key in kinds:
            pipeline.type(key)
        found = [as_text(kind) for kind in pipeline.execute()]
    for (key, kind), stored in zip(kinds.items(), found, strict=True):
        if stored not in (kind, "none"):
            logger.error("removed %s: it was a %s, and RQ keeps a %s there", key, stored, kind)
            connection.delete(key)


def remove_unreadable(connection: Redis, kinds: Mapping[str, Kind]) -> None:
    """Remove members of lists and sets that are not UTF-8."""
    for key, kind in kinds.items():
        if kind == "hash":
            continue
        members, remove = _access(connection, key, kind)
        for member in filter(_is_unreadable, members):
            report(key, member)
            remove(member)


def report(key: str, member: bytes) -> None:
    """Log a removed member, escaped and cut, as it may be anything."""
    logger.error("removed from %s what RQ cannot have written: %a", key, member[:_SHOWN_BYTES])


def _access(
    connection: Any, key: str, kind: Kind
) -> tuple[Iterable[bytes], Callable[[bytes], object]]:
    match kind:
        case "list":
            return connection.lrange(key, 0, -1), lambda each: connection.lrem(key, 0, each)
        case "zset":
            return connection.zrange(key, 0, -1), lambda each: connection.zrem(key, each)
    return connection.smembers(key), lambda each: connection.srem(key, each)


def _is_unreadable(member: bytes) -> bool:
    try:
        member.decode()
    except UnicodeDecodeError:
        return True
    return False
