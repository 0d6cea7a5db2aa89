"""The socket that systemd passes on is taken, if it is one that we can serve."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from dingda.shared.errors import SettingsError
from dingda.shared.runtime import server
from dingda.shared.runtime.server import inherited_listener

Pass = Callable[..., int]


@pytest.fixture
def pass_on(monkeypatch: pytest.MonkeyPatch) -> Pass:
    """Pass a socket on as systemd does, but for its file descriptor, which pytest needs."""

    def pass_on(given: socket.socket, *, pid: int | None = None, count: str = "1") -> int:
        descriptor = given.detach()
        monkeypatch.setattr(server, "_FIRST_INHERITED", descriptor)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid() if pid is None else pid))
        monkeypatch.setenv("LISTEN_FDS", count)
        return descriptor

    return pass_on


def test_the_socket_is_taken_and_kept_from_children(pass_on: Pass) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    descriptor = pass_on(listening)
    taken = inherited_listener()
    assert taken is not None
    with taken:
        assert (taken.fileno(), taken.getsockname()) == (descriptor, address)
        assert not taken.get_inheritable()
    assert not {"LISTEN_PID", "LISTEN_FDS"} & set(os.environ)


def test_a_socket_that_was_meant_for_another_process_is_left(pass_on: Pass) -> None:
    descriptor = pass_on(socket.create_server(("127.0.0.1", 0)), pid=1)
    assert inherited_listener() is None
    os.close(descriptor)


def test_without_systemd_there_is_none() -> None:
    assert inherited_listener() is None


def test_several_sockets_are_refused(pass_on: Pass) -> None:
    descriptor = pass_on(socket.create_server(("127.0.0.1", 0)), count="2")
    with pytest.raises(SettingsError, match="give it one ListenStream="):
        inherited_listener()
    os.close(descriptor)


@pytest.mark.parametrize(
    "make",
    [
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    ],
    ids=["unix", "udp", "not listening"],
)
def test_what_is_no_tcp_port_is_refused(pass_on: Pass, make: Callable[[], socket.socket]) -> None:
    pass_on(make())
    with pytest.raises(SettingsError, match="must be a TCP port"):
        inherited_listener()


@pytest.mark.parametrize("is_open", [True, False])
def test_what_is_no_socket_is_refused(
    pass_on: Pass, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, is_open: bool
) -> None:
    os.close(pass_on(socket.socket()))
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setattr(server, "_FIRST_INHERITED", file.fileno() if is_open else 1_000_000)
        with pytest.raises(SettingsError, match="there is no socket"):
            inherited_listener()
