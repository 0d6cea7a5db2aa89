"""Ports for the servers of tests that run side by side."""

import random
import socket

import pytest

from dingda.simulator.testing.processes import free_port


def choices(monkeypatch: pytest.MonkeyPatch, *ports: int) -> None:
    chosen = iter(ports)
    monkeypatch.setattr(random, "choice", lambda _: next(chosen))


def test_a_port_is_given_once_though_nothing_listens_on_it_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, other = free_port(), free_port()
    with socket.create_server(("127.0.0.1", other)):
        another = next(port for port in range(other + 1, other + 99) if is_free(port))
        choices(monkeypatch, given, other, another)
        assert free_port() == another


def test_a_server_listens_on_a_port_that_was_given_and_does_so_again() -> None:
    port = free_port()
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)):
            """It is stopped at once."""


def is_free(port: int) -> bool:
    with socket.socket(type=socket.SOCK_DGRAM) as probe, socket.socket() as listener:
        try:
            probe.bind(("127.0.0.1", port))
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
