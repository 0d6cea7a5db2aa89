"""The contents of RQ's keys, with ids and times made comparable."""

import re
import time
import zlib
from base64 import b64decode
from typing import Any

from redis import Redis

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d{10}\.\d+")
_WORKERS_OWN = {"birth", "hostname", "ip_address", "pid", "python_version", "version"}
_ERROR = re.compile(r"^\w+Error\b", re.MULTILINE)
_ROUND_S = 10


def read_keys(client: Redis) -> dict[str, Any]:
    """Every key under `rq:` but locks: its value, and how long it lasts in tens of seconds."""
    names = _names(client)
    keys = sorted(key.decode() for key in client.scan_iter("rq:*") if b":clean_" not in key)
    return {_named(key, names): _read(client, key, names) for key in keys}


def _names(client: Redis) -> dict[str, str]:
    """Ids, and what each is called for comparison."""
    names = {}
    for key in client.scan_iter("rq:worker:*"):
        names[key.decode().split(":")[2]] = "WORKER"
    for key in client.scan_iter("rq:job:*"):
        names[key.decode().split(":")[2]] = "JOB"
    for key in client.scan_iter("rq:execution:*"):
        names[key.decode().split(":")[3]] = "EXECUTION"
    for key in client.scan_iter("rq:results:*"):
        entries: Any = client.xrange(key)
        for _, fields in entries:
            names[fields[b"execution_id"].decode()] = "EXECUTION"
    return names


def _named(text: str, names: dict[str, str]) -> str:
    for id_, name in names.items():
        text = text.replace(id_, name)
    return _TIME.sub("TIME", text)


def _read(client: Redis, key: str, names: dict[str, str]) -> Any:
    ttl_s: Any = client.ttl(key)
    is_worker = key.startswith("rq:worker:") and key.count(":") == 2
    lasts = None if is_worker or ttl_s < 0 else round(ttl_s / _ROUND_S)
    return {"lasts": lasts, "value": _value(client, key, names)}


def _value(client: Redis, key: str, names: dict[str, str]) -> Any:
    kind: Any = client.type(key)
    found: Any
    match kind.decode():
        case "hash":
            found = client.hgetall(key)
            return {
                field.decode(): _field(field.decode(), value, names)
                for field, value in sorted(found.items())
            }
        case "zset":
            found = client.zrange(key, 0, -1, withscores=True)
            now = time.time()
            return {_named(m.decode(), names): round((at - now) / _ROUND_S) for m, at in found}
        case "set":
            found = client.smembers(key)
            return sorted(_named(member.decode(), names) for member in found)
        case "list":
            found = client.lrange(key, 0, -1)
            return [_named(member.decode(), names) for member in found]
        case "stream":
            found = client.xrange(key)
            return [
                {f.decode(): _field(f.decode(), v, names) for f, v in sorted(fields.items())}
                for _, fields in found
            ]
        case _:
            return str(client.get(key))


def _field(field: str, value: bytes, names: dict[str, str]) -> str:
    if field in _WORKERS_OWN:
        return field
    if field == "total_working_time":
        return "SECONDS"
    if field == "exc_string":
        # Ours leaves out the exception's text; where it was raised from is not RQ's business.
        return " ".join(_ERROR.findall(zlib.decompress(b64decode(value)).decode()))
    text = zlib.decompress(value) if field == "data" else value
    return _named(text.decode(), names)
