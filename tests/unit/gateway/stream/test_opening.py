"""The answer to the request for a ticket: what it means, and where it may lead."""

import json

import pytest

from dingda.gateway.stream.opening import (
    OpeningError,
    RefusedError,
    Ticket,
    endpoint_fault,
    read_ticket,
)

ENDPOINT = "wss://wss-open-connection.dingtalk.com:443/connect"


def answer(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_a_ticket_is_read_and_shown_nowhere() -> None:
    ticket = read_ticket(200, answer(endpoint=ENDPOINT, ticket="t-1"))
    assert ticket == Ticket(ENDPOINT, "t-1")
    assert "t-1" not in repr(ticket)


def test_a_ticket_is_escaped_in_the_address() -> None:
    assert str(Ticket(ENDPOINT, "a/b+c=&d e").url).endswith("?ticket=a%2Fb%2Bc%3D%26d%20e")


@pytest.mark.parametrize(
    "endpoint",
    [
        ENDPOINT,
        "wss://wss-open-connection.dingtalk.com/connect",
        "wss://example.org",
        "ws://127.0.0.1:8000/connect",
        "ws://localhost/connect",
        "ws://[::1]:8000/connect",
    ],
)
def test_an_endpoint_over_tls_or_on_this_machine_is_connected_to(endpoint: str) -> None:
    assert endpoint_fault(endpoint) == ""


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ws://wss-open-connection.dingtalk.com/connect",
        "ws://10.0.0.5/connect",
        "https://wss-open-connection.dingtalk.com/connect",
        "wss:wss-open-connection.dingtalk.com",
        "WSS://example.org",
        "wss://user:password@example.org/connect",
        "wss://example.org\\@127.0.0.1/connect",
        "wss://example.org/con nect",
        "wss://example.org/connect?ticket=other",
        "wss://example.org/connect#part",
        "wss://example。org/connect",
        "wss://",
        "wss://example.org:99999/",
        "file:///etc/passwd",
    ],
)
def test_any_other_endpoint_is_refused(endpoint: str) -> None:
    assert endpoint_fault(endpoint)
    with pytest.raises(OpeningError):
        read_ticket(200, answer(endpoint=endpoint, ticket="t-1"))


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (401, answer(code="authFailed", message="鉴权失败"), "HTTP 401, authFailed.*Client Secret"),
        (400, answer(code="x"), "Stream mode"),
        (400, b"<html>", "DINGDA_PROXY_URL"),
        (403, answer(code="quota"), "quota"),
        (404, answer(), "DINGDA_OPENAPI_URL"),
        (404, b"not found", "DINGDA_PROXY_URL"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, body: bytes, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        read_ticket(status, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b"<html>"),
        (500, answer(code="system")),
        (429, answer(code="throttled")),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, answer(endpoint=ENDPOINT)),
        (200, answer(endpoint=ENDPOINT, ticket="")),
        (200, answer(endpoint=[ENDPOINT], ticket="t")),
        (200, answer(ticket="t")),
        (302, answer(code="elsewhere")),
    ],
)
def test_what_may_pass_is_no_refusal(status: int, body: bytes) -> None:
    with pytest.raises(OpeningError) as error:
        read_ticket(status, body)
    assert not isinstance(error.value, RefusedError)


def test_of_a_refusal_only_the_code_is_shown_and_that_escaped_and_cut() -> None:
    body = answer(code="a\nb" + "c" * 500, message="the secret words")
    with pytest.raises(RefusedError) as error:
        read_ticket(401, body)
    assert "\n" not in str(error.value)
    assert "words" not in str(error.value)
    assert len(str(error.value)) < 400
