"""What every fault test begins with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.environment import FaultEnvironment, fault_environment
from tests.support.processes import reserved_port

Figure = Callable[[str, str], None]


@pytest.fixture
def env(tmp_path: Path) -> Iterator[FaultEnvironment]:
    """A server that keeps everything it acknowledges, DingTalk, and a gateway."""
    with fault_environment(tmp_path, appendfsync="always") as opened:
        yield opened


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where nothing listens yet: a DingTalk that is down."""
    with reserved_port() as port:
        yield port


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Note a figure for docs/faults.md: what was measured, and the value with its unit."""
    return record_property
