"""A simulator with a bot behind it, both in this process."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.inspection_file import InspectionReader
from dingda.simulator.backends.media_api import OSS_PATH
from dingda.simulator.backends.open_platform import OpenPlatform, create_platform
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_pushes import StreamPushes
from dingda.simulator.http.app import create_app
from dingda.simulator.http.callback_sender import CallbackSender
from dingda.simulator.http.card_presses import CardPresses
from dingda.simulator.http.cards_api import card_api_routes, openapi_api_routes
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.exchange_api import exchange_routes, worker_routes
from dingda.simulator.http.export_api import export_routes
from dingda.simulator.http.files_api import file_api_routes
from dingda.simulator.http.organisation_api import organisation_routes
from dingda.simulator.http.stream import stream_routes
from dingda.simulator.http.stream_api import stream_api_routes
from dingda.simulator.http.transcript_api import transcript_routes
from dingda.simulator.inspections import Inspections
from tests.support.simulator_harness import (
    CALLBACK_URL,
    ROBOTS,
    SECRET,
    SIMULATOR_URL,
    Bot,
    Clock,
    FakeWorkers,
)
from tests.support.stream_harness import CLIENT_ID, a_stream


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dingtalk(clock: Clock) -> Simulation:
    return Simulation(robots=ROBOTS, public_url=SIMULATOR_URL, now_ms=clock)


@pytest.fixture
def bot(clock: Clock) -> Bot:
    return Bot(clock)


@pytest.fixture
def changes() -> ChangeNotifier:
    return ChangeNotifier()


@pytest.fixture
def stream() -> Stream:
    return a_stream()


@pytest.fixture
def platform(dingtalk: Simulation, changes: ChangeNotifier, clock: Clock) -> OpenPlatform:
    robot = Robot("", secrets=(SECRET,))
    return create_platform(dingtalk, changes, robot, now_ms=clock)


@pytest.fixture
def workers() -> FakeWorkers:
    return FakeWorkers()


@pytest.fixture
async def simulator(
    dingtalk: Simulation,
    bot: Bot,
    changes: ChangeNotifier,
    stream: Stream,
    platform: OpenPlatform,
    workers: FakeWorkers,
    clock: Clock,
) -> AsyncIterator[Starlette]:
    callback_sender = CallbackSender(CALLBACK_URL, transport=httpx.ASGITransport(bot.app))
    delivery = Delivery(dingtalk, callback_sender, changes)
    pushes = StreamPushes(stream, client_id=CLIENT_ID, now_ms=clock, announce=changes.announce)
    presses = CardPresses(
        platform.cards,
        platform.card_api.callback_routes,
        pushes,
        changes,
        now_ms=clock,
        transport=httpx.ASGITransport(bot.app),
    )
    app = create_app(
        dingtalk=dingtalk,
        delivery=delivery,
        changes=changes,
        routes=[
            *stream_routes(stream, base_url=SIMULATOR_URL, changes=changes),
            *stream_api_routes(dingtalk, stream, pushes, changes),
            *card_api_routes(platform.cards, presses),
            *openapi_api_routes(platform.openapi, changes),
            *organisation_routes(platform.organisation, changes),
            *file_api_routes(platform.media),
            *export_routes(
                dingtalk,
                platform.media,
                Inspections(InspectionReader(None), dingtalk.records, changes),
                platform.cards.find,
                lambda: [person.name for person in platform.organisation],
            ),
            *exchange_routes(dingtalk.records, platform.cards, changes),
            *transcript_routes(dingtalk, delivery, changes, platform.cards.find),
            *worker_routes(workers.read, supervised=False),
            Mount(OSS_PATH, routes=platform.media_api.host_routes()),
            Mount("/openapi", routes=platform.routes()),
        ],
    )
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
