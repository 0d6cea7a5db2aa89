"""DingTalk's cards for tests in one process: the simulator's, behind its HTTP routes."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
from redis.asyncio import Redis
from starlette.applications import Starlette

from dingda.shared.ledger.streams import StreamRecords
from dingda.shared.queue import JobQueue
from dingda.simulator.backends.card_api import CardAPI
from dingda.simulator.backends.dingtalk_openapi import FakeOpenAPI
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.card_requests import Target
from dingda.simulator.dingtalk.card_templates import ANSWER_TEMPLATE, Templates
from dingda.simulator.dingtalk.cards import Cards
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault, OpenAPIFaults
from dingda.worker.answering.answer_cards import AnswerCards
from dingda.worker.answering.growing_card import GrowingCards
from dingda.worker.delivery.card_api import CardApi
from dingda.worker.services.call_rate import CallRate
from tests.support.openapi_clients import openapi_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CREATE, UPDATE, FRAME = (
    "/v1.0/card/instances/createAndDeliver",
    "/v1.0/card/instances",
    "/v1.0/card/streaming",
)
NAMES = {CREATE: "create", UPDATE: "update", FRAME: "frame"}
KEY = "content"


class Call(NamedTuple):
    """A call that DingTalk has heard."""

    name: str
    text: str
    is_last: bool


class FakeCards:
    """An application's cards, and the calls that were made."""

    def __init__(self) -> None:
        self.openapi = FakeOpenAPI((), app_key="key", app_secret="secret", robot_code="robot")
        self.targets: list[Target] = []
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        """What to await before a call is heard, by its name."""
        self.calls: list[Call] = []
        self._cards = Cards(Templates(), show=self._show, now_ms=lambda: 0)
        api = CardAPI(self.openapi, self._cards, ChangeNotifier())
        app = Starlette(routes=[*self.openapi.routes(), *api.routes()])
        self._asgi = httpx.ASGITransport(app)
        self.transport = httpx.MockTransport(self._hear)

    @property
    def card(self) -> Card:
        """The only card."""
        (card,) = self._cards.since(0)
        return card

    @property
    def cards(self) -> list[Card]:
        return self._cards.since(0)

    @property
    def shown(self) -> str:
        """What the only card shows."""
        return self.card.data.get(KEY, "")

    @property
    def texts(self) -> list[str]:
        """What it has shown, one after the other, until its end."""
        return [call.text for call in self.calls if not call.is_last]

    def fail(self, fault: OpenAPIFault | None, *names: str, count: int | None = None) -> None:
        """Let the calls of these names fail, or none any more; with an update a creation fails."""
        paths = tuple(path for path, name in NAMES.items() if name in names)
        self.openapi.injected = OpenAPIFaults(fault, paths, count)

    def growing(
        self,
        client: httpx.AsyncClient,
        redis: Redis,
        queue: JobQueue,
        *,
        key: str = KEY,
        template_id: str = ANSWER_TEMPLATE,
    ) -> GrowingCards:
        """What a worker writes to them with, through a client of `transport`."""
        cards = AnswerCards(
            CardApi(openapi_of(client), robot_code="robot"),
            # Redis's clock does not know of virtual time.
            CallRate(redis, "dingda:calls:key", per_s=1_000, at_once=1_000),
            template_id,
            key,
        )
        return GrowingCards(cards, StreamRecords(redis, queue, look_ms=0))

    def _show(self, _: Card, target: Target) -> str:
        self.targets.append(target)
        return "1"

    async def _hear(self, request: httpx.Request) -> httpx.Response:
        name = NAMES.get(request.url.path)
        if name and (before := self.before.get(name)):
            await before()
        if name:
            self.calls.append(_call(name, json.loads(request.content)))
        heard = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.content
        )
        try:
            response = await self._asgi.handle_async_request(heard)
        except AssertionError:  # the connection closes in the middle of the response
            raise httpx.ReadError("closed", request=request) from None
        return httpx.Response(response.status_code, content=await response.aread())


def _call(name: str, fields: dict[str, Any]) -> Call:
    if name == "frame":
        return Call(name, fields["content"], fields["isFinalize"])
    params = fields["cardData"]["cardParamMap"]
    return Call(name, params[KEY], params["flowStatus"] == "3")
