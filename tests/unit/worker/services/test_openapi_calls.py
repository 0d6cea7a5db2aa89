"""The OpenAPI's calls are counted by the month, and operators are warned before they run out."""

import logging
from datetime import UTC, datetime

import fakeredis
import httpx
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.shared.runtime.clock import CHINA
from dingda.testing import MemoryCache
from dingda.worker.services.access_token import AccessToken
from dingda.worker.services.http_client import Http
from dingda.worker.services.openapi_calls import OpenAPICalls
from tests.support.builders import KEYS
from tests.support.openapi_clients import OPENAPI_URL, openapi_of

NOVEMBER = datetime(2026, 11, 28, 9, tzinfo=CHINA)


class Counting:
    """The counts of two workers, on a clock that a test sets."""

    def __init__(self, monthly: int = 10) -> None:
        self.now = NOVEMBER
        self.redis = fakeredis.FakeAsyncRedis(decode_responses=True)
        self.one, self.other = (
            OpenAPICalls(self.redis, KEYS, monthly=monthly, now=lambda: self.now) for _ in range(2)
        )

    async def written(self, calls: OpenAPICalls, times: int) -> None:
        for _ in range(times):
            calls.note()
        await calls.write()

    async def total(self, month: str) -> int:
        return int(await self.redis.get(KEYS.openapi_calls(month)) or 0)


async def test_the_calls_of_all_workers_are_added_up() -> None:
    counting = Counting()
    await counting.written(counting.one, 2)
    await counting.written(counting.other, 3)
    assert await counting.total("2026-11") == 5


async def test_a_call_is_written_once() -> None:
    counting = Counting()
    await counting.written(counting.one, 2)
    await counting.one.write()
    assert await counting.total("2026-11") == 2


async def test_a_month_begins_in_china() -> None:
    counting = Counting()
    counting.now = datetime(2026, 11, 30, 16, tzinfo=UTC)
    await counting.written(counting.one, 1)
    assert (await counting.total("2026-11"), await counting.total("2026-12")) == (0, 1)


async def test_the_count_of_a_month_expires_after_the_next() -> None:
    counting = Counting()
    await counting.written(counting.one, 1)
    assert 31 * 86_400 < await counting.redis.ttl(KEYS.openapi_calls("2026-11")) <= 62 * 86_400


async def test_the_one_that_brings_it_beyond_80_percent_warns_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counting = Counting(monthly=10)
    await counting.written(counting.one, 7)
    assert not caplog.records
    await counting.written(counting.other, 2)
    assert "9 of this month's 10 calls of DingTalk's OpenAPI are used up" in caplog.text
    await counting.written(counting.one, 4)
    assert len(caplog.records) == 1


async def test_without_a_quota_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    counting = Counting(monthly=0)
    await counting.written(counting.one, 100)
    assert not caplog.records


async def test_what_redis_did_not_take_is_written_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    counting = Counting()

    async def away(*_: object, **__: object) -> None:
        raise RedisConnectionError("redis://:secret@h is away")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr("redis.asyncio.client.Pipeline.execute", away)
        await counting.written(counting.one, 2)
    assert "ConnectionError" in caplog.text
    assert "secret" not in caplog.text
    await counting.one.write()
    assert await counting.total("2026-11") == 2


async def test_a_call_counts_and_the_token_that_is_fetched_for_it_does_not() -> None:
    def dingtalk(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/accessToken"):
            return httpx.Response(200, json={"accessToken": "t", "expireIn": 7200})
        return httpx.Response(200, json={})

    calls: list[None] = []
    async with httpx.AsyncClient(transport=httpx.MockTransport(dingtalk)) as client:
        token = AccessToken(
            Http(client),
            MemoryCache(),
            app_key="key",
            app_secret="secret",
            openapi_url=OPENAPI_URL,
            note_call=lambda: calls.append(None),
        )
        await openapi_of(client, token).call("PUT", "/v1.0/card/instances", {})
        assert len(calls) == 1
        await openapi_of(client, token).call("PUT", "/v1.0/card/instances", {})
    assert len(calls) == 2
