"""What systemd hears of a process (`sd_notify(3)`): one datagram for each state."""

import os
import socket
import time
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

_TIMEOUT_S = 0.5
"""The gateway's event loop waits for it, should systemd not read what it is sent."""
_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def notify(*states: str) -> None:
    """Send states to systemd if it asked for notifications; an address with @ is abstract."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.settimeout(_TIMEOUT_S)
            systemd.sendto("\n".join(states).encode(), address.replace("@", "\0", 1))


def notify_reloading() -> None:
    """Say that settings are being read again; `READY` says that this is over."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_interval_s() -> float | None:
    """How often to send `WATCHDOG`, in seconds: twice in the time that the unit sets.

    None if systemd does not expect it of this process.
    """
    with suppress(ValueError):
        limit_us = int(os.environ.get("WATCHDOG_USEC", "0"))
        pid = int(os.environ.get("WATCHDOG_PID") or os.getpid())
        if limit_us > 0 and pid == os.getpid():
            return limit_us / 2e6
    return None


def without_notifications(environment: dict[str, str]) -> dict[str, str]:
    """An environment for a child that systemd must not take for its parent."""
    return {name: value for name, value in environment.items() if name not in _VARIABLES}
