"""What the simulator's server is made of, by the settings."""

import time
from collections import ChainMap
from dataclasses import replace
from functools import partial
from random import SystemRandom
from urllib.parse import parse_qs, urljoin, urlsplit

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import Mount

from dingda.shared.dingtalk.card import callback_secret, route_key_of
from dingda.shared.dingtalk.groups import CustomRobotAddress
from dingda.shared.dingtalk.origin import is_loopback
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.ledger.timeline import read_timelines
from dingda.shared.ledger.worker_report import read_connected_workers
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.inspection_file import InspectionReader
from dingda.shared.runtime.known_hosts import LOOPBACK_NAMES
from dingda.shared.runtime.set_clock import clock_of
from dingda.shared.runtime.settings import Settings
from dingda.simulator.backends.card_api import CallbackRoute
from dingda.simulator.backends.media_api import OSS_PATH
from dingda.simulator.backends.open_meteo import FakeOpenMeteo
from dingda.simulator.backends.open_platform import create_platform
from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.callback import ROBOT_CODE
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.custom_robot import CustomRobot, KnownRobot
from dingda.simulator.dingtalk.faults import HANG_S
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_pushes import StreamPushes
from dingda.simulator.dingtalk.stream_rules import StreamRules
from dingda.simulator.http.app import create_app, custom_robot_route
from dingda.simulator.http.callback_sender import CallbackSender, GatewayResponse, Sender
from dingda.simulator.http.card_presses import CardPresses
from dingda.simulator.http.cards_api import card_api_routes, openapi_api_routes, openapi_views
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.events import Feed
from dingda.simulator.http.exchange_api import exchange_routes, worker_routes
from dingda.simulator.http.export_api import export_routes
from dingda.simulator.http.extension import CreateExtension, Extension, SimulatorParts
from dingda.simulator.http.files_api import file_api_routes
from dingda.simulator.http.organisation_api import organisation_routes
from dingda.simulator.http.stream import stream_routes
from dingda.simulator.http.stream_api import stream_api_routes, stream_views
from dingda.simulator.http.stream_sender import StreamSender
from dingda.simulator.http.transcript_api import transcript_routes
from dingda.simulator.inspections import Inspections
from dingda.simulator.settings import SimulatorSettings
from dingda.simulator.watch import LedgerWatch

_CARD_PATH = "/card"
"""Where the gateway takes presses."""


def compose(
    settings: SimulatorSettings,
    bot: Settings,
    changes: ChangeNotifier,
    ledger: Redis,
    create_extension: CreateExtension | None,
) -> tuple[Starlette, Extension | None]:
    """Put the simulator together.

    Args:
        settings: the simulator's.
        bot: those that it shares with the bot.
        changes: wakes waiting requests.
        ledger: the Redis that the bot's ledger is in.
        create_extension: makes what adds to the server; None: nothing does.

    Returns:
        The application, and what adds to it.
    """
    dingtalk, stream = _create_simulation(settings, bot), _create_stream(settings, bot)
    pushes = StreamPushes(
        stream,
        client_id=_client_id_of(bot.robots, ""),
        now_ms=wall_clock_ms,
        announce=changes.announce,
    )
    platform = create_platform(
        dingtalk,
        changes,
        next(iter(bot.robots)),
        now_ms=wall_clock_ms,
        qps=settings.openapi_qps or None,
        monthly_calls=settings.openapi_monthly_calls or None,
        hang=partial(changes.wait_until, lambda: False, wait_s=HANG_S),
    )
    robot = CustomRobot(
        dingtalk,
        secret=bot.alert_secret.get_secret_value(),
        now_ms=wall_clock_ms,
        known=_known_robots(bot),
        count=platform.openapi.count_webhook,
    )
    presses = CardPresses(
        platform.cards,
        ChainMap(platform.card_api.callback_routes, _callback_routes(settings, bot)),
        pushes,
        changes,
        now_ms=wall_clock_ms,
    )
    queue = JobQueue.create(bot.queue, skill_timeout_s=bot.skill_timeout)
    inspections = Inspections(InspectionReader(settings.inspection_file), dingtalk.records, changes)
    watch = LedgerWatch(partial(read_timelines, ledger, queue), dingtalk, changes, wall_clock_ms)
    parts = SimulatorParts(dingtalk, changes, ledger, queue, watch)
    extension = create_extension(parts) if create_extension else None
    sender = _sender(settings, bot, dingtalk, changes, stream, is_supervised=extension is not None)
    delivery = Delivery(dingtalk, sender, changes)
    app = create_app(
        dingtalk=dingtalk,
        delivery=delivery,
        changes=changes,
        watch=watch,
        inspections=inspections,
        routes=[
            custom_robot_route(robot, changes),
            # Before the mount that would take it for one of its own.
            *stream_routes(stream, base_url=settings.session_base_url, changes=changes),
            *stream_api_routes(dingtalk, stream, pushes, changes),
            *card_api_routes(platform.cards, presses),
            *openapi_api_routes(platform.openapi, changes),
            *organisation_routes(platform.organisation, changes),
            *file_api_routes(platform.media),
            *export_routes(
                dingtalk,
                platform.media,
                inspections,
                platform.cards.find,
                lambda: [person.name for person in platform.organisation],
            ),
            *exchange_routes(dingtalk.records, platform.cards, changes),
            *transcript_routes(dingtalk, delivery, changes, platform.cards.find),
            *worker_routes(
                partial(read_connected_workers, ledger, queue),
                supervised=extension is not None and extension.supervises_workers,
            ),
            *(extension.routes if extension else ()),
            Mount(OSS_PATH, routes=platform.media_api.host_routes()),
            Mount("/openapi", routes=platform.routes()),
            Mount("/open-meteo", routes=FakeOpenMeteo(clock_of(settings.clock_file)).routes()),
        ],
        feed=Feed(
            views=stream_views(stream)
            | openapi_views(platform.openapi)
            | {
                "people": lambda: platform.organisation.names,
                "robots": lambda: dingtalk.robots.labels,
            }
            | (extension.views if extension else {}),
            logs={"card": platform.cards},
        ),
        hosts=_hosts(settings),
    )
    return app, extension


def _create_simulation(settings: SimulatorSettings, bot: Settings) -> Simulation:
    return Simulation(
        robots=[replace(robot, code=robot.code or ROBOT_CODE) for robot in bot.robots],
        public_url=settings.session_base_url,
        now_ms=wall_clock_ms,
        session_life_ms=round(settings.session_life_s * 1000),
        replies_per_minute=settings.replies_per_minute or None,
    )


def _create_stream(settings: SimulatorSettings, bot: Settings) -> Stream:
    return Stream(
        {_client_id(robot): robot.secrets for robot in bot.robots},
        rng=SystemRandom(),
        now_ms=wall_clock_ms,
        now_s=time.perf_counter,
        rules=stream_rules(settings),
        mode=settings.mode,
    )


def _callback_routes(settings: SimulatorSettings, bot: Settings) -> dict[str, CallbackRoute]:
    """Where presses go over HTTP until `dingda cards register` names another address."""
    url = urljoin(settings.gateway_callback_url(bot), _CARD_PATH)
    return {
        route_key_of(_client_id(robot)): CallbackRoute(url, callback_secret(robot.secrets[0]))
        for robot in bot.robots
    }


def _known_robots(bot: Settings) -> dict[str, KnownRobot]:
    """The custom robots of the groups that the bot knows by name, by their tokens."""
    addresses = bot.groups.addresses.items()
    return {
        parse_qs(urlsplit(address.webhook).query)["access_token"][0]: KnownRobot(
            name, address.secret
        )
        for name, address in addresses
        if isinstance(address, CustomRobotAddress)
    }


def stream_rules(settings: SimulatorSettings) -> StreamRules:
    """The times of Stream mode, as the settings say."""
    return StreamRules(
        ping_every_s=settings.stream_ping_s,
        ack_timeout_s=settings.stream_ack_s,
        redeliver_after_s=settings.stream_redeliver_s,
        redeliveries=settings.stream_redeliveries,
        cut_after_s=settings.stream_cut_s,
    )


def _sender(
    settings: SimulatorSettings,
    bot: Settings,
    dingtalk: Simulation,
    changes: ChangeNotifier,
    stream: Stream,
    *,
    is_supervised: bool,
) -> Sender:
    """What carries the user's messages to the bot, by the mode."""
    callback_url = settings.gateway_callback_url(bot)
    if settings.mode == "http":
        return CallbackSender(callback_url, is_supervised=is_supervised)

    async def note(msg_id: str, response: GatewayResponse) -> None:
        dingtalk.note_ack(msg_id, status=response.status, body=response.body)
        await changes.announce()

    return StreamSender(
        stream,
        client_id_of=partial(_client_id_of, bot.robots),
        callback_url=callback_url,
        note=note,
    )


def _client_id_of(robots: Robots, robot_code: str) -> str:
    """The application of a robot; of a code that is nobody's, the first robot's."""
    return _client_id(robots.find(robot_code) or next(iter(robots)))


def _client_id(robot: Robot) -> str:
    return robot.app_key or APP_KEY


def _hosts(settings: SimulatorSettings) -> set[str]:
    """The names that it answers to on loopback; none elsewhere, where they are unknown."""
    if not is_loopback(settings.host):
        return set()
    named = (urlsplit(url).hostname for url in (settings.server_url, settings.session_base_url))
    return {*LOOPBACK_NAMES, *filter(None, named)}
