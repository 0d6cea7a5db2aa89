"""A gateway on a Redis of its own, and a client that plays DingTalk."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import fakeredis
import httpx
import pytest

from dingda.gateway.app import create_app
from dingda.gateway.metrics import GatewayMetrics
from dingda.shared.runtime.settings import Settings
from tests.support.builders import KEYS, a_callback, now_ms
from tests.support.processes import SECRET, signed

CALLBACK = "/dd_robot/"


class GatewayHarness:
    """What DingTalk sees of a gateway, and what a test sees behind it."""

    def __init__(
        self, client: httpx.AsyncClient, redis: fakeredis.FakeAsyncRedis, now_ms: int
    ) -> None:
        self.client = client
        self.redis = redis
        self.now_ms = now_ms

    async def post(
        self,
        body: bytes | None = None,
        *,
        path: str = CALLBACK,
        timestamp: int | None = None,
        secret: str = SECRET,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a signed callback; `headers` replace its own."""
        at_ms = self.now_ms if timestamp is None else timestamp
        signature = signed(timestamp=at_ms, secret=secret)
        content = a_callback() if body is None else body
        return await self.client.post(
            path, content=content, headers=signature | dict(headers or {})
        )

    async def counts(self) -> dict[str, str]:
        found: Any = await self.redis.hgetall(KEYS.count)
        return dict(found)

    async def queued(self) -> int:
        length: Any = await self.redis.llen("rq:queue:dingda")
        return int(length)


@pytest.fixture
def settings() -> Settings:
    return Settings(_env_file=None, app_secret=SECRET)  # type: ignore[call-arg, arg-type]


@asynccontextmanager
async def a_gateway(
    settings: Settings, metrics: GatewayMetrics | None = None
) -> AsyncIterator[GatewayHarness]:
    """A gateway of these settings, listening."""
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    at_ms = now_ms()
    app = create_app(settings, redis=redis, now_ms=lambda: at_ms, metrics=metrics)
    transport = httpx.ASGITransport(app)
    async with (
        app.site.router.lifespan_context(app.site),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
    ):
        yield GatewayHarness(client, redis, at_ms)


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[GatewayHarness]:
    async with a_gateway(settings) as gateway:
        yield gateway
