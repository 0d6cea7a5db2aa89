"""The gateway as an ASGI application: its routes, and what lives as long as it does."""

import logging
import multiprocessing
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from dingda.gateway.composition import ReceiverParts, compose
from dingda.gateway.handover import end_process_after
from dingda.gateway.http.callback import Callback
from dingda.gateway.http.card_callback import CardCallback
from dingda.gateway.http.push import push_routes
from dingda.gateway.metrics import GatewayMetrics, count_in
from dingda.shared.errors import SettingsError
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.deadline import within
from dingda.shared.runtime.garbage import relax_garbage_collection
from dingda.shared.runtime.health import Readiness, health_routes, missing_skills_details
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.settings import Settings

logger = logging.getLogger(__name__)

_PROBE_S = 0.3
"""How long `/readyz` waits for Redis, in seconds: Kubernetes gives a probe one."""

HOW_TO_SET_UP = """\
DINGDA_APP_SECRET is not set: without it anybody could speak to the bot in DingTalk's name.
Find it at open-dev.dingtalk.com, under 应用开发 > your application > 凭证与基础信息 > Client Secret
(formerly AppSecret), then set DINGDA_APP_SECRET in the environment or in .env. For several robots
set DINGDA_ROBOTS instead (docs/robots.md)."""


def _nothing() -> None:
    """Do nothing."""


class Gateway:
    """The ASGI application: callbacks go straight to their endpoint, all else goes to Starlette.

    Callbacks come a thousand times as often as anything else, and need nothing of what Starlette
    does on the way to a route: that would be a quarter of a callback's CPU time.

    Args:
        callback: the endpoint of DingTalk's callbacks.
        callback_paths: where it is.
        site: serves every other path, and the lifespan.
    """

    def __init__(
        self, callback: ASGIApp, *, callback_paths: frozenset[str], site: Starlette
    ) -> None:
        self._callback = callback
        self._callback_paths = callback_paths
        self.site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it."""
        if scope["type"] == "http" and scope["path"] in self._callback_paths:
            await self._callback(scope, receive, send)
        else:
            await self.site(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    redis: Redis | None = None,
    now_ms: Callable[[], int] = wall_clock_ms,
    metrics: GatewayMetrics | None = None,
    on_ready: Callable[[], None] = _nothing,
) -> Gateway:
    """Build the gateway.

    Args:
        settings: all of it; nothing else is read from the environment.
        redis: a client to use instead of one made from the settings; it decodes responses.
        now_ms: the clock that signatures are checked against, in ms since 1970.
        metrics: counts what this process does; None: nothing is counted.
        on_ready: called once it serves.

    Raises:
        SettingsError: if there is no secret to check signatures with.
    """
    if not settings.secrets:
        raise SettingsError(HOW_TO_SET_UP)
    parts = compose(settings, service="dingda-gateway", redis=redis, metrics=metrics)
    return Gateway(
        Callback(robots=settings.robots, receiver=parts.receiver, now_ms=now_ms, metrics=metrics),
        callback_paths=_both_spellings(settings.callback_path),
        site=_create_site(
            parts,
            on_ready,
            [
                *CardCallback(settings.robots, parts.receiver, now_ms).routes,
                *push_routes(settings, parts.receiver),
            ],
        ),
    )


def _both_spellings(path: str) -> frozenset[str]:
    """A path with and without its last slash: DingTalk does not follow redirects."""
    bare = path.rstrip("/")
    return frozenset({bare or "/", bare + "/"})


def _create_site(
    parts: ReceiverParts, on_ready: Callable[[], None], routes: Sequence[BaseRoute]
) -> Starlette:
    """What is served besides callbacks; its lifespan is that of the receiver."""
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with parts.running():
            with _told_of_sigterm(readiness.stop):
                readiness.begin()
                on_ready()
                yield

    async def redis() -> str:
        """What Redis does; without it the gateway still tells senders that it is busy."""
        try:
            await within(_PROBE_S, parts.ledger.probe())
        except (RedisError, OSError, TimeoutError) as error:
            return f"does not store ({type(error).__name__})"
        return "stores"

    async def details() -> dict[str, object]:
        return {"redis": await redis()} | missing_skills_details(parts.workers.missing_skills)

    return Starlette(
        routes=[*health_routes(readiness, details=details), *routes],
        lifespan=lifespan,
        exception_handlers={HTTPException: _as_json},
    )


@contextmanager
def _told_of_sigterm(function: Callable[[], None]) -> Iterator[None]:
    """Call a function on SIGTERM, before uvicorn's own handler; where there is none, never."""
    handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        function()
        handler(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def create_app_in_child(settings: Settings, counters: Path | None) -> Gateway:
    """Build the gateway in a process of its own, one of several that share a port.

    Args:
        settings: those of the gateway's first process. A child that takes the place of another does
            not read them again, so a wrong setting on disk can't keep it from starting.
        counters: the folder where the processes count; None where metrics are off.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        # Nothing else would end us. Orphans would hold the port, and keep the gateway from being
        # started again.
        end_process_after(parent.join, "the gateway's first process is gone, so this one ends too")
    configure_logging(settings.log_level, settings.log_format)
    app = create_app(settings, metrics=count_in(counters, settings.robots) if counters else None)
    relax_garbage_collection()
    return app


def _as_json(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else "internal error"
    return JSONResponse({"error": "http", "detail": detail}, status)
