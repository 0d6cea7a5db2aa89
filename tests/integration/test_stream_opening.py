"""How a Stream connection is opened over TLS, and through a proxy."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.certificate import Certificate, a_certificate, server_context
from dingda.gateway.stream.opening import Opener, OpeningError
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.egress import DIRECT, Egress
from dingda.simulator.testing.processes import free_port
from tests.support.stream_server import TICKET, stream_server

ROBOT = Robot("dinga", app_key="dinga", secrets=("the-tests-own-secret",), mode="stream")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return a_certificate(tmp_path_factory.mktemp("tls"))


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.server)


async def test_a_ticket_and_a_connection_are_had_over_tls(certificate: Certificate) -> None:
    async with stream_server(tls=server_context(certificate.server)) as server:
        session, socket = await Opener(server.url, DIRECT, trusting(certificate)).open(ROBOT)
        connection = await server.connection()
        assert connection.ticket == f"{TICKET}dinga"
        await socket.close()
        await session.close()


async def test_a_certificate_that_nobody_vouches_for_gets_no_secret(
    certificate: Certificate,
) -> None:
    async with stream_server(tls=server_context(certificate.server)) as server:
        opener = Opener(server.url, DIRECT, ssl.create_default_context())
        with pytest.raises(OpeningError, match="certificate"):
            await opener.open(ROBOT)
        assert server.opens == []


async def test_nor_does_it_get_the_ticket(certificate: Certificate) -> None:
    tls = server_context(certificate.server)
    async with stream_server(tls=tls) as foreign, stream_server() as server:
        server.endpoint = f"{foreign.url.replace('https', 'wss')}/connect"
        opener = Opener(server.url, DIRECT, ssl.create_default_context())
        with pytest.raises(OpeningError, match="certificate"):
            await opener.open(ROBOT)
        assert foreign.connections == []


async def test_an_endpoint_that_opens_no_websocket_is_said_without_its_address() -> None:
    async with stream_server() as server:
        server.endpoint = f"{server.url.replace('http', 'ws')}/elsewhere"
        with pytest.raises(OpeningError) as error:
            await Opener(server.url, DIRECT, ssl.create_default_context()).open(ROBOT)
        assert str(error.value) == "DingTalk opens no WebSocket (HTTP 404)"


async def test_where_nothing_listens_it_says_so() -> None:
    opener = Opener(f"http://127.0.0.1:{free_port()}", DIRECT, ssl.create_default_context())
    with pytest.raises(OpeningError, match="nothing listens there"):
        await opener.open(ROBOT)


async def test_a_name_that_is_not_found_leads_to_the_setting_of_a_proxy() -> None:
    opener = Opener("https://dingtalk.invalid", DIRECT, ssl.create_default_context())
    with pytest.raises(OpeningError, match=r"its name is not found: .*DINGDA_PROXY_URL"):
        await opener.open(ROBOT)


async def test_a_proxy_that_is_not_there_is_named_by_its_setting() -> None:
    egress = Egress(f"http://user:s3cret@127.0.0.1:{free_port()}", ())
    opener = Opener("https://dingtalk.invalid", egress, ssl.create_default_context())
    with pytest.raises(OpeningError, match="the proxy of DINGDA_PROXY_URL does not answer") as said:
        await opener.open(ROBOT)
    assert "s3cret" not in str(said.value)


class Proxy:
    """A proxy that gives a ticket itself, and notes what it is asked for."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.url = ""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        if head.startswith(b"POST"):
            body = json.dumps({"endpoint": "wss://dingtalk.example/connect", "ticket": TICKET})
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        else:
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def a_proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.meet, "127.0.0.1", 0)
    proxy.url = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield proxy


async def test_through_a_proxy_both_ways_are_led_and_it_never_sees_the_ticket() -> None:
    async with a_proxy() as proxy:
        egress = Egress(f"http://somebody:s3cret@{proxy.url}")
        opener = Opener("http://api.example", egress, ssl.create_default_context())
        with pytest.raises(OpeningError) as error:
            await opener.open(ROBOT)
    asked, tunnel = proxy.requests
    credentials = base64.b64encode(b"somebody:s3cret")
    assert asked.startswith(b"POST http://api.example/v1.0/gateway/connections/open HTTP/1.1\r\n")
    assert tunnel.startswith(b"CONNECT dingtalk.example:443 HTTP/1.1\r\n")
    assert all(credentials in request for request in proxy.requests)
    assert TICKET not in tunnel.decode()
    assert "s3cret" not in str(error.value)


async def test_a_host_that_is_near_is_reached_without_the_proxy() -> None:
    async with a_proxy() as proxy, stream_server() as server:
        egress = Egress(f"http://{proxy.url}", direct_hosts=("127.0.0.1",))
        session, socket = await Opener(server.url, egress, ssl.create_default_context()).open(ROBOT)
        await socket.close()
        await session.close()
        assert proxy.requests == []


async def test_an_answer_without_an_end_is_given_up() -> None:
    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n")
        writer.write(b"x" * 1_000_000)

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        opener = Opener(f"http://127.0.0.1:{port}", DIRECT, ssl.create_default_context())
        with pytest.raises(OpeningError, match="too much"):
            await opener.open(ROBOT)
