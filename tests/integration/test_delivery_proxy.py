"""A reply through a company's proxy, on real sockets: claimed when the tunnel and TLS stand."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dingda.shared.runtime.egress import Egress
from dingda.simulator.testing.processes import free_port
from dingda.worker.delivery.outcome import Delivered, DeliveryOutcome, FailureKind, Retry
from dingda.worker.delivery.post import create_reply_transport
from dingda.worker.delivery.transport import ReplyTransport
from dingda.worker.delivery.webhook import WebhookChannel
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http
from tests.integration.test_delivery_sockets import (
    BODY,
    LONG_S,
    Claims,
    Peer,
    listening,
    replying_to,
    self_signed,
)

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Tunnels:
    """A proxy that opens tunnels, or answers as it is told; it notes all that it can read."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        """The head of each request."""
        self.passed = bytearray()
        """What went through the tunnels to the far end."""
        self.answer = ESTABLISHED
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        if self.answer != ESTABLISHED:
            writer.write(self.answer)
            writer.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(ESTABLISHED)
        await asyncio.gather(
            self._pass(reader, far_writer, self.passed), self._pass(far_reader, writer, bytearray())
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, noted: bytearray
    ) -> None:
        try:
            while chunk := await reader.read(65536):
                noted += chunk
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Tunnels]:
    tunnels = Tunnels()
    server = await asyncio.start_server(tunnels.meet, "127.0.0.1", 0)
    tunnels.port = server.sockets[0].getsockname()[1]
    yield tunnels
    server.close()


@asynccontextmanager
async def dingtalk(folder: Path) -> AsyncIterator[Peer]:
    """DingTalk on this machine, with TLS."""
    async with listening(self_signed(folder)) as peer:
        yield peer


def trusting(folder: Path, proxy_url: str) -> ReplyTransport:
    """The worker's transport, which trusts the certificate in a folder."""
    context = ssl.create_default_context(cafile=folder / "certificate.pem")
    return ReplyTransport(Egress(proxy_url), context)


async def posted(
    transport: ReplyTransport,
    peer: Peer,
    claim: Callable[[], Awaitable[None]],
    timeout_s: float = LONG_S,
) -> DeliveryOutcome:
    async with transport, asyncio.timeout(LONG_S):
        channel = WebhookChannel(transport, origins=(peer.origin,))
        return await channel.send(
            replying_to(peer.url), BODY, before_send=claim, timeout_s=timeout_s
        )


async def test_a_reply_goes_through_a_tunnel_and_the_proxy_reads_none_of_it(
    proxy: Tunnels, tmp_path: Path
) -> None:
    async with dingtalk(tmp_path) as peer:
        assert await posted(trusting(tmp_path, proxy.url), peer, Claims()) == Delivered()
        (head,) = proxy.asked
        assert head.startswith(f"CONNECT 127.0.0.1:{peer.port} HTTP/1.1\r\n".encode())
        assert [request.count(BODY) for request in peer.requests] == [1]
    seen = head + proxy.passed
    assert proxy.passed
    assert b"session=" not in seen
    assert b"sendBySession" not in seen


async def test_the_claim_is_made_once_tls_stands_behind_the_tunnel_and_before_the_first_byte(
    proxy: Tunnels, tmp_path: Path
) -> None:
    arrived_before_the_claim: list[bytes] = []

    async def claim() -> None:
        await peer.connected.wait()  # asyncio tells of a connection when its handshake is done
        await asyncio.sleep(0.1)
        arrived_before_the_claim.extend(bytes(each) for each in peer.connections)

    async with dingtalk(tmp_path) as peer:
        assert await posted(trusting(tmp_path, proxy.url), peer, claim) == Delivered()
    assert arrived_before_the_claim == [b""]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 407 Who are you\r\n\r\n", "not connected: the proxy says 407"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "not connected: the proxy says 502"),
        (b"HTTP/1.1 503 No\r\ncontent-length: 2\r\n\r\nno", "not connected: the proxy says 503"),
        (b"", "not connected: "),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not connected: "),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_was_given_nothing_and_is_asked_again(
    proxy: Tunnels, tmp_path: Path, answer: bytes, reason: str
) -> None:
    proxy.answer, claims = answer, Claims()
    async with dingtalk(tmp_path) as peer:
        outcome = await posted(trusting(tmp_path, proxy.url), peer, claims)
        assert isinstance(outcome, Retry)
        assert outcome.kind is FailureKind.CONNECTION
        assert outcome.reason.startswith(reason)
        assert (claims.count, peer.connections) == (0, [])


async def test_a_proxy_that_is_away_is_tried_again(tmp_path: Path) -> None:
    claims = Claims()
    async with dingtalk(tmp_path) as peer:
        transport = trusting(tmp_path, f"http://127.0.0.1:{free_port()}")
        outcome = await posted(transport, peer, claims)
        assert outcome == Retry(FailureKind.CONNECTION, "not connected: ProxyConnectionError")
        assert (claims.count, peer.connections) == (0, [])


async def test_a_proxy_that_intercepts_tls_is_not_taken_for_dingtalk(
    proxy: Tunnels, tmp_path: Path
) -> None:
    claims = Claims()
    async with dingtalk(tmp_path) as peer:
        outcome = await posted(create_reply_transport(Egress(proxy.url)), peer, claims)
        assert outcome == Retry(FailureKind.CERTIFICATE, "tls: invalid certificate")
        assert (claims.count, peer.requests) == (0, [])


async def test_the_proxys_password_is_for_the_proxy_alone(proxy: Tunnels, tmp_path: Path) -> None:
    async with dingtalk(tmp_path) as peer:
        url = proxy.url.replace("http://", "http://worker:p%40ss@")
        assert await posted(trusting(tmp_path, url), peer, Claims()) == Delivered()
        credentials = base64.b64encode(b"worker:p@ss")
        assert b"proxy-authorization: basic " + credentials.lower() in proxy.asked[0].lower()
        assert b"authorization" not in peer.requests[0].lower()


async def test_what_is_near_is_reached_without_the_proxy(proxy: Tunnels) -> None:
    async with listening() as peer:
        egress = Egress(proxy.url, direct_hosts=("127.0.0.1",))
        assert await posted(create_reply_transport(egress), peer, Claims()) == Delivered()
        async with BackendClient(egress) as client:
            response = await Http(client).json("近", "POST", peer.url, json=json.loads(BODY))
            assert response.status == 200
        assert len(peer.requests) == 2
    assert proxy.asked == []


async def test_backends_are_reached_through_the_proxy_as_well(proxy: Tunnels) -> None:
    proxy.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    egress = Egress(proxy.url, direct_hosts=("hr.example",))
    async with BackendClient(egress) as client:
        response = await Http(client).json("天气", "GET", "http://weather.invalid/today?city=1")
        assert response.data == {}
    assert proxy.asked[0].startswith(b"GET http://weather.invalid/today?city=1 HTTP/1.1\r\n")


async def test_over_plain_http_the_proxy_gets_the_whole_url_and_its_password(
    proxy: Tunnels,
) -> None:
    ok = b'{"errcode":0}'
    proxy.answer = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(ok), ok)
    egress = Egress(proxy.url.replace("http://", "http://worker:p%40ss@"))
    async with create_reply_transport(egress) as transport:
        channel = WebhookChannel(transport, origins=("http://dingtalk.invalid:80",))
        message = replying_to("http://dingtalk.invalid/robot/send?session=1")
        outcome = await channel.send(message, BODY, before_send=Claims(), timeout_s=LONG_S)
    assert outcome == Delivered()
    (head,) = proxy.asked
    assert head.startswith(b"POST http://dingtalk.invalid/robot/send?session=1 HTTP/1.1\r\n")
    assert b"\r\nhost: dingtalk.invalid\r\n" in head
    assert b"proxy-authorization: Basic " + base64.b64encode(b"worker:p@ss") in head
