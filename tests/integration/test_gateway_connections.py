"""Connections that say nothing, dawdle or idle, at a real gateway: bounded, and in nobody's way."""

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import psutil
import pytest

from dingda.gateway.http.connections import STAGE_S
from tests.support.builders import a_callback
from tests.support.processes import (
    Process,
    Valkey,
    gateway,
    post_callback,
    signed,
    valkey,
    wait_until,
)

STORED = {"msgtype": "empty"}
CLOSED_WITHIN_S = STAGE_S + 6
LINE = b"POST /dd_robot/ HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def address(server: Valkey) -> Iterator[str]:
    with gateway(server.url) as (_, address):
        yield address


@contextmanager
def gateway_with_open_files(server: Valkey, count: int) -> Iterator[tuple[Process, str]]:
    """A gateway that may open so many files."""
    start = (
        "import resource, runpy; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({count}, {count})); "
        "runpy.run_module('gateway', run_name='__main__')"
    )
    with gateway(server.url, command=("-c", start)) as started:
        yield started


def connect(address: str) -> socket.socket:
    url = urlsplit(address)
    return socket.create_connection((str(url.hostname), int(url.port or 0)), CLOSED_WITHIN_S)


def is_closed_in_time(line: socket.socket) -> bool:
    """Wait until the gateway closes; reads away what it still says."""
    with suppress(ConnectionError):
        while line.recv(4096):
            pass
    return True  # else the socket's own timeout is raised


def is_refused(line: socket.socket, said: bytes) -> bool:
    """Whether the other side has closed by now, so that nothing can be said any more."""
    time.sleep(0.05)
    try:
        with suppress(TimeoutError):
            line.send(said)
    except ConnectionError:
        return True
    return False


def hear(line: socket.socket) -> tuple[bytes, bytes]:
    """Read one answer: its head and its body."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += line.recv(4096)
    head, _, body = said.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += line.recv(4096)
    return head, body


def say(address: str, msg_id: str = "1") -> tuple[object, float]:
    began = time.monotonic()
    response = post_callback(address, a_callback(msgId=msg_id))
    return response.json(), time.monotonic() - began


def request(*headers: str, body: bytes = b"") -> bytes:
    lines = [f"{name}: {value}" for name, value in signed().items()] + list(headers)
    head = "".join(f"{line}\r\n" for line in lines).encode()
    return LINE + head + f"content-length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.slow
@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"P",
        LINE,
        LINE + b"content-length: 5\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /heal",
    ],
    ids=["nothing", "a byte", "half a head", "no body", "a body nobody reads", "half a second one"],
)
def test_a_connection_that_never_finishes_its_request_is_closed(address: str, said: bytes) -> None:
    with connect(address) as line:
        line.sendall(said)
        assert is_closed_in_time(line)


@pytest.mark.slow
def test_a_head_that_drips_does_not_lengthen_its_time(address: str) -> None:
    with connect(address) as line:
        line.sendall(LINE)
        wait_until(lambda: is_refused(line, b"X"), within_s=CLOSED_WITHIN_S)


def test_requests_that_nobody_reads_the_responses_of_fill_no_memory(server: Valkey) -> None:
    pipelined = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 2000
    with gateway(server.url) as (hears, address), connect(address) as line:
        process = psutil.Process(hears.popen.pid)
        before = process.memory_info().rss
        line.settimeout(1)
        with suppress(OSError):  # it reads no more
            for _ in range(200):
                line.sendall(pipelined)
        assert process.memory_info().rss - before < 100 * 1024 * 1024


@pytest.mark.slow
def test_a_client_that_reads_no_responses_is_given_up_without_a_traceback(server: Valkey) -> None:
    pipelined = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 2000
    with gateway(server.url) as (hears, address), socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((str(urlsplit(address).hostname), int(urlsplit(address).port or 0)))
        line.settimeout(STAGE_S + 2)
        with suppress(OSError):  # in the end nothing more is taken
            for _ in range(1000):
                line.sendall(pipelined)
        assert say(address)[0] == STORED
        assert hears.stop() == -signal.SIGTERM
        assert "Traceback" not in hears.output


@pytest.mark.slow
def test_a_thousand_silent_and_a_thousand_dripping_connections_keep_nobody_waiting(
    address: str,
) -> None:
    with ExitStack() as stack:
        lines = [stack.enter_context(connect(address)) for _ in range(2000)]
        dripping = lines[1000:]
        for line in dripping:
            line.sendall(LINE)
        is_over = threading.Event()

        def drip() -> None:
            while not is_over.wait(0.5):
                for line in dripping:
                    with suppress(OSError):
                        line.send(b"X")

        dripper = threading.Thread(target=drip)
        dripper.start()
        heard = [say(address, f"m{number}") for number in range(100)]
        is_over.set()
        dripper.join()
        assert all(map(is_closed_in_time, lines))
    assert all(acknowledgement == STORED for acknowledgement, _ in heard)
    assert sorted(took_s for _, took_s in heard)[90] < 0.5


@pytest.mark.slow
def test_an_answered_connection_is_kept_for_the_next_callback(address: str) -> None:
    with connect(address) as line:
        for number in range(2):
            line.sendall(request(body=a_callback(msgId=f"kept{number}")))
            assert hear(line)[1] == b'{"msgtype":"empty"}'
            time.sleep(STAGE_S + 2 if number == 0 else 0)


def test_beyond_the_limit_the_slowest_make_room_and_the_log_says_so_once(server: Valkey) -> None:
    with gateway_with_open_files(server, 100) as (hears, address), ExitStack() as stack:
        for _ in range(120):
            stack.enter_context(connect(address))
        assert [say(address, f"m{number}")[0] for number in range(10)] == [STORED] * 10
        assert hears.output.count("connections are taken") == 1
        assert "ulimit -n" in hears.output


def test_idle_connections_make_room_too(server: Valkey) -> None:
    with gateway_with_open_files(server, 100) as (_, address), ExitStack() as stack:
        for _ in range(60):
            line = stack.enter_context(connect(address))
            line.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert hear(line)[0].startswith(b"HTTP/1.1 200")
        assert say(address)[0] == STORED


def test_a_gateway_with_hardly_any_open_files_recovers(server: Valkey) -> None:
    with gateway_with_open_files(server, 40) as (hears, address):
        with ExitStack() as stack:
            for _ in range(60):
                with suppress(OSError):
                    stack.enter_context(connect(address))
            hears.wait_for("connections are taken")
        wait_until(lambda: say(address)[0] == STORED)
        assert "Traceback" not in hears.output


@pytest.mark.parametrize("name", ["Upgrade", "upgrade", "UPGRADE"])
@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
def test_an_offer_of_another_protocol_is_passed_over(
    address: str, name: str, protocol: str
) -> None:
    offer = (f"{name}: {protocol}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAA")
    with connect(address) as line:
        for number in range(2):
            line.sendall(request(*offer, body=a_callback(msgId=f"{name}{protocol}{number}")))
            assert json.loads(hear(line)[1]) == STORED


def test_an_offer_that_comes_in_pieces_is_answered_clearly(address: str) -> None:
    whole = request("Upgrade: h2c", "Connection: Upgrade", body=a_callback(msgId="pieces"))
    cut = whole.index(b"Upgrade: h2c") + 3
    with connect(address) as line:
        line.sendall(whole[:cut])
        time.sleep(0.2)
        line.sendall(whole[cut:])
        head, body = hear(line)
    assert head.startswith(b"HTTP/1.1 400")
    assert b"leave out the Upgrade header" in body


@pytest.mark.parametrize("closing", [b"", b"connection: close\r\n"], ids=["kept", "closed"])
def test_a_response_without_a_body_arrives(address: str, closing: bytes) -> None:
    with connect(address) as line:
        line.sendall(b"HEAD /dd_robot/ HTTP/1.1\r\nhost: x\r\n" + closing + b"\r\n")
        assert line.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on(address: str) -> None:
    body = a_callback(msgId="waits")
    head = LINE + b"expect: 100-continue\r\ncontent-length: %d\r\n" % len(body)
    head += "".join(f"{name}: {value}\r\n" for name, value in signed().items()).encode()
    with connect(address) as line:
        line.sendall(head + b"\r\n")
        assert line.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert b'{"msgtype":"empty"}' in line.recv(1000)
