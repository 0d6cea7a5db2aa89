"""Redis clients, each with the patience that its user can afford."""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.retry import Retry

from shared.errors import SettingsError

# Tries before a command gives up; with pauses of up to a second, about a minute and five seconds.
_LEDGER_TRIES = 60
_RQ_TRIES = 8
_MAX_PAUSE_S = 1.0
_WORKER_SOCKET_TIMEOUT_S = 5.0


def impatient(url: str, *, timeout_s: float) -> "redis.asyncio.Redis":
    """For the gateway: who waits for an acknowledgement hears within `timeout_s` seconds.

    One more try, at once: after a restart of Redis a pooled connection is only found to be broken
    when it is used. And no greetings: they are trips to Redis, too, and a slow one would never be
    reached within the time of a message, however often it is tried.
    """
    return _async(url, timeout_s, AsyncRetry(NoBackoff(), 1), protocol=2, driver_info=None)


def patient(url: str) -> "redis.asyncio.Redis":
    """For the worker's ledger: an outage of a minute is waited out."""
    backoff = ExponentialBackoff(cap=_MAX_PAUSE_S, base=0.05)
    return _async(url, _WORKER_SOCKET_TIMEOUT_S, AsyncRetry(backoff, _LEDGER_TRIES))


def patient_for_rq(url: str) -> "redis.Redis":
    """For RQ itself: `Redis.from_url` alone would not retry at all.

    Its calls can't be interrupted, so they wait out only a short outage each; who makes them goes
    on trying as long as there is reason to.
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


def _async(url: str, timeout_s: float, retry: AsyncRetry, **greeting: Any) -> "redis.asyncio.Redis":
    try:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=16,
            timeout=None,
            decode_responses=True,
            # A reply that cannot be decoded would fail all that share its trip.
            encoding_errors="replace",
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=retry,
            **greeting,
        )
    except ValueError as error:
        raise _unusable(error) from None
    return redis.asyncio.Redis.from_pool(pool)


def _unusable(error: ValueError) -> SettingsError:
    # redis-py's message names the schemes it takes and never the URL.
    return SettingsError(f"DINGDA_REDIS_URL: {error}")
