"""Fixtures for the tests of skills, which pytest finds once this package is installed.

`async` tests need a plugin such as pytest-asyncio. To load your own skills into the bot
behind `dingtalk`, override `dingda_settings` in your `conftest.py`:

    @pytest.fixture(scope="session")
    def dingda_settings() -> dict[str, str]:
        return {"DINGDA_SKILLS": "coffee"}

Every pytest run in the environment loads this module, whatever it tests, so imports that only a
fixture needs are in the fixture.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from dingda.simulator.testing.stack import RunningStack
    from dingda.skill import Reply
    from dingda.testing import SimulatedDingTalk


@pytest.fixture
def ask_skill() -> Callable[..., Awaitable[Reply | None]]:
    """`dingda.testing.ask`, for tests that prefer fixtures to imports."""
    from dingda.testing import ask

    return ask


@pytest.fixture(scope="session")
def dingda_settings() -> dict[str, str]:
    """Settings for the bot's processes; override it to load your own skills."""
    return {}


@pytest.fixture(scope="session")
def dingda_stack(
    dingda_settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    """A simulator with a bot behind it, each a process; they are started once a session."""
    from dingda.simulator.testing.stack import a_running_stack

    with a_running_stack(tmp_path_factory.mktemp("dingda"), dingda_settings) as stack:
        yield stack


@pytest.fixture(scope="session")
def dingtalk_url(dingda_stack: RunningStack) -> str:
    """The address of the simulator."""
    return dingda_stack.url


@pytest.fixture
def dingtalk(dingda_stack: RunningStack) -> Iterator[SimulatedDingTalk]:
    """A simulated DingTalk with the real gateway, queue and worker behind it."""
    from dingda.testing import SimulatedDingTalk

    with SimulatedDingTalk.of(dingda_stack) as dingtalk:
        yield dingtalk
