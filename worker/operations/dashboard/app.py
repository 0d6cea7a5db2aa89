"""The dashboard's application: its pages, and what every request to them passes.

/                     what the bot does just now; POST /pause and /resume
/dead …               dead letters by reason, with retry and discard
/messages …           one message: where it is, and how it came there
/sign-in, /sign-out   see `access`
/static/…             a style, a script and an icon, all from this folder
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from dingda.shared.runtime.known_hosts import LOOPBACK_NAMES, KnownHosts
from dingda.shared.runtime.logs import class_name
from dingda.worker.operations.dashboard import (
    dead_letters_page,
    messages_page,
    now_page,
    sign_in_page,
)
from dingda.worker.operations.dashboard.guard import Guard
from dingda.worker.operations.dashboard.settings import DashboardSettings
from dingda.worker.operations.dashboard.site import Site
from dingda.worker.operations.readings import READ_EVERY_S, Observer

logger = logging.getLogger("dingda.dashboard")

_STATIC = Path(__file__).parent / "static"


def create_app(site: Site) -> Starlette:
    """Build the dashboard.

    Args:
        site: the bot that it shows; its Redis client stays the caller's.
    """
    observer = Observer(site.redis, site.admin, site.queue)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        reading = asyncio.create_task(_keep_reading(observer))
        yield
        reading.cancel()

    async def show_outage(request: Request, error: Exception) -> Response:
        logger.error("Redis (DINGDA_REDIS_URL) cannot be used: %s", class_name(error))
        return site.render(request, "no_redis.html", status=HTTPStatus.SERVICE_UNAVAILABLE)

    async def show_missing(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
        return site.render(request, "not_found.html", status=status)

    app = Starlette(
        routes=[
            *now_page.routes(site, observer),
            *dead_letters_page.routes(site),
            *messages_page.routes(site),
            *sign_in_page.routes(site),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        middleware=[
            *_host_check(site.settings),
            Middleware(Guard, access=site.access, public_url=site.settings.url),
        ],
        lifespan=lifespan,
        exception_handlers={RedisError: show_outage, HTTPException: show_missing},
    )
    app.router.redirect_slashes = False
    return app


def _host_check(settings: DashboardSettings) -> list[Middleware]:
    """On loopback, where one may look without a password, only its own names are answered.

    Elsewhere its names are unknown, and a page that a foreign name leads to holds no session.
    """
    if not settings.is_private:
        return []
    named = filter(None, (settings.host, urlsplit(settings.url).hostname))
    return [Middleware(KnownHosts, hosts={*LOOPBACK_NAMES, *named})]


async def _keep_reading(observer: Observer) -> None:
    """Read now and then, so that a page has something to compare with when it is opened."""
    while True:
        try:
            await observer.read()
        except RedisError as error:
            logger.warning("cannot read Redis: %s", class_name(error))
        await asyncio.sleep(READ_EVERY_S)
