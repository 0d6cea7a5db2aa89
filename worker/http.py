"""Calling backends with care: bounded in time and size, few at once, none while they are down."""

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import stamina
from httpx_aiohttp import AiohttpTransport
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from worker.errors import BackendProtocolError, BackendUnavailableError

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0
"""For one call, in seconds; a skill's own timeout stands around all of them."""
CONNECT_TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 1024 * 1024
PER_HOST = 4
"""Calls to one host at once; more wait."""
_FAILURES_TO_OPEN = 5
_OPEN_S = 20.0


@dataclass(frozen=True, slots=True)
class JSONAnswer:
    """What a backend answered: the HTTP status, and the JSON in it."""

    status: int
    data: Any


class Http:
    """One process's way to all backends.

    Each host has a semaphore and a circuit breaker: after five failures in a row it is left alone
    for twenty seconds. Nothing comes from the environment, redirects are not followed, and no URL
    is logged: keys stand in them.

    Args:
        client: the httpx client to use; see `create_client`.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._slots: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(PER_HOST))
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=_FAILURES_TO_OPEN, default_ttl=_OPEN_S
        )

    async def json(  # noqa: PLR0913 - what an HTTP request has
        self,
        service: str,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int | float] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 0,
    ) -> JSONAnswer:
        """Call a backend and read its JSON.

        Args:
            service: the backend's name as people know it, for the log and for apologies.
            method: the HTTP method.
            url: where, without a query.
            params: the query.
            json: a body to send as JSON; or
            form: one to send as a form.
            headers: besides the usual ones.
            retries: how often to try again when the backend is unavailable. Only for calls that may
                be repeated, and only where the service says that it helps.

        Returns:
            The answer, whatever its status below 500 except 429: what it means is the service's.

        Raises:
            BackendUnavailableError: if it can't be reached in time, is overloaded, or has failed so
                often that it is left alone for a while.
            BackendProtocolError: if the answer is too large or no JSON.
        """
        request = self._client.build_request(
            method, url, params=params, json=json, data=form, headers=headers
        )
        async for attempt in stamina.retry_context(
            on=BackendUnavailableError, attempts=1 + retries, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                return await self._call(service, request)
        raise AssertionError("stamina ends with an answer or an exception")

    async def _call(self, service: str, request: httpx.Request) -> JSONAnswer:
        host = request.url.host
        breaker = await self._breakers.get_breaker(host, exclude=[BackendProtocolError])
        began = time.monotonic()
        status, size = "failed", 0
        try:
            async with self._slots[host], breaker, asyncio.timeout(TIMEOUT_S):
                response = await self._client.send(request, stream=True)
                status = str(response.status_code)
                body = await _read(service, response)
                size = len(body)
        except OpenedState:
            status = "left alone"
            raise BackendUnavailableError(service, "it failed too often just now") from None
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise BackendUnavailableError(service, type(error).__name__) from None
        finally:
            took_ms = round((time.monotonic() - began) * 1000)
            logger.info("%s (%s) %s in %d ms, %d bytes", service, host, status, took_ms, size)
        return JSONAnswer(response.status_code, _parse(service, body))


def create_client() -> httpx.AsyncClient:
    """An HTTP client for backends: pooled, with nothing from the environment, no redirects."""
    return httpx.AsyncClient(
        transport=AiohttpTransport(trust_env=False),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
        headers={"user-agent": "dingda/0.1"},
    )


async def _read(service: str, response: httpx.Response) -> bytes:
    try:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise BackendProtocolError(service, f"more than {MAX_ANSWER_BYTES} bytes")
    finally:
        await response.aclose()
    status = response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise BackendUnavailableError(service, f"HTTP {status}")
    return bytes(body)


def _parse(service: str, body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BackendProtocolError(service, "the answer is no JSON") from None
