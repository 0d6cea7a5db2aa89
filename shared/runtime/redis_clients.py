"""Redis clients, each with the time-outs and retries that its user can afford."""

import re
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import hiredis
import redis
import redis.asyncio
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from dingda.shared.errors import SettingsError

# Tries before a command gives up; with pauses of up to a second, about a minute and five seconds.
_LEDGER_TRIES = 60
_RQ_TRIES = 8
_MAX_PAUSE_S = 1.0
_WORKER_SOCKET_TIMEOUT_S = 5.0
_TERSE: dict[str, Any] = {"protocol": 2, "driver_info": None}
"""Without HELLO and CLIENT SETINFO."""

_OPTIONS = {
    "db": r"\d{1,5}",
    "protocol": r"[23]",
    "health_check_interval": r"\d{1,5}",
    "socket_keepalive": r"(?i)true|false|yes|no|1|0",
    "ssl_ca_certs": r".+",
    "ssl_ca_path": r".+",
    "ssl_certfile": r".+",
    "ssl_keyfile": r".+",
    "ssl_cert_reqs": r"none|optional|required",
    "ssl_check_hostname": r"(?i)true|false|yes|no|1|0",
}
"""Options that a Redis URL may have, and how their values look. redis-py takes any others too, and
they win over what we set: patience, decoding, the number of connections. Then one process works
and another doesn't."""


def url_fault(url: str) -> str:
    """What is wrong with a Redis URL, in words that hold nothing of it; "" if nothing is."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return "a URL holds no blanks; write one in a password as %20"
    parts = urlsplit(url) if url.count("[") == url.count("]") else None
    if parts is None or parts.scheme not in ("redis", "rediss", "unix"):
        return "a URL begins with redis://, rediss:// or unix:// and is well formed"
    if parts.fragment or "#" in url or _port(url) is None:
        return (
            "host, port or database cannot be read; as redis://:password@host:6379/0, and in a "
            "password write / as %2F, ? as %3F, # as %23 and % as %25"
        )
    if parts.scheme == "unix" and not parts.path:
        return "unix:// is followed by the path of a socket"
    if parts.scheme != "unix" and not re.fullmatch(r"/?|/\d{1,5}/?", parts.path):
        return "the database is a number, as in redis://host:6379/0"
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _OPTIONS:
            return f"it has an option that Dingda does not take; those are {', '.join(_OPTIONS)}"
        if not re.fullmatch(_OPTIONS[name], value):
            return f"the option {name} has a value that it can't have"
        if name.startswith("ssl_") and parts.scheme != "rediss":
            return f"the option {name} is for rediss://"
    return ""


def _port(url: str) -> int | None:
    """The port that a URL names or implies; None where it can't be read."""
    with suppress(ValueError):
        port = urlsplit(url).port
        return 6379 if port is None else port or None
    return None


class _PackingInC(AbstractConnection):
    """Packs commands as redis-py's blocking client does: its asyncio one does it in Python.

    That would take more of the gateway's time than to read and check what it stores.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as it goes to Redis; its name may be two words."""
        name, *others = args
        try:
            return [hiredis.pack_command((*name.split(), *others))]
        except (TypeError, UnicodeEncodeError):
            # redis-py replaces half a surrogate pair, which would fail all that share a round trip.
            return super().pack_command(*args)


class _TCPConnection(_PackingInC, Connection):
    pass


class _TLSConnection(_PackingInC, SSLConnection):
    pass


class _UnixConnection(_PackingInC, UnixDomainSocketConnection):
    pass


_PACKING: dict[type, type] = {
    Connection: _TCPConnection,
    SSLConnection: _TLSConnection,
    UnixDomainSocketConnection: _UnixConnection,
}


def create_intake_redis(url: str, *, connect_timeout_s: float) -> "redis.asyncio.Redis":
    """For the gateway's intake, whose calls `within` bounds: they have no other time-out.

    redis-py's own would cost two timers and a task for each call. For the rest it is as
    `create_bounded_redis`.
    """
    return _async(url, connect_timeout_s, AsyncRetry(NoBackoff(), 1), socket_timeout=None, **_TERSE)


def create_bounded_redis(url: str, *, timeout_s: float) -> "redis.asyncio.Redis":
    """For what must not wait, such as a command or a page: fail within `timeout_s` seconds.

    It retries once, at once: after a restart of Redis a pooled connection is only found to be
    broken when it is used. It skips HELLO and CLIENT SETINFO: each costs a round trip, and with
    them a slow Redis would never be reached in so short a time.
    """
    return _async(url, timeout_s, AsyncRetry(NoBackoff(), 1), **_TERSE)


def create_worker_redis(url: str) -> "redis.asyncio.Redis":
    """For the worker's ledger: an outage of a minute is waited out."""
    backoff = ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05)
    return _async(url, _WORKER_SOCKET_TIMEOUT_S, AsyncRetry(backoff, _LEDGER_TRIES))


def create_rq_redis(url: str) -> "redis.Redis":
    """For RQ itself: `Redis.from_url` alone would not retry at all.

    Its calls can't be interrupted, so each waits out only a short outage; the caller tries again
    as long as there is reason to.
    """
    backoff = ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05)
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=_WORKER_SOCKET_TIMEOUT_S,
            socket_connect_timeout=_WORKER_SOCKET_TIMEOUT_S,
            retry=Retry(backoff, _RQ_TRIES),
        )
    except ValueError as error:
        raise _unusable(error) from None


def create_fetching_redis(url: str) -> "redis.asyncio.Redis":
    """For fetching RQ's jobs: as patient as RQ's own client, and its responses are bytes."""
    backoff = ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05)
    retry = AsyncRetry(backoff, _RQ_TRIES)
    return _async(url, _WORKER_SOCKET_TIMEOUT_S, retry, decode_responses=False)


def _async(url: str, timeout_s: float, retry: AsyncRetry, **others: Any) -> "redis.asyncio.Redis":
    options = {
        "max_connections": 16,
        "timeout": None,
        "decode_responses": True,
        # A reply that cannot be decoded would fail every call that shares its round trip.
        "encoding_errors": "replace",
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": retry,
    }
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(url, **options | others)
    except ValueError as error:
        raise _unusable(error) from None
    pool.connection_class = _PACKING[pool.connection_class]
    return redis.asyncio.Redis.from_pool(pool)


def _unusable(error: ValueError) -> SettingsError:
    # redis-py's message names the schemes it takes and never the URL.
    return SettingsError(f"DINGDA_REDIS_URL: {error}")
