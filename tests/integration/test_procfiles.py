"""`honcho start` starts all that a Procfile names, and ends all once one of them ends.

So each mode has a Procfile of its own: a process that opens Stream connections needs an AppKey,
which nobody in HTTP mode has to set.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dingda.simulator.testing.processes import free_port
from tests.support.processes import ROOT, SECRET, Process, Valkey, process, valkey

_STOPS_WITHIN_S = 30.0
_STARTS_WITHIN_S = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path) as server:
        yield server


@contextmanager
def honcho(*arguments: str, **settings: str) -> Iterator[Process]:
    """`honcho start`, with the Python of the tests."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    command = ("-m", "honcho", "start", "--no-colour", "-p", str(free_port()), *arguments)
    with process(*command, env={"PATH": path, **settings}) as started:
        try:
            yield started
        finally:
            # Its processes are in sessions of their own, and end when it does.
            started.stop(within_s=_STOPS_WITHIN_S)


def test_a_secret_and_a_redis_are_enough_for_all_that_the_procfile_names(server: Valkey) -> None:
    with honcho(DINGDA_APP_SECRET=SECRET, DINGDA_REDIS_URL=server.url) as started:
        started.wait_for("gateway.1.* listening on http://", within_s=_STARTS_WITHIN_S)
        started.wait_for("worker.1.* takes up to", within_s=_STARTS_WITHIN_S)
        assert "stopped" not in started.output


def test_the_procfile_of_stream_mode_listens_on_no_port() -> None:
    lines = (ROOT / "Procfile.stream").read_text("utf-8").splitlines()
    assert lines == ["stream: python -m gateway --stream", "worker: python -m worker"]
