"""A worker's HTTP client on real sockets, and its agreement with the fakes that tests use."""

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from dingda.shared.runtime.egress import Egress
from dingda.worker.errors import (
    BackendConfigError,
    BackendProtocolError,
    BackendUnavailableError,
)
from dingda.worker.services.backend import Backend
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
CALLS: list[dict[str, Any]] = [
    {
        "method": "GET",
        "params": {"city": "北京 东城", "a": "x+y&z=1,2", "n": 3, "f": 0.5, "b": True},
    },
    {"method": "POST", "json": {"名字": "张三", "n": [1, None, True]}},
    {"method": "POST", "form": {"q": "手机 壳", "sign": "A+B/="}},
    {"method": "POST", "json": {}, "headers": {"content-type": "application/json; v=2"}},
    {"method": "post"},
    {"method": "GET", "headers": {"authorization": "Bearer one", "x-own": "1"}},
]


class Peer:
    """A server that gives one response to every request, and notes what it read."""

    def __init__(self, response: bytes) -> None:
        self.requests: list[bytes] = []
        self.url = ""
        self._response = response

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = [line for line in head.lower().split(b"\r\n") if b"content-length:" in line]
            body = await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
            self.requests.append(head + body)
            writer.write(self._response)


@asynccontextmanager
async def serving(response: bytes) -> AsyncIterator[Peer]:
    peer = Peer(response)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer.meet(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    peer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield peer
    finally:
        server.close()


async def called(response: bytes, backend: Backend | str = "API") -> Any:
    async with serving(response) as peer, BackendClient() as client:
        return await Http(client).json(backend, "GET", peer.url)


def as_httpx(raw: bytes, url: str) -> httpx.Request:
    """A request as it was read from a socket."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ")
    headers = [(name, value) for name, value in (line.split(b": ", 1) for line in lines)]
    return httpx.Request(
        method.decode(), f"{url}{target.decode()}", headers=headers, content=body or None
    )


def meaning(request: httpx.Request) -> dict[str, Any]:
    headers = ("content-type", "content-length", "authorization", "x-own", "cookie", "accept")
    return {
        "method": request.method,
        "path": request.url.path,
        "params": request.url.params.multi_items(),
        "headers": {name: request.headers[name] for name in headers if name in request.headers},
        "body": request.content,
    }


@pytest.mark.parametrize("call", CALLS)
async def test_a_fake_gets_the_request_that_a_backend_gets(call: dict[str, Any]) -> None:
    faked: list[httpx.Request] = []

    def fake(request: httpx.Request) -> httpx.Response:
        faked.append(request)
        return httpx.Response(200, json={})

    async with serving(OK) as peer:
        call = {"url": f"{peer.url}/v1/天气", **call}
        async with BackendClient() as real:
            await Http(real).json("API", **call)
        async with httpx.AsyncClient(transport=httpx.MockTransport(fake)) as faking:
            await Http(faking).json("API", **call)
    assert meaning(as_httpx(peer.requests[0], peer.url)) == meaning(faked[0])


async def test_a_large_upload_arrives_whole() -> None:
    content = os.urandom(3_000_000)
    async with serving(OK) as peer, BackendClient() as client:
        files = {"media": ("图.png", content)}
        await Http(client).json("API", "POST", f"{peer.url}/upload", files=files)
    sent = as_httpx(peer.requests[0], peer.url)
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert content in sent.content


async def test_a_packed_response_is_unpacked() -> None:
    body = gzip.compress(b'{"hours": 38}')
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    assert (await called(head + body)).data == {"hours": 38}


async def test_a_packed_response_is_bounded_by_what_it_unpacks_to() -> None:
    body = gzip.compress(b" " * 10_000_000)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body)
    with pytest.raises(BackendProtocolError) as failed:
        await called(head + body, Backend("API", max_bytes=100_000))
    assert failed.value.reason == "more than 100000 bytes"


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: two\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    ],
)
async def test_a_response_that_is_not_http_is_the_backends_failure(response: bytes) -> None:
    with pytest.raises(BackendUnavailableError):
        await called(response)


async def test_a_redirect_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nlocation: http://nobody.invalid/\r\ncontent-length: 2\r\n\r\n{}"
    assert (await called(away)).status == 302


async def test_nothing_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://nobody.invalid:1")
    monkeypatch.setenv("ALL_PROXY", "http://nobody.invalid:1")
    assert (await called(OK)).status == 200


@pytest.mark.parametrize("url", ["ftp://hr.example/", "hr.example/list", "http:///list"])
async def test_what_is_no_http_address_is_not_called(url: str) -> None:
    async with BackendClient() as client:
        with pytest.raises(BackendConfigError):
            await Http(client).json("API", "GET", url)


async def test_the_proxys_password_is_for_the_proxy_alone() -> None:
    async with serving(OK) as proxy:
        egress = Egress(proxy.url.replace("http://", "http://worker:p%40ss@"))
        async with BackendClient(egress) as client:
            await Http(client).json("API", "GET", "http://weather.invalid/today")
    head = proxy.requests[0].lower()
    assert head.startswith(b"get http://weather.invalid/today http/1.1\r\n")
    assert b"proxy-authorization: basic d29ya2vyonbac3m=" in head
    assert b"\r\nauthorization" not in head
