"""`dingda dashboard`: serve the dashboard until told to stop."""

import logging
from contextlib import suppress

import click
import uvicorn

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.preflight import warn_of_misspelt
from dingda.shared.runtime.redis_clients import create_bounded_redis
from dingda.shared.runtime.running_demo import join_demo
from dingda.shared.runtime.server import create_uvicorn_config, listen
from dingda.shared.runtime.settings import load_settings
from dingda.worker.operations.dashboard.access import Access
from dingda.worker.operations.dashboard.app import create_app
from dingda.worker.operations.dashboard.settings import DashboardSettings, load_dashboard_settings
from dingda.worker.operations.dashboard.site import Site

logger = logging.getLogger("dingda.dashboard")

_REDIS_TIMEOUT_S = 5.0


@click.command
@click.option("--host", help="The address to listen on, instead of DINGDA_DASHBOARD_HOST.")
@click.option("--port", type=int, help="The port, instead of DINGDA_DASHBOARD_PORT.")
def dashboard(*, host: str | None, port: int | None) -> None:
    """Show in a browser what the bot does, dead letters, one message.

    It listens on this machine alone, and refuses to listen elsewhere without a password. To retry,
    discard or pause always takes one: DINGDA_DASHBOARD_ACT_PASSWORD.
    """
    join_demo("DINGDA_REDIS_URL")
    bot = load_settings()
    settings = load_dashboard_settings(host=host, port=port)
    configure_logging(bot.log_level, bot.log_format)
    warn_of_misspelt(DashboardSettings)
    redis = create_bounded_redis(bot.redis_address, timeout_s=_REDIS_TIMEOUT_S)
    queue = JobQueue.create(
        bot.queue, skill_timeout_s=bot.skill_timeout, result_ttl_s=bot.result_ttl
    )
    site = Site(redis, LedgerAdmin(redis, queue), queue, settings, Access(settings))
    listener = listen(
        settings.host, settings.port, chosen_with="DINGDA_DASHBOARD_PORT or DINGDA_DASHBOARD_HOST"
    )
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    logger.info("the dashboard is at %s", settings.url or f"http://{address}:{settings.port}/")
    if not site.access.can_act:
        logger.info("nobody may act: DINGDA_DASHBOARD_ACT_PASSWORD is not set")
    # uvicorn raises it again once it has shut down on Ctrl-C.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(create_uvicorn_config(create_app(site))).run(sockets=[listener])
