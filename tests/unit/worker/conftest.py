"""What tests of backends and their clients begin with."""

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture
def without_waiting() -> Iterator[None]:
    """A call is tried three times at the most, with no pauses between."""
    with stamina.set_testing(True, attempts=3, cap=True):
        yield
