"""A reply on real sockets: claimed with the connection open, sent once, and truly reported."""

import asyncio
import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import LeaseLostError
from dingda.simulator.testing.processes import free_port
from dingda.worker.delivery.classify import MAX_RESPONSE_BYTES
from dingda.worker.delivery.outcome import (
    Delivered,
    DeliveryOutcome,
    FailureKind,
    Rejected,
    Retry,
    Unknown,
)
from dingda.worker.delivery.post import create_reply_transport, post
from dingda.worker.delivery.webhook import WebhookChannel
from tests.support.builders import a_message

BODY = '{"msgtype":"text","text":{"content":"北京 9℃"}}'.encode()
OK = b'{"errcode":0,"errmsg":"ok"}'
LONG_S = 10.0
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def response(body: bytes = OK, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


class Peer:
    """Whoever listens at the other end: what came, connection by connection, and how to answer."""

    def __init__(self) -> None:
        self.connections: list[bytearray] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.resumed: list[bool] = []
        """Of each connection, whether it resumed a TLS session."""
        self.ended = 0
        self.written = 0
        self.connected = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.answer: bytes | Answer = response()
        self.port = 0
        self.scheme = "http"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/robot/sendBySession?session=0123456789abcdef"

    @property
    def requests(self) -> list[bytes]:
        """What arrived on connections that carried anything."""
        return [bytes(received) for received in self.connections if received]

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = bytearray()
        self.connections.append(received)
        self.writers.append(writer)
        if tls := writer.get_extra_info("ssl_object"):
            self.resumed.append(tls.session_reused)
        self.connected.set()
        try:
            while BODY not in received:
                chunk = await reader.read(65536)
                if not chunk:
                    return
                received += chunk
            if isinstance(self.answer, bytes):
                await self.write(writer, self.answer)
                # The connection is kept open, as HTTP/1.1 has it.
                received += await reader.read(65536)
            else:
                await self.answer(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.ended += 1
            self.hung_up.set()
            writer.close()

    def count_open(self) -> int:
        """How many connections have not ended."""
        return len(self.connections) - self.ended

    async def write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        self.written += len(data)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None, *, port: int = 0) -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.meet, "127.0.0.1", port, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    peer.scheme = "https" if tls else "http"
    try:
        yield peer
    finally:
        server.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with listening() as found:
        yield found


class Claims:
    """The right to send, and how often it was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self._error = error

    async def __call__(self) -> None:
        self.count += 1
        if self._error:
            raise self._error


def replying_to(url: str) -> Message:
    """A message whose replies go to a URL."""
    return replace(a_message(), session_webhook=url)


async def posted(
    url: str,
    claim: Callable[[], Awaitable[None]],
    *,
    timeout_s: float = LONG_S,
    origins: tuple[str, ...] | None = None,
) -> DeliveryOutcome:
    """Post once with the worker's own transport; a bound of time stands around it."""
    allowed = (origin_of(url),) if origins is None else origins
    async with create_reply_transport() as transport, asyncio.timeout(LONG_S):
        channel = WebhookChannel(transport, origins=allowed)
        return await channel.send(replying_to(url), BODY, before_send=claim, timeout_s=timeout_s)


async def test_a_reply_arrives_as_it_was_prepared_and_its_outcome_is_told(peer: Peer) -> None:
    claims = Claims()
    assert await posted(peer.url, claims) == Delivered()
    (request,) = peer.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == BODY
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /robot/sendbysession?session=0123456789abcdef http/1.1"
    assert "content-type: application/json; charset=utf-8" in lines
    assert f"content-length: {len(BODY)}" in lines
    assert "accept-encoding: identity" in lines
    assert claims.count == 1


async def test_the_claim_is_made_with_the_connection_open_and_before_the_first_byte(
    peer: Peer,
) -> None:
    arrived_before_the_claim: list[bytes] = []

    async def claim() -> None:
        await peer.connected.wait()
        await asyncio.sleep(0.1)
        arrived_before_the_claim.extend(bytes(each) for each in peer.connections)

    assert await posted(peer.url, claim) == Delivered()
    assert arrived_before_the_claim == [b""]


async def test_without_a_connection_nothing_is_claimed() -> None:
    claims = Claims()
    outcome = await posted(f"http://127.0.0.1:{free_port()}/", claims)
    assert isinstance(outcome, Retry)
    assert outcome.reason == "not connected: ConnectionRefusedError"
    assert claims.count == 0


async def test_a_name_that_cannot_be_looked_up_is_tried_again_until_it_can(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = list[str]()

    def getaddrinfo(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        looked_up.append(host)
        if len(looked_up) <= 2:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url, claims = peer.url.replace("127.0.0.1", "oapi.dingtalk.example"), Claims()
    for _ in range(2):
        outcome = await posted(url, claims)
        assert outcome == Retry(FailureKind.CONNECTION, "not connected: NameLookupError")
    assert claims.count == 0
    assert await posted(url, claims) == Delivered()
    assert looked_up == ["oapi.dingtalk.example"] * 3


async def test_a_worker_that_has_lost_the_lease_sends_nothing(peer: Peer) -> None:
    with pytest.raises(LeaseLostError):
        await posted(peer.url, Claims(LeaseLostError()))
    await peer.hung_up.wait()
    assert peer.requests == []


async def test_a_claim_that_redis_cannot_take_sends_nothing_and_is_tried_again(peer: Peer) -> None:
    outcome = await posted(peer.url, Claims(ConnectionError("redis")))
    assert isinstance(outcome, Retry)
    assert peer.requests == []


async def test_a_claim_that_takes_too_long_sends_nothing_and_is_tried_again(peer: Peer) -> None:
    outcome = await posted(peer.url, lambda: asyncio.sleep(LONG_S), timeout_s=0.1)
    assert isinstance(outcome, Retry)
    await peer.hung_up.wait()
    assert peer.requests == []


async def test_replies_that_are_sent_at_once_have_each_its_own_claim(peer: Peer) -> None:
    claims = [Claims(LeaseLostError() if number % 2 else None) for number in range(40)]
    async with create_reply_transport() as transport:
        channel = WebhookChannel(transport, origins=(peer.origin,))

        async def send(number: int) -> DeliveryOutcome:
            url = f"{peer.origin}/{number}"
            claim = claims[number]
            return await channel.send(replying_to(url), BODY, before_send=claim, timeout_s=LONG_S)

        outcomes = await asyncio.gather(*map(send, range(40)), return_exceptions=True)
    assert [isinstance(outcome, Delivered) for outcome in outcomes] == [True, False] * 20
    assert [claim.count for claim in claims] == [1] * 40
    paths = sorted(int(request.split()[1][1:]) for request in peer.requests)
    assert paths == list(range(0, 40, 2))


async def test_a_line_break_in_a_header_begins_no_other_header(peer: Peer) -> None:
    claims = Claims()
    async with create_reply_transport() as transport:
        outcome = await post(
            transport,
            peer.url,
            BODY,
            headers={"x-token": "abc\r\nx-evil: 1"},
            before_send=claims,
            timeout_s=LONG_S,
        )
    assert outcome == Retry(FailureKind.CONNECTION, "not connected: ValueError")
    assert (claims.count, peer.connections) == (0, [])


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_no_redirect_is_followed(peer: Peer, status: str) -> None:
    async with listening() as elsewhere:
        peer.answer = response(OK, f"location: {elsewhere.url}", status=status)
        outcome = await posted(peer.url, Claims(), origins=(peer.origin, elsewhere.origin))
        assert outcome == Rejected(f"HTTP {status[:3]}")
        assert elsewhere.connections == []
    assert len(peer.requests) == 1


async def test_nothing_is_taken_from_the_environment(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    async with listening() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.origin)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.setenv("HOME", str(tmp_path))
        assert await posted(peer.url, Claims()) == Delivered()
        assert proxy.connections == []
    assert b"authorization" not in peer.requests[0].lower()


async def test_no_cookie_is_kept(peer: Peer) -> None:
    peer.answer = response(OK, "set-cookie: a=1")
    async with create_reply_transport() as transport:
        channel = WebhookChannel(transport, origins=(peer.origin,))
        for _ in range(2):
            await channel.send(replying_to(peer.url), BODY, before_send=Claims(), timeout_s=LONG_S)
    assert len(peer.requests) == 2
    assert not any(b"cookie" in request.lower() for request in peer.requests)


async def test_each_reply_has_a_connection_of_its_own_so_none_meets_a_stale_one(
    peer: Peer,
) -> None:
    async def close_when_idle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.write(writer, response(OK, "connection: keep-alive"))

    peer.answer = close_when_idle
    async with create_reply_transport() as transport:
        channel = WebhookChannel(transport, origins=(peer.origin,))
        for _ in range(3):
            outcome = await channel.send(
                replying_to(peer.url), BODY, before_send=Claims(), timeout_s=LONG_S
            )
            assert outcome == Delivered()
            await asyncio.sleep(0.02)
    assert [request.count(BODY) for request in peer.requests] == [1, 1, 1]
    assert len(peer.connections) == 3


async def test_an_answer_as_long_as_may_be_is_read(peer: Peer) -> None:
    peer.answer = response(OK + b" " * (MAX_RESPONSE_BYTES - len(OK)))
    assert await posted(peer.url, Claims()) == Delivered()


async def test_a_longer_answer_is_not_read_to_its_end(peer: Peer) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.write(writer, b"HTTP/1.1 200 OK\r\n\r\n" + OK)
        while True:
            await peer.write(writer, b" " * 65536)

    peer.answer = endless
    outcome = await posted(peer.url, Claims())
    assert outcome == Unknown("the answer is not a JSON object of at most 16 KiB")
    await peer.hung_up.wait()
    # What lies in the sockets' buffers is not ours to bound.
    assert peer.written < 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(OK, mtime=0), "gzip"),
        (zlib.compress(OK), "deflate"),
        (zlib.compress(OK)[2:-4], "deflate"),
        (gzip.compress(OK, mtime=0), "identity"),
        (OK, "gzip"),
    ],
)
async def test_an_answer_that_is_packed_although_nobody_asked_is_read(
    peer: Peer, packed: bytes, encoding: str
) -> None:
    peer.answer = response(packed, f"content-encoding: {encoding}")
    assert await posted(peer.url, Claims()) == Delivered()
    peer.answer = response(gzip.compress(b'{"errcode":-1}'), f"content-encoding: {encoding}")
    assert await posted(peer.url, Claims()) == Retry(FailureKind.BUSY, "errcode -1")


@pytest.mark.parametrize(
    "packed",
    [
        gzip.compress(OK, mtime=0)[:-6],
        gzip.compress(OK, mtime=0)[:12] + b"spoilt",
        gzip.compress(OK + b" " * 50_000_000, mtime=0),
        b"\x1f\x8b",
    ],
)
async def test_what_cannot_be_unpacked_is_unknown_and_is_not_unpacked_without_end(
    peer: Peer, packed: bytes
) -> None:
    peer.answer = response(packed, "content-encoding: gzip")
    outcome = await posted(peer.url, Claims())
    assert outcome == Unknown("the answer is not a JSON object of at most 16 KiB")
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable"])
async def test_an_error_is_believed_before_its_body_has_ended(peer: Peer, status: str) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.write(writer, f"HTTP/1.1 {status}\r\nretry-after: 7\r\n\r\n".encode())
        while True:
            await peer.write(writer, b" " * 65536)

    peer.answer = endless
    assert await posted(peer.url, Claims()) == Retry(FailureKind.BUSY, f"HTTP {status[:3]}", 7)
    await peer.hung_up.wait()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    """Say nothing."""


@pytest.mark.parametrize(
    "answer",
    [
        reset,
        hang_up,
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000 + b"\r\n\r\n",
        response(b"<html>busy</html>"),
        response(OK[:-5]),
    ],
)
async def test_what_breaks_after_the_claim_is_unknown_and_the_reply_went_out_once(
    peer: Peer, answer: bytes | Answer
) -> None:
    async def then_hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(answer, bytes)
        await peer.write(writer, answer)

    peer.answer = then_hang_up if isinstance(answer, bytes) else answer
    claims = Claims()
    assert isinstance(await posted(peer.url, claims), Unknown)
    assert claims.count == 1
    assert [request.count(BODY) for request in peer.requests] == [1]
    assert len(peer.connections) == 1


async def test_a_body_that_is_cut_short_is_unknown(peer: Peer) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.write(writer, response(OK).replace(b"length: 27", b"length: 99"))

    peer.answer = cut
    assert isinstance(await posted(peer.url, Claims()), Unknown)


async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("answer", [silence, drip])
async def test_a_slow_response_is_waited_for_until_the_session_ends(
    peer: Peer, answer: Answer
) -> None:
    peer.answer = answer
    outcome = await posted(peer.url, Claims(), timeout_s=0.3)
    assert outcome == Unknown("TimeoutError")
    await peer.hung_up.wait()


async def test_after_the_sessions_end_nothing_is_sent(peer: Peer) -> None:
    claims = Claims()
    assert isinstance(await posted(peer.url, claims, timeout_s=0.0), Retry)
    assert (claims.count, peer.requests) == (0, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}@stranger.example/",
        "http://127.0.0.1:{other}/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.1:{port}\\@stranger.example/",
        "ftp://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "",
    ],
)
async def test_nothing_goes_anywhere_but_to_the_origins_that_are_allowed(
    peer: Peer, url: str
) -> None:
    claims = Claims()
    url = url.format(port=peer.port, other=free_port())
    outcome = await posted(url, claims, origins=(peer.origin,))
    assert outcome == Rejected("origin: not one of DINGDA_SESSION_WEBHOOK_ORIGINS")
    assert (claims.count, peer.connections) == (0, [])


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for; it lies in the folder as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "certificate.pem").write_bytes(public)
    pem = folder / "server.pem"
    pem.write_bytes(private + public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def test_a_certificate_that_nobody_vouches_for_gets_no_reply_and_may_be_mended(
    tmp_path: Path,
) -> None:
    claims = Claims()
    async with listening(self_signed(tmp_path)) as impostor:
        outcome = await posted(impostor.url, claims)
        assert outcome == Retry(FailureKind.CERTIFICATE, "tls: invalid certificate")
        assert impostor.requests == []
    assert claims.count == 0


async def test_a_peer_that_never_answers_the_tls_handshake_is_sent_nothing(peer: Peer) -> None:
    claims = Claims()
    url = peer.url.replace("http://", "https://")
    outcome = await posted(url, claims, timeout_s=0.3)
    assert isinstance(outcome, Retry)
    assert claims.count == 0


async def test_a_post_that_is_cancelled_on_the_wire_hangs_up(peer: Peer) -> None:
    peer.answer = silence
    claims = Claims()
    posting = asyncio.create_task(posted(peer.url, claims))
    while not peer.requests:  # noqa: ASYNC110 - of the peer's bytes nobody tells
        await asyncio.sleep(0.01)
    posting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await posting
    await peer.hung_up.wait()


async def test_no_outcome_names_the_session(peer: Peer) -> None:
    peer.answer = reset
    outcomes = [
        await posted(peer.url, Claims()),
        await posted(f"http://127.0.0.1:{free_port()}/?session=canary", Claims()),
        await posted(peer.url, Claims(), origins=()),
    ]
    assert "session=" not in str(outcomes)
