"""The Stream process: a connection for each robot that is to have one, until told to stop."""

import asyncio
import logging
import os
import signal
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from random import SystemRandom
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import uvloop

from dingda.gateway.composition import ReceiverParts, compose
from dingda.gateway.stream.client import StreamClient
from dingda.gateway.stream.dispatcher import Dispatcher
from dingda.gateway.stream.metrics import StreamMetrics
from dingda.gateway.stream.opening import Opener
from dingda.shared.dingtalk.origin import is_loopback
from dingda.shared.dingtalk.robots import Robot, Robots
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.egress import Egress, create_tls_context
from dingda.shared.runtime.failpoints import warn_of_failpoints
from dingda.shared.runtime.garbage import relax_garbage_collection
from dingda.shared.runtime.health import Readiness, missing_skills_details
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.loop_lag import responds
from dingda.shared.runtime.notify import READY, STOPPING, WATCHDOG, notify, watchdog_interval_s
from dingda.shared.runtime.preflight import run_preflight
from dingda.shared.runtime.settings import Settings, load_settings

if TYPE_CHECKING:
    from dingda.gateway.stream.counted_metrics import CountedStreamMetrics

logger = logging.getLogger("dingda.stream")

_READY_WITHIN_S = 30.0

_WHERE = """\
Find both at open-dev.dingtalk.com, under 应用开发 > your application > 凭证与基础信息: Client ID
(formerly AppKey) and Client Secret (formerly AppSecret). Under 机器人 choose Stream mode."""


def serve(settings: Settings) -> NoReturn:
    """Hear DingTalk until told to stop, then end the process.

    Raises:
        SettingsError: if a setting is missing or dangerous, or the port of the metrics is taken.
    """
    configure_logging(settings.log_level, settings.log_format)
    warn_of_failpoints()
    robots = stream_robots(settings.robots)
    _check_openapi(settings.openapi_url)
    run_preflight(settings)
    uvloop.run(_hear_and_exit(settings, robots))
    raise AssertionError("the process ends itself")


def stream_robots(robots: Robots) -> list[Robot]:
    """The robots to be connected: those of mode "stream"; of the plain settings the only one.

    Raises:
        SettingsError: if there is none, or one lacks what it needs to sign in.
    """
    chosen = [robot for robot in robots if robots.takes_any_code or robot.mode == "stream"]
    if not chosen:
        raise SettingsError('no robot of DINGDA_ROBOTS has mode = "stream"')
    for robot in chosen:
        if robot.app_key and robot.secrets:
            continue
        if robots.takes_any_code:
            what = "DINGDA_APP_KEY and DINGDA_APP_SECRET must both be set: a Stream connection"
        else:
            what = f"robot {robot.label} needs an app_key and a secret: its Stream connection"
        raise SettingsError(f"{what} signs in with them.\n{_WHERE}")
    return chosen


def _check_openapi(url: str) -> None:
    """Refuse to send a secret unencrypted.

    Raises:
        SettingsError: if the address is neither https nor on this machine.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise SettingsError(
            "DINGDA_OPENAPI_URL must be https, or on this machine: a Stream connection sends the "
            "application's secret there"
        )


async def _hear_and_exit(settings: Settings, robots: Sequence[Robot]) -> NoReturn:
    """Hear until told to stop, and exit.

    At once: Python and asyncio would wait for a look-up of DingTalk's name that hangs.
    """
    await _hear(settings, robots)
    logging.shutdown()
    os._exit(0)


async def _hear(settings: Settings, robots: Sequence[Robot]) -> None:
    metrics = _create_metrics(settings)
    parts = compose(settings, service="dingda-stream", metrics=metrics)
    dispatcher = Dispatcher(parts.receiver)
    egress = Egress(settings.proxy_url.get_secret_value(), settings.no_proxy)
    opener = Opener(settings.openapi_url, egress, create_tls_context())
    clients = {
        robot: StreamClient(
            robot, opener, dispatcher.handle, metrics or StreamMetrics(), random=SystemRandom()
        )
        for robot in robots
    }
    readiness = Readiness()
    stopping = _told_to_stop()
    relax_garbage_collection()
    with _served(metrics, settings, clients, readiness, parts):
        async with parts.running(), asyncio.TaskGroup() as group:
            tasks = [group.create_task(_tell_ready(clients.values()))]
            for each in clients.values():
                keeping = group.create_task(each.run())
                # One that ended unasked would leave its robot deaf.
                keeping.add_done_callback(lambda _: stopping.set())
                tasks.append(keeping)
            if interval_s := watchdog_interval_s():
                tasks.append(group.create_task(_feed_watchdog(interval_s)))
            readiness.begin()
            await stopping.wait()
            notify(STOPPING)
            readiness.stop()
            for task in tasks:
                task.cancel()
    logger.info("every connection is closed, and what came by them is stored")


def _told_to_stop() -> asyncio.Event:
    """Set once a signal asks the process to end in good order."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, _restart, stopping)
    return stopping


def _restart(stopping: asyncio.Event) -> None:
    """End in good order, so that the supervisor starts another with the settings on disk.

    If those are wrong, the other would not start: then this one goes on.
    """
    try:
        stream_robots(load_settings().robots)
    except SettingsError as error:
        logger.error("not reloaded, as the settings are wrong: %s", error)
        return
    stopping.set()


async def _tell_ready(clients: Collection[StreamClient]) -> None:
    """Tell systemd that the process is ready, once each robot is connected.

    So of two processes that are started again one after the other, one is connected all the time.
    What can't connect is ready after a while, too: to be started again would not help it.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(_READY_WITHIN_S):
            for each in clients:
                await each.has_connected.wait()
    notify(READY)


async def _feed_watchdog(interval_s: float) -> NoReturn:
    """Tell systemd that the loop runs, until cancelled."""
    while True:
        notify(WATCHDOG)
        await asyncio.sleep(interval_s)


def _create_metrics(settings: Settings) -> "CountedStreamMetrics | None":
    """What counts; None, and nothing is loaded for it, where metrics are off."""
    if not settings.metrics_port:
        return None
    from dingda.gateway.stream.counted_metrics import CountedStreamMetrics  # noqa: PLC0415

    return CountedStreamMetrics(settings.robots)


def _served(
    metrics: "CountedStreamMetrics | None",
    settings: Settings,
    clients: dict[Robot, StreamClient],
    readiness: Readiness,
    parts: ReceiverParts,
) -> AbstractContextManager[None]:
    """Serve metrics and health while the context lasts, if they are on."""
    if metrics is None:
        return nullcontext()
    loop = asyncio.get_running_loop()

    def why_not_ready() -> str:
        away = [robot.label for robot, each in clients.items() if not each.open_count]
        disconnected = f"no connection to DingTalk of {', '.join(away)}" if away else ""
        return readiness.why_not or disconnected

    return metrics.served(
        settings,
        lambda: {robot.label: each.open_count for robot, each in clients.items()},
        is_alive=lambda: responds(loop),
        why_not_ready=why_not_ready,
        details=lambda: missing_skills_details(parts.workers.missing_skills),
    )
