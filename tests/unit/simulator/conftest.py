"""A simulator with a bot behind it, both in this process."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.app import create_app
from dingda.simulator.http.callback_sender import CallbackSender
from tests.support.simulator_harness import CALLBACK_URL, SECRET, SIMULATOR_URL, Bot, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dingtalk(clock: Clock) -> Simulation:
    return Simulation(secret=SECRET, public_url=SIMULATOR_URL, now_ms=clock)


@pytest.fixture
def bot(clock: Clock) -> Bot:
    return Bot(clock)


@pytest.fixture
def changes() -> ChangeNotifier:
    return ChangeNotifier()


@pytest.fixture
async def simulator(
    dingtalk: Simulation, bot: Bot, changes: ChangeNotifier
) -> AsyncIterator[Starlette]:
    callback_sender = CallbackSender(CALLBACK_URL, transport=httpx.ASGITransport(bot.app))
    app = create_app(dingtalk=dingtalk, callback_sender=callback_sender, changes=changes)
    bot.transport = httpx.ASGITransport(app)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def open_client(simulator: Starlette) -> Callable[[], SimulatorClient]:
    transport = httpx.ASGITransport(simulator)
    return lambda: SimulatorClient(SIMULATOR_URL, transport=transport)


@pytest.fixture
async def http(simulator: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(simulator)
    async with httpx.AsyncClient(transport=transport, base_url=SIMULATOR_URL) as client:
        yield client
