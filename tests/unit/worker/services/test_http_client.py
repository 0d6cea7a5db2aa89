"""Backends are called with care: within their bounds, and left alone while they are down."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
import stamina

from dingda.worker.errors import (
    BackendBusyError,
    BackendConfigError,
    BackendProtocolError,
    BackendQuotaError,
    BackendUnavailableError,
)
from dingda.worker.services.backend import Backend
from dingda.worker.services.circuit_breaker import FAILURES_TO_OPEN
from dingda.worker.services.endpoint import MAX_PAUSE_S
from dingda.worker.services.http_client import Http, JSONResponse
from dingda.worker.services.skill_clock import skill_time
from tests.support.virtual_time import virtual_time

pytestmark = pytest.mark.usefixtures("without_waiting")
URL = "https://api.example/v1"
ANSWER = httpx.Response(200, json={})
Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


@asynccontextmanager
async def http_to(handler: Handler) -> AsyncIterator[Http]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(cast("Any", handler))) as client:
        yield Http(client)


async def test_a_response_is_returned_with_its_status() -> None:
    async with http_to(lambda _: httpx.Response(404, json={"why": "gone"})) as http:
        answer = await http.json("API", "GET", URL)
    assert (answer.status, answer.data) == (404, {"why": "gone"})


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_overloaded_or_broken_backend_is_unavailable(status: int) -> None:
    async with http_to(lambda _: httpx.Response(status, json={})) as http:
        with pytest.raises(BackendUnavailableError, match="API暂时连不上"):
            await http.json("API", "GET", URL)


async def test_a_backend_that_fails_too_often_is_among_the_open_circuits() -> None:
    async with http_to(lambda _: httpx.Response(500)) as http:
        for _ in range(FAILURES_TO_OPEN):
            assert http.open_circuits == ()
            with pytest.raises(BackendUnavailableError):
                await http.json("API", "GET", URL)
        assert http.open_circuits == ("API",)


async def test_nothing_is_repeated_unless_asked_for() -> None:
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(503)

    async with http_to(handler) as http:
        with pytest.raises(BackendUnavailableError):
            await http.json("API", "GET", URL)
    assert len(calls) == 1


async def test_a_retry_can_mend_a_transient_failure() -> None:
    answers = iter([httpx.Response(503), httpx.Response(200, json={"ok": True})])
    async with http_to(lambda _: next(answers)) as http:
        answer = await http.json("API", "GET", URL, retries=1)
    assert answer.data == {"ok": True}


async def test_a_backend_that_timed_out_is_not_called_again() -> None:
    stamina.set_testing(False)
    gauge = Gauge(takes_s=60)
    async with http_to(gauge) as http:
        with pytest.raises(BackendUnavailableError):
            await http.json(Backend("API", timeout_s=0.05), "GET", URL, retries=2)
    assert gauge.calls == 1


async def test_after_five_failures_a_host_is_not_called() -> None:
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(500)

    async with http_to(handler) as http:
        for _ in range(8):
            with pytest.raises(BackendUnavailableError):
                await http.json("API", "GET", URL)
    assert len(calls) == 5


async def test_one_hosts_failures_do_not_close_another() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500 if request.url.host == "down.example" else 200, json={})

    async with http_to(handler) as http:
        for _ in range(6):
            with pytest.raises(BackendUnavailableError):
                await http.json("API", "GET", "https://down.example/")
        assert (await http.json("API", "GET", URL)).status == 200


class Gauge:
    """Answers after a moment, and knows how many it answered and how many at once at the most."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.takes_s = takes_s
        self.calls = self.at_once = self.most = 0

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.at_once -= 1
        return httpx.Response(200, json={"list": [1]})


# The bounds.


async def ask_many(http: Http, backend: Backend | str, count: int) -> list[object]:
    """Ask different things at one moment; what came of each."""
    asked = (http.json(backend, "GET", f"{URL}/{number}") for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_a_service_without_declared_limits_gets_all_calls_at_once() -> None:
    gauge = Gauge()
    async with http_to(gauge) as http:
        answers = await ask_many(http, "API", 300)
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert gauge.most == 300


async def test_no_more_calls_are_made_at_once_than_a_backend_declares() -> None:
    gauge = Gauge()
    async with http_to(gauge) as http:
        answers = await ask_many(http, Backend("API", at_once=4), 20)
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert gauge.most == 4


@virtual_time
async def test_a_call_that_takes_longer_than_declared_is_the_backends_failure() -> None:
    async with http_to(Gauge(takes_s=60)) as http:
        with pytest.raises(BackendUnavailableError):
            await http.json(Backend("API", timeout_s=0.01), "GET", URL)


@virtual_time
async def test_a_call_that_waits_too_long_is_told_that_many_are_asking() -> None:
    backend = Backend("API", at_once=1, wait_s=0.05)
    async with http_to(Gauge(takes_s=0.5)) as http:
        first, *others = await ask_many(http, backend, 4)
    assert not isinstance(first, Exception)
    assert [str(other) for other in others] == [
        "现在查API的人太多了，没有轮到你，请过几分钟再问"
    ] * 3


@virtual_time
async def test_waiting_for_a_slot_never_opens_the_circuit() -> None:
    backend = Backend("API", at_once=1, wait_s=0.01)
    async with http_to(Gauge(takes_s=0.2)) as http:
        _, *others = await ask_many(http, backend, 20)
        assert all(isinstance(other, BackendBusyError) for other in others)
        assert (await http.json(backend, "GET", URL)).status == 200


@virtual_time
async def test_calls_that_we_cancel_ourselves_never_open_the_circuit() -> None:
    async with http_to(Gauge(takes_s=60)) as http:
        for _ in range(8):
            with pytest.raises(TimeoutError):
                async with skill_time(0.005, latest_s=60):
                    await http.json("API", "POST", URL)
        with pytest.raises(BackendUnavailableError, match="API") as error:
            await http.json(Backend("API", timeout_s=0.01), "POST", URL)
        assert error.value.reason == "TimeoutError"


@virtual_time
async def test_while_a_backend_hangs_every_caller_gets_an_error_in_bounded_time() -> None:
    gauge = Gauge(takes_s=60)
    async with http_to(gauge) as http:
        async with asyncio.timeout(20):
            answers = await ask_many(http, Backend("API", at_once=20, timeout_s=0.1), 500)
        assert all(isinstance(answer, BackendUnavailableError) for answer in answers)
        assert gauge.calls <= 40


# Equal calls.


async def test_concurrent_equal_calls_are_made_once() -> None:
    gauge = Gauge()
    async with http_to(gauge) as http:
        calls = (http.json("API", "GET", URL, params={"city": "北京"}) for _ in range(100))
        answers = await asyncio.gather(*calls)
    assert gauge.calls == 1
    assert all(answer.data == {"list": [1]} for answer in answers)


async def test_a_caller_that_changes_a_response_does_not_change_the_others() -> None:
    async with http_to(Gauge()) as http:
        one, other = await asyncio.gather(*(http.json("API", "GET", URL) for _ in range(2)))
        one.data["list"].append(2)
    assert other.data == {"list": [1]}


@pytest.mark.parametrize(
    "differs",
    [
        {"params": {"city": "上海"}},
        {"headers": {"authorization": "Bearer another"}},
        {"shared": False},
    ],
)
async def test_calls_that_differ_or_are_not_shared_are_each_made(
    differs: dict[str, Any],
) -> None:
    gauge = Gauge()
    usual = {"params": {"city": "北京"}, "headers": {"authorization": "Bearer one"}}
    async with http_to(gauge) as http:
        calls = (http.json("API", "GET", URL, **usual | each) for each in ({}, differs))
        await asyncio.gather(*calls)
    assert gauge.calls == 2


@pytest.mark.parametrize(("shared", "calls"), [(None, 3), (True, 1)])
async def test_a_post_is_shared_only_where_it_is_declared_repeatable(
    shared: bool | None,  # noqa: FBT001 - what is tried
    calls: int,
) -> None:
    gauge = Gauge()
    async with http_to(gauge) as http:
        requests = (http.json("API", "POST", URL, json={}, shared=shared) for _ in range(3))
        await asyncio.gather(*requests)
    assert gauge.calls == calls


async def test_a_shared_call_continues_when_its_first_caller_is_cancelled() -> None:
    gauge = Gauge(takes_s=0.05)
    async with http_to(gauge) as http:
        first = asyncio.create_task(http.json("API", "GET", URL))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(http.json("API", "GET", URL))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second).status == 200
    assert gauge.calls == 1


# What an answer means for the calls after it.


@pytest.mark.parametrize("retry_after", ["60", "Sat, 28 Nov 2026 00:01:00 GMT"])
async def test_a_retry_after_is_obeyed(retry_after: str) -> None:
    calls, now = 0, datetime(2026, 11, 28, tzinfo=UTC)

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(429, headers={"retry-after": retry_after}, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        http = Http(client, now=lambda: now)
        for _ in range(3):
            with pytest.raises(BackendUnavailableError):
                await http.json("API", "GET", URL, retries=1)
        assert calls == 1
        now += timedelta(seconds=60)
        with pytest.raises(BackendUnavailableError):
            await http.json("API", "GET", URL)
    assert calls == 2


async def test_a_retry_after_is_obeyed_for_a_limited_time_only() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    answers = iter([httpx.Response(503, headers={"retry-after": "9" * 30}), ANSWER])
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: next(answers))) as client:
        http = Http(client, now=lambda: now)
        with pytest.raises(BackendUnavailableError):
            await http.json("API", "GET", URL)
        now += timedelta(seconds=MAX_PAUSE_S)
        assert (await http.json("API", "GET", URL)).status == 200


@pytest.mark.parametrize(
    "retry_after",
    [
        *("", "soon", "-5", "٣", "Sat, 99 Nov 2026 00:01:00 GMT"),
        "Sat, 28 Nov 99999999999999999999 00:01:00 GMT",
    ],
)
async def test_a_strange_retry_after_counts_as_none(retry_after: str) -> None:
    answers = iter([httpx.Response(503, headers=[(b"retry-after", retry_after.encode())]), ANSWER])
    async with http_to(lambda _: next(answers)) as http:
        assert (await http.json("API", "GET", URL, retries=1)).status == 200


async def test_a_backend_whose_quota_is_used_up_is_not_called_until_it_is_restored() -> None:
    calls, now = 0, datetime(2026, 11, 27, 20, tzinfo=UTC)
    tomorrow = datetime(2026, 11, 28, tzinfo=UTC)

    def handler(_: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        return httpx.Response(200, json={"code": "used up" if calls == 1 else "fine"})

    def quota(_: int, data: Any, __: datetime) -> datetime | None:
        return tomorrow if data["code"] == "used up" else None

    backend = Backend("API", quota=quota)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        http = Http(client, now=lambda: now)
        for _ in range(10):
            with pytest.raises(BackendQuotaError) as error:
                await http.json(backend, "GET", URL, retries=1)
            assert str(error.value) == "API的查询次数用完了，今天 08:00 才会恢复，不是你的问题"
        assert calls == 1
        now = tomorrow
        assert (await http.json(backend, "GET", URL)).data == {"code": "fine"}


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[" * 100_000, b" " * (Backend("API").max_bytes + 1)]
)
async def test_a_body_that_is_not_json_or_too_large_is_a_protocol_error(body: bytes) -> None:
    async with http_to(lambda _: httpx.Response(200, content=body)) as http:
        with pytest.raises(BackendProtocolError):
            await http.json("API", "GET", URL)


@pytest.mark.parametrize(
    ("status", "body"), [(404, b"<h1>Not Found</h1>"), (204, b""), (401, b"no")]
)
async def test_another_status_than_200_can_be_read_without_json(status: int, body: bytes) -> None:
    async with http_to(lambda _: httpx.Response(status, content=body)) as http:
        assert await http.json("API", "GET", URL) == JSONResponse(status, None)


@pytest.mark.parametrize(
    "url",
    [
        "api.example/v1",
        "ftp://api.example",
        "https://",
        "",
        "http://[::1",
        "http://api.example:99999",
    ],
)
async def test_a_url_that_is_none_is_a_setting_to_mend_and_no_outage(url: str) -> None:
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise httpx.UnsupportedProtocol("no such scheme")

    async with http_to(handler) as http:
        with pytest.raises(BackendConfigError, match="API的配置有问题") as error:
            await http.json("API", "GET", url, retries=1)
    assert error.value.reason == "its URL is none of http:// or https://"
    assert calls == []


async def test_the_log_line_has_the_host_and_the_cost_and_no_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="dingda.worker.services.endpoint")
    async with http_to(lambda _: httpx.Response(200, json={})) as http:
        await http.json("天气", "GET", URL, params={"key": "s3cret"})
    (line,) = caplog.messages
    assert line.startswith("天气 (api.example) 200 in ")
    assert "s3cret" not in caplog.text
