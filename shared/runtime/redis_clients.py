"""Redis clients, each with the time-outs and retries that its user can afford.

Each is made from the address that the settings give, and finds the primary through Sentinel if
there are Sentinels. `shared.runtime.redis_connections` has the connections.
"""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_connections import (
    PACKING,
    AsyncOutageParser,
    AsyncPrimaryConnection,
    AsyncPrimaryPool,
    AsyncPrimaryTLSConnection,
    AsyncSentinels,
    OutageParser,
    PrimaryConnection,
    PrimaryPool,
    PrimaryTLSConnection,
    Sentinels,
)

# Tries before a command gives up; with pauses of up to a second, about a minute and five seconds.
_LEDGER_TRIES = 60
_RQ_TRIES = 8
_MAX_PAUSE_S = 1.0
_WORKER_SOCKET_TIMEOUT_S = 5.0
_SENTINEL_TIMEOUT_S = 0.15
"""How long one Sentinel may take to answer, in seconds: a dead one must leave time for the next in
the gateway's round trip."""
_TERSE: dict[str, Any] = {"protocol": 2, "driver_info": None}
"""Without HELLO and CLIENT SETINFO."""


def create_intake_redis(
    address: RedisAddress, *, connect_timeout_s: float
) -> "redis.asyncio.Redis":
    """For the gateway's intake, whose calls `within` bounds: they have no other time-out.

    redis-py's own would cost two timers and a task for each call. For the rest it is as
    `create_bounded_redis`.
    """
    retry = AsyncRetry(NoBackoff(), 1)
    return _async(address, connect_timeout_s, retry, socket_timeout=None, **_TERSE)


def create_bounded_redis(address: RedisAddress, *, timeout_s: float) -> "redis.asyncio.Redis":
    """For what must not wait, such as a command or a page: fail within `timeout_s` seconds.

    It retries once, at once: after a restart of Redis a pooled connection is only found to be
    broken when it is used. It skips HELLO and CLIENT SETINFO: each costs a round trip, and with
    them a slow Redis would never be reached in so short a time.
    """
    return _async(address, timeout_s, AsyncRetry(NoBackoff(), 1), **_TERSE)


def create_worker_redis(address: RedisAddress) -> "redis.asyncio.Redis":
    """For the worker's ledger: an outage of a minute is waited out."""
    backoff = ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05)
    return _async(address, _WORKER_SOCKET_TIMEOUT_S, AsyncRetry(backoff, _LEDGER_TRIES))


def create_rq_redis(address: RedisAddress) -> "redis.Redis":
    """For RQ itself: `Redis.from_url` alone would not retry at all.

    Its calls can't be interrupted, so each waits out only a short outage; the caller tries again
    as long as there is reason to.
    """
    retry = Retry(ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05), _RQ_TRIES)
    return create_blocking_redis(address, timeout_s=_WORKER_SOCKET_TIMEOUT_S, retry=retry)


def create_fetching_redis(address: RedisAddress) -> "redis.asyncio.Redis":
    """For fetching RQ's jobs: as patient as RQ's own client, and its responses are bytes."""
    backoff = ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05)
    retry = AsyncRetry(backoff, _RQ_TRIES)
    return _async(address, _WORKER_SOCKET_TIMEOUT_S, retry, decode_responses=False)


def create_blocking_redis(
    address: RedisAddress, *, timeout_s: float, retry: Retry | None = None, **others: Any
) -> "redis.Redis":
    """For code that blocks.

    Args:
        address: where Redis is.
        timeout_s: how long to connect, to send or to read may take, in seconds.
        retry: how often, and after which pauses; None: never.
        others: further options of redis-py's connections.
    """
    options = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "parser_class": OutageParser,
        "retry": retry,
        **others,
    }
    if not address.sentinels:
        try:
            return redis.Redis.from_url(address.url, **options)
        except ValueError as error:
            raise _unusable(error) from None
    primary, tls = _primary_options(address)
    pool = PrimaryPool(  # type: ignore[no-untyped-call]
        address.master,
        Sentinels(address.sentinels, sentinel_kwargs=_sentinel_options(address, retry=_ONCE)),  # type: ignore[no-untyped-call]
        connection_class=PrimaryTLSConnection if tls else PrimaryConnection,
        **options | primary,
    )
    return redis.Redis.from_pool(pool)


def create_sentinel_clients(address: RedisAddress, *, timeout_s: float) -> "list[redis.Redis]":
    """One for each Sentinel, to be closed; each call fails within `timeout_s` seconds."""
    options = _sentinel_options(address, retry=Retry(NoBackoff(), 0))
    times = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    return [
        redis.Redis(host=host, port=port, decode_responses=True, **options | times)
        for host, port in address.sentinels
    ]


_ONCE = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
_ONCE_ASYNC = AsyncRetry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
"""Of a connection to a Sentinel that is kept, the first call finds that it is broken. One that is
silent is not asked again: the others are."""


def _async(
    address: RedisAddress, timeout_s: float, retry: AsyncRetry, **others: Any
) -> "redis.asyncio.Redis":
    options = {
        "max_connections": 16,
        "timeout": None,
        "decode_responses": True,
        # A reply that cannot be decoded would fail every call that shares its round trip.
        "encoding_errors": "replace",
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "parser_class": AsyncOutageParser,
        "retry": retry,
        **others,
    }
    pool: redis.asyncio.BlockingConnectionPool
    if not address.sentinels:
        try:
            pool = redis.asyncio.BlockingConnectionPool.from_url(address.url, **options)
        except ValueError as error:
            raise _unusable(error) from None
        pool.connection_class = PACKING[pool.connection_class]
        return redis.asyncio.Redis.from_pool(pool)
    primary, tls = _primary_options(address)
    sentinel_options = _sentinel_options(address, retry=_ONCE_ASYNC)
    pool = AsyncPrimaryPool(  # type: ignore[no-untyped-call]
        address.master,
        AsyncSentinels(address.sentinels, sentinel_kwargs=sentinel_options),  # type: ignore[no-untyped-call]
        connection_class=AsyncPrimaryTLSConnection if tls else AsyncPrimaryConnection,
        **options | primary,
    )
    return redis.asyncio.Redis.from_pool(pool)


def _primary_options(address: RedisAddress) -> tuple[dict[str, Any], bool]:
    """What the URL says of the primary, and whether it is reached over TLS."""
    options: dict[str, Any] = dict(parse_url(address.url))  # type: ignore[no-untyped-call]
    for name in ("host", "port"):
        options.pop(name, None)
    return options, options.pop("connection_class", None) is SSLConnection


def _sentinel_options(address: RedisAddress, *, retry: object) -> dict[str, Any]:
    """How Sentinels are reached: over TLS if the primary is, under the same certificates."""
    options, tls = _primary_options(address)
    certificates = {name: value for name, value in options.items() if name.startswith("ssl_")}
    return {
        "password": address.sentinel_password or None,
        "ssl": tls,
        "socket_timeout": _SENTINEL_TIMEOUT_S,
        "socket_connect_timeout": _SENTINEL_TIMEOUT_S,
        "retry": retry,
        **certificates,
        **_TERSE,
    }


def _unusable(error: ValueError) -> SettingsError:
    # redis-py's message names the schemes it takes and never the URL.
    return SettingsError(f"DINGDA_REDIS_URL: {error}")
