"""systemd hears what it asked for, where it listens."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dingda.shared.runtime.notify import (
    notify,
    notify_reloading,
    watchdog_interval_s,
    without_notifications,
)


@contextmanager
def systemd_at(name: str) -> Iterator[socket.socket]:
    """A fake of systemd; a name with a zero byte is abstract."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name)
        systemd.settimeout(5)
        yield systemd


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_where_it_listens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, abstract: bool
) -> None:
    name = f"dingda-test-{time.monotonic_ns()}" if abstract else str(tmp_path / "notify")
    with systemd_at(f"\0{name}" if abstract else name) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if abstract else name)
        notify("WATCHDOG=1")
        assert systemd.recv(100) == b"WATCHDOG=1"


def test_where_systemd_does_not_listen_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    notify("WATCHDOG=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    notify("WATCHDOG=1")


@pytest.mark.timeout(30)
def test_a_systemd_that_reads_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = str(tmp_path / "notify")
    with systemd_at(name), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"x", name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify("WATCHDOG=1")


def test_a_reload_is_told_with_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with systemd_at(name) as systemd:
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify_reloading()
        state, _, told = systemd.recv(100).decode().partition("\nMONOTONIC_USEC=")
    assert state == "RELOADING=1"
    assert 0 <= time.clock_gettime(time.CLOCK_MONOTONIC) - int(told) / 1e6 < 60


@pytest.mark.parametrize(
    ("usec", "pid", "interval_s"),
    [
        ("60000000", "", 30.0),
        ("60000000", "ours", 30.0),
        ("60000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, interval_s: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert watchdog_interval_s() == interval_s


def test_a_child_does_not_speak_for_its_parent() -> None:
    environment = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "2", "HOME": "/"}
    assert without_notifications(environment) == {"HOME": "/"}
