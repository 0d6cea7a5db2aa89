"""One HTTP response, read from bytes."""

from asyncio import IncompleteReadError

import pytest
from httptools import HttpParserError, HttpParserUpgrade

from dingda.worker.delivery.classify import MAX_RESPONSE_BYTES
from dingda.worker.delivery.response import ResponseReader

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\nRetry-After: 7\r\n\r\n{"errcode":0}'


def read(*chunks: bytes) -> ResponseReader:
    reader = ResponseReader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader


@pytest.mark.parametrize("size", [1, 2, 7, len(OK)])
def test_a_response_is_complete_at_its_end_in_whatever_pieces_it_comes(size: int) -> None:
    reader = ResponseReader()
    for start in range(0, len(OK), size):
        assert not reader.is_complete
        reader.feed(OK[start : start + size])
    assert reader.is_complete
    assert (reader.status, reader.body) == (200, b'{"errcode":0}')
    assert reader.headers["retry-after"] == "7"


def test_chunks_are_put_together() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    reader = read(head + b'8\r\n{"errcod\r\n5;a=b\r\ne":0}\r\n0\r\nx-trailer: 1\r\n\r\n')
    assert reader.is_complete
    assert reader.body == b'{"errcode":0}'


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    reader = read(b'HTTP/1.1 200 OK\r\n\r\n{"errcode":0}')
    assert not reader.is_complete
    reader.feed(b"")
    assert reader.is_complete
    assert reader.body == b'{"errcode":0}'


def test_a_response_without_a_body_is_complete_at_its_head() -> None:
    assert read(b"HTTP/1.1 204 No Content\r\n\r\n").is_complete


@pytest.mark.parametrize("status", [100, 102, 103])
def test_informational_responses_are_skipped(status: int) -> None:
    early = f"HTTP/1.1 {status} Early\r\nretry-after: 9\r\n\r\n".encode()
    reader = read(early, early)
    assert (reader.status, reader.is_complete) == (0, False)
    reader.feed(OK)
    assert (reader.status, reader.is_complete) == (200, True)
    assert reader.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_servers_error_is_complete_at_its_head(status: int) -> None:
    reader = read(f"HTTP/1.1 {status} No\r\nretry-after: 7\r\n\r\n".encode())
    assert (reader.status, reader.is_complete) == (status, True)


def test_a_body_that_is_too_long_is_cut_off_just_beyond_the_limit() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\n\r\n", b" " * MAX_RESPONSE_BYTES)
    assert not reader.is_complete
    reader.feed(b" " * 70_000)
    assert reader.is_complete
    assert len(reader.body) == MAX_RESPONSE_BYTES + 1


def test_what_follows_the_response_is_not_read() -> None:
    reader = read(OK + b"HTTP/1.1 500 No\r\n\r\n" + b"\0 nonsense")
    assert (reader.status, reader.body) == (200, b'{"errcode":0}')


@pytest.mark.parametrize(
    "received",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b'HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{"errcode":0}',
        b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\n{"errcode":0}\r\n',
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_a_response_that_is_cut_short_is_none(received: bytes) -> None:
    reader = read(*filter(None, [received]))
    assert not reader.is_complete
    with pytest.raises(IncompleteReadError):
        reader.feed(b"")
    assert not reader.is_complete


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\0: 1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_no_response(received: bytes) -> None:
    with pytest.raises(HttpParserError):
        read(received)


def test_a_change_of_protocol_is_no_response() -> None:
    with pytest.raises(HttpParserUpgrade):
        read(b"HTTP/1.1 101 Go\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")


def test_a_head_without_an_end_is_not_kept() -> None:
    endless = [b"x: " + b"x" * 8000 + b"\r\n"] * 100
    with pytest.raises(HttpParserError, match="too long"):
        read(b"HTTP/1.1 200 OK\r\n", *endless)
