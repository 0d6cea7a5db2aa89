"""The chart, loaded once; without what renders it there is nothing here to collect."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.chart.rendering import Render

collect_ignore_glob = [] if find_spec("helm_python") else ["test_*.py"]


@pytest.fixture(scope="session")
def render() -> Iterator[Render]:
    with Render() as render:
        yield render
