"""The commands for cards: `cards register`."""

import asyncio
import logging

import click

from dingda.shared.dingtalk.card import callback_secret, route_key_of
from dingda.shared.dingtalk.origin import is_loopback
from dingda.shared.dingtalk.robots import Robot
from dingda.shared.runtime.command_line import FAILED, OK, WRONG_USAGE
from dingda.shared.runtime.egress import Egress
from dingda.shared.runtime.logs import configure_logging
from dingda.shared.runtime.settings import Settings, load_settings
from dingda.worker.answering.composition import create_access_token, create_openapi
from dingda.worker.errors import BackendError
from dingda.worker.operations.named_robots import find_one, robot_option
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http
from dingda.worker.services.http_message import parse_url
from dingda.worker.services.memory_cache import MemoryCache

logger = logging.getLogger("dingda.worker")

_NO_ACCOUNT = "robot %s needs an app_key and a secret: DingTalk's OpenAPI is asked in their name"
_TAKEN = frozenset({"callbackRouteKeyExist", "param.callbackRouteKeyExist"})


@click.group
def cards() -> None:
    """Tell DingTalk where presses on cards go."""


@cards.command
@click.option("--url", required=True, help="The gateway's, such as https://bot.example.com/card.")
@click.option("--force", is_flag=True, help="Take the place of another address.")
@robot_option
def register(*, url: str, force: bool, robot_name: str) -> int:
    """Tell DingTalk where presses on this robot's cards go, over HTTP.

    Once for each robot, again after its AppSecret has changed. Robots of Stream mode need none.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    robot = find_one(settings.robots, robot_name)
    if not _is_safe(url):
        logger.error("--url must be https, or on this machine")
        return WRONG_USAGE
    if not (robot.app_key and robot.secrets):
        logger.error(_NO_ACCOUNT, robot.label)
        return WRONG_USAGE
    try:
        asyncio.run(_register(settings, robot, url, force=force))
    except BackendError as error:
        taken = getattr(error, "code", "") in _TAKEN
        advice = "; another address is registered: --force takes its place" if taken else ""
        logger.error("DingTalk does not register it: %s%s", error.reason, advice)
        return FAILED
    click.echo(f"Presses on the cards of {robot.label} go to {url}")
    return OK


def _is_safe(url: str) -> bool:
    try:
        parsed = parse_url(url)
    except ValueError:
        return False
    return parsed.scheme == "https" or is_loopback(parsed.host)


async def _register(settings: Settings, robot: Robot, url: str, *, force: bool) -> None:
    egress = Egress(settings.proxy_url.get_secret_value(), settings.no_proxy)
    async with BackendClient(egress) as client:
        http = Http(client)
        token = create_access_token(settings, robot, http, MemoryCache())
        body = {
            "callbackRouteKey": route_key_of(robot.app_key),
            "callbackUrl": url,
            "apiSecret": callback_secret(robot.secrets[0]),
            "forceUpdate": force,
        }
        openapi = create_openapi(settings, http, token)
        await openapi.call("POST", "/v1.0/card/callbacks/register", body)
