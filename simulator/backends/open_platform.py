"""The simulated application's whole OpenAPI: people, sends, cards, files."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.routing import Route

from dingda.shared.dingtalk.robots import Robot
from dingda.simulator.backends.card_api import CardAPI
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI
from dingda.simulator.backends.media_api import MediaAPI
from dingda.simulator.backends.openapi_access import hang_on
from dingda.simulator.backends.organisation import SimulatedOrganisation, create_openapi
from dingda.simulator.backends.robot_sends import RobotSends
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.card_requests import Target
from dingda.simulator.dingtalk.card_templates import Templates
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.media import MediaStore
from dingda.simulator.dingtalk.openapi_usage import OpenAPIUsage
from dingda.simulator.dingtalk.simulation import Simulation


@dataclass(frozen=True, slots=True)
class OpenPlatform:
    """What an application can call, and what it has made with it."""

    organisation: SimulatedOrganisation
    openapi: FakeOpenAPI
    cards: Cards
    card_api: CardAPI
    robot_sends: RobotSends
    media: MediaStore
    media_api: MediaAPI

    def routes(self) -> list[Route]:
        """The routes of api.dingtalk.com and oapi.dingtalk.com, which share no path."""
        return [
            *self.openapi.routes(),
            *self.robot_sends.routes(),
            *self.card_api.routes(),
            *self.media_api.routes(),
        ]


def create_platform(
    dingtalk: Simulation,
    changes: ChangeNotifier,
    robot: Robot,
    *,
    now_ms: Callable[[], int],
    qps: int | None = None,
    monthly_calls: int | None = None,
    hang: Callable[[], Awaitable[None]] = hang_on,
) -> OpenPlatform:
    """Build the OpenAPI of the robots' applications.

    Args:
        dingtalk: shows what is sent.
        changes: announces it.
        robot: the first, with its secret.
        now_ms: the clock of the cards, in ms since 1970.
        qps: how many calls one API takes in a second; None for any number.
        monthly_calls: how many calls there are in a month; None for any number.
        hang: how a call hangs; a server ends it when it stops.
    """
    organisation = SimulatedOrganisation(dingtalk.records)
    openapi = create_openapi(organisation, dingtalk, changes, robot)
    for other in dingtalk.robots:
        if other.app_key and other.app_key != robot.app_key:
            openapi.admit(other.app_key, other.secrets[0])
            openapi.robot_codes.add(other.code)
    openapi.usage = OpenAPIUsage(qps=qps, monthly_calls=monthly_calls, now_s=time.monotonic)
    openapi.hang = hang

    def show(card: Card, target: Target) -> str:
        robot_name = dingtalk.name_of_robot(target.robot_code)
        if target.kind == "IM_GROUP":
            group = dingtalk.group_of(target.id)
            if group is None:
                return ""
            return dingtalk.bot_sends.card_to_group(card.out_track_id, group, robot_name)
        person = openapi.person(target.id)
        if person is None:
            return ""
        return dingtalk.bot_sends.card_to_person(person.name, card.out_track_id, robot_name)

    media = MediaStore(dingtalk.records, now_ms=now_ms)
    cards = Cards(Templates(), show=show, now_ms=now_ms)
    return OpenPlatform(
        organisation,
        openapi,
        cards,
        CardAPI(openapi, cards, changes),
        RobotSends(openapi, dingtalk, changes),
        media,
        MediaAPI(openapi, media, dingtalk.public_url),
    )
