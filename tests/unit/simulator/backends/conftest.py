"""An application that calls the simulated OpenAPI in this process."""

import httpx
import pytest

from tests.support.open_platform_caller import PlatformCaller
from tests.support.simulator_harness import SECRET


@pytest.fixture
def caller(http: httpx.AsyncClient) -> PlatformCaller:
    return PlatformCaller(http, secret=SECRET)
