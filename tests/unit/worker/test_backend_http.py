"""Backends are called with care: bounded, a few at once, and left alone while they are down."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
import stamina

from worker.errors import BackendProtocolError, BackendUnavailableError
from worker.http import MAX_ANSWER_BYTES, PER_HOST, Http

URL = "https://api.example/v1"


@asynccontextmanager
async def http_to(handler: Callable[[httpx.Request], httpx.Response]) -> AsyncIterator[Http]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        yield Http(client)


@pytest.fixture(autouse=True)
def _without_waiting() -> None:
    stamina.set_testing(True, attempts=3, cap=True)


async def test_an_answer_comes_back_with_its_status() -> None:
    async with http_to(lambda _: httpx.Response(404, json={"why": "gone"})) as http:
        answer = await http.json("API", "GET", URL)
    assert (answer.status, answer.data) == (404, {"why": "gone"})


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_overloaded_or_broken_backend_is_unavailable(status: int) -> None:
    async with http_to(lambda _: httpx.Response(status, json={})) as http:
        with pytest.raises(BackendUnavailableError, match="API暂时连不上"):
            await http.json("API", "GET", URL)


async def test_nothing_is_repeated_unless_asked_for() -> None:
    calls = []

    def handler(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        return httpx.Response(503)

    async with http_to(handler) as http:
        with pytest.raises(BackendUnavailableError):
            await http.json("API", "GET", URL)
    assert len(calls) == 1


async def test_a_retry_can_heal_a_passing_failure() -> None:
    answers = iter([httpx.Response(503), httpx.Response(200, json={"ok": True})])
    async with http_to(lambda _: next(answers)) as http:
        answer = await http.json("API", "GET", URL, retries=1)
    assert answer.data == {"ok": True}


async def test_after_five_failures_a_host_is_left_alone() -> None:
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


async def test_only_a_few_calls_go_to_a_host_at_once() -> None:
    under_way = most = 0

    async def handler(_: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= 1
        return httpx.Response(200, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
        http = Http(client)
        await asyncio.gather(*(http.json("API", "GET", URL) for _ in range(20)))
    assert most == PER_HOST


@pytest.mark.parametrize("body", [b"<html>", b"", b"[" * 100_000, b" " * (MAX_ANSWER_BYTES + 1)])
async def test_what_is_no_json_or_too_much_is_a_protocol_error(body: bytes) -> None:
    async with http_to(lambda _: httpx.Response(200, content=body)) as http:
        with pytest.raises(BackendProtocolError):
            await http.json("API", "GET", URL)


async def test_one_line_says_the_host_and_the_cost_and_no_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="worker.http")
    async with http_to(lambda _: httpx.Response(200, json={})) as http:
        await http.json("天气", "GET", URL, params={"key": "s3cret"})
    (line,) = caplog.messages
    assert line.startswith("天气 (api.example) 200 in ")
    assert "s3cret" not in caplog.text
