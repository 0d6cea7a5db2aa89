"""Downloads of what people sent, on real sockets: what is asked for, and what is never reached."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.runtime.egress import DIRECT, Egress
from dingda.shared.texts import FILE_TOO_LARGE
from dingda.worker.errors import BackendUnavailableError, RefusalError
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.downloads import STORAGE, Downloads, create_download_client
from dingda.worker.services.http_client import Http
from dingda.worker.services.public_addresses import PublicAddresses

CONTENT = os.urandom(300_000)
SIGNED = "/im/a%2Fb%20c?Expires=1&Signature=a%2Bb%2Fc%3D&OSSAccessKeyId=k"


class Storage:
    """A server that hands out one response, and notes the heads of the requests."""

    def __init__(self, response: bytes) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.sent = 0
        self._response = response

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                for start in range(0, len(self._response), 65_536):
                    writer.write(self._response[start : start + 65_536])
                    await writer.drain()
                    self.sent += 65_536
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def a_storage(response: bytes) -> AsyncIterator[Storage]:
    storage = Storage(response)
    server = await asyncio.start_server(storage.meet, "127.0.0.1", 0)
    storage.port = server.sockets[0].getsockname()[1]
    try:
        yield storage
    finally:
        server.close()


class ThisMachine(AbstractResolver):
    """A look-up of names that all lead to this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=family, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Nothing to release."""


def ok(content: bytes, *headers: bytes) -> bytes:
    length = b"content-length: %d" % len(content)
    return b"\r\n".join((b"HTTP/1.1 200 OK", length, *headers, b"", content))


async def fetched(url: str, hosts: MediaHosts, egress: Egress = DIRECT) -> bytes:
    async with create_download_client(egress, hosts) as client:
        return await Downloads(Http(client), hosts).fetch(url)


async def test_a_presigned_url_is_asked_for_exactly_as_it_is_with_nothing_beside() -> None:
    async with a_storage(ok(CONTENT)) as storage:
        hosts = MediaHosts.of([storage.url])
        assert await fetched(storage.url + SIGNED, hosts) == CONTENT
    first, *lines = storage.heads[0].decode().strip().split("\r\n")
    assert first == f"GET {SIGNED} HTTP/1.1"
    names = {line.partition(":")[0].lower() for line in lines}
    assert names == {"host", "user-agent", "accept", "accept-encoding"}


async def test_a_redirect_is_not_followed() -> None:
    async with a_storage(ok(CONTENT)) as elsewhere:
        away = f"HTTP/1.1 302 Found\r\nlocation: {elsewhere.url}/\r\ncontent-length: 0\r\n\r\n"
        async with a_storage(away.encode()) as storage:
            hosts = MediaHosts.of([storage.url, elsewhere.url])
            with pytest.raises(BackendUnavailableError, match=STORAGE.name):
                await fetched(f"{storage.url}/a", hosts)
    assert elsewhere.connections == 0


async def test_a_file_without_an_end_is_left_after_the_largest_that_is_taken() -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(64 * 1024 * 1024)
    async with a_storage(endless) as storage:
        with pytest.raises(RefusalError, match=FILE_TOO_LARGE.format(megabytes=20)):
            await fetched(f"{storage.url}/a", MediaHosts.of([storage.url]))
        assert storage.sent < 40 * 1024 * 1024


@pytest.mark.parametrize(("trusted", "connections"), [((), 0), (("down.dingtalk.com",), 1)])
async def test_a_known_name_that_leads_to_this_machine_is_never_connected_to(
    trusted: tuple[str, ...], connections: int
) -> None:
    addresses = PublicAddresses(trusted, resolver=ThisMachine())
    async with a_storage(ok(CONTENT)) as storage, BackendClient(DIRECT, addresses) as client:
        url = URL(f"http://down.dingtalk.com:{storage.port}/a")
        with suppress(BackendUnavailableError):
            await Http(client).content(STORAGE, url)
    assert storage.connections == connections


async def test_a_proxy_may_be_in_our_own_network() -> None:
    async with a_storage(ok(CONTENT)) as proxy:
        hosts = MediaHosts.of(["http://storage.corp.invalid"])
        egress = Egress(proxy.url)
        assert await fetched("http://storage.corp.invalid/a", hosts, egress) == CONTENT
    assert proxy.heads[0].startswith(b"GET http://storage.corp.invalid/a HTTP/1.1\r\n")
