"""What every fault test begins with."""

import fcntl
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.environment import FaultEnvironment, fault_environment
from tests.faults.openapi_environment import OpenAPIEnvironment, openapi_environment
from tests.support.processes import reserved_port

Figure = Callable[[str, str], None]


def slow_but(*quick: object, of: Iterable[object]) -> list[Any]:
    """Parameters of which `make test` tries the quick ones, and `make faults` all."""
    return [pytest.param(one, marks=() if one in quick else pytest.mark.slow) for one in of]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Let no other fault test run beside one marked `alone`, in whichever process of pytest-xdist.

    It is the outermost wrapper, so that pytest-timeout does not count what a test waits here.
    """
    alone = item.get_closest_marker("alone") is not None
    with Path(__file__).open("rb") as this_file:
        fcntl.flock(this_file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        return (yield)


@pytest.fixture
def env(tmp_path: Path) -> Iterator[FaultEnvironment]:
    """A server that keeps everything it acknowledges, DingTalk, and a gateway."""
    with fault_environment(tmp_path, appendfsync="always") as opened:
        yield opened


@pytest.fixture
def openapi_env(tmp_path: Path) -> Iterator[OpenAPIEnvironment]:
    """The same with a simulated DingTalk that shows cards, pushes and files."""
    with openapi_environment(tmp_path) as opened:
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
