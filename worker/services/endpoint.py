"""One backend at one host: its limits, its circuit breaker, and pauses that it asks for.

A call waits for its slot (`worker.services.limiter`), passes the circuit breaker
(`worker.services.circuit_breaker`) and is sent, within the backend's own time. The response may
end the calls after it for a while: a quota that is used up, a Retry-After.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from dingda.worker.errors import (
    BackendError,
    BackendQuotaError,
    BackendUnavailableError,
)
from dingda.worker.services.backend import Backend
from dingda.worker.services.backend_client import Client
from dingda.worker.services.circuit_breaker import CircuitBreaker
from dingda.worker.services.http_message import HTTPRequest, HTTPResponse
from dingda.worker.services.limiter import BackendLimiter
from dingda.worker.services.retry_after import parse_retry_after

logger = logging.getLogger(__name__)

MAX_PAUSE_S = 600.0
"""The longest Retry-After that is obeyed, in seconds."""
MAX_RETRY_PAUSE_S = 2.0
"""A Retry-After up to this is waited for by a retry; a longer one pauses all calls."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """Until when no calls are made, and why."""

    until: datetime
    is_quota: bool

    def error(self, service: str, now: datetime) -> BackendError:
        if self.is_quota:
            reason = f"our quota is used up until {self.until.isoformat(timespec='minutes')}"
            return BackendQuotaError(service, reason, until=self.until, now=now)
        return BackendUnavailableError(service, "it asked to be left alone")


class Endpoint:
    """What one process knows of a backend at one host, and its way of calling it.

    Args:
        backend: the backend with its limits.
        host: the host, for the log.
        client: sends the requests.
        now: the wall clock.
    """

    def __init__(
        self, backend: Backend, host: str, client: Client, *, now: Callable[[], datetime]
    ) -> None:
        self._backend = backend
        self._host = host
        self._client = client
        self._now = now
        self._limiter = BackendLimiter(backend)
        self._breaker = CircuitBreaker(backend.name, now_s=time.monotonic)
        self._pause: _Pause | None = None

    @property
    def is_open(self) -> bool:
        """Whether its circuit breaker rejects calls at this moment."""
        return self._breaker.is_open

    async def call(self, request: HTTPRequest) -> HTTPResponse:
        """Send a request and read the response.

        Raises:
            BackendError: as `Http.json` says.
        """
        began = called = time.monotonic()
        outcome, size = "failed", 0
        try:
            # Before waiting, and again with a slot: other calls have ended meanwhile.
            self._check()
            async with self._limiter.slot():
                self._check()
                called = time.monotonic()
                with self._breaker.call():
                    response = await self._exchange(request)
                    outcome, size = str(response.status), len(response.body)
                    self._judge(response)
        except BackendError as error:
            outcome = error.reason
            raise
        finally:
            logger.info(
                "%s (%s) %s in %d ms, %d bytes, after %d ms in line",
                self._backend.name,
                self._host,
                outcome,
                (time.monotonic() - called) * 1000,
                size,
                (called - began) * 1000,
            )
        return response

    def _check(self) -> None:
        """Fail at once if a call has no chance."""
        now = self._now()
        if self._pause and now < self._pause.until:
            raise self._pause.error(self._backend.name, now)
        self._breaker.check()

    async def _exchange(self, request: HTTPRequest) -> HTTPResponse:
        backend = self._backend
        try:
            async with asyncio.timeout(backend.timeout_s):
                return await self._client.send(backend, request)
        except TimeoutError as error:
            raise BackendUnavailableError(backend.name, type(error).__name__) from None

    def _judge(self, response: HTTPResponse) -> None:
        """Raise the error that a response means, and pause the calls that it leaves no chance."""
        backend, now = self._backend, self._now()
        if backend.quota and (until := backend.quota(response.status, _json(response.body), now)):
            self._pause = _Pause(until, is_quota=True)
            raise self._pause.error(backend.name, now)
        is_too_many = response.status == HTTPStatus.TOO_MANY_REQUESTS
        if response.status < HTTPStatus.INTERNAL_SERVER_ERROR and not is_too_many:
            return
        pause_s = None
        if is_too_many or response.status == HTTPStatus.SERVICE_UNAVAILABLE:
            pause_s = parse_retry_after(response.retry_after, now_s=now.timestamp())
        if pause_s and pause_s > MAX_RETRY_PAUSE_S:
            until = now + timedelta(seconds=min(pause_s, MAX_PAUSE_S))
            self._pause = _Pause(until, is_quota=False)
        reason = f"HTTP {response.status}"
        raise BackendUnavailableError(backend.name, reason, retry_after_s=pause_s)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
