"""Different people see a card and press its buttons; only the presser sees what the bot answers."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.shared.dingtalk.robots import Robot
from dingda.simulator.backends.open_platform import OpenPlatform, create_platform
from dingda.simulator.dingtalk.callback import GROUP_ID, staff_id_of
from dingda.simulator.dingtalk.card import CardState, Press, Toast
from dingda.simulator.dingtalk.card_requests import read_creation, read_targets, read_update
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_frames import CARD_TOPIC
from dingda.simulator.dingtalk.stream_pushes import StreamPushes
from dingda.simulator.http.card_presses import PATIENCE_S, CardPresses
from dingda.simulator.http.events import Events, Feed
from tests.support.open_platform_caller import BY_KEY, a_button, a_card, an_answer
from tests.support.simulator_harness import NOW_MS, ROBOTS, SECRET, SIMULATOR_URL, Clock
from tests.support.stream_harness import CLIENT_ID, Frame, StreamClient, a_stream
from tests.support.virtual_time import virtual_time

MANAGER, OTHER = staff_id_of("王五"), staff_id_of("李四")
APPROVED = {
    "cardUpdateOptions": BY_KEY,
    "cardData": {"cardParamMap": {"text": "已同意"}},
    "userPrivateData": {"cardParamMap": {"note": "您"}},
}
API_SECRET = "of the callbacks"


class Answering(StreamClient):
    """A Stream client that answers presses; None acknowledges nothing."""

    response: dict[str, Any] | None = APPROVED

    def send(self, text: str) -> None:
        frame: Frame = json.loads(text)
        self.frames.append(frame)
        if self.response is not None:
            data = json.dumps({"response": self.response})
            asyncio.get_running_loop().call_soon(lambda: self.acknowledge(frame, data=data))


class CardBot:
    """Takes presses over HTTP."""

    def __init__(self, response: Response | None = None, *, after_s: float = 0) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self._response = response or JSONResponse(APPROVED)
        self._after_s = after_s
        self.app = Starlette(routes=[Route("/card", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        self.requests.append((dict(request.headers), await request.json()))
        await asyncio.sleep(self._after_s)
        return self._response


def a_platform() -> OpenPlatform:
    dingtalk = Simulation(robots=ROBOTS, public_url=SIMULATOR_URL, now_ms=Clock())
    robot = Robot("", secrets=(SECRET,))
    return create_platform(dingtalk, ChangeNotifier(), robot, now_ms=Clock())


def show(platform: OpenPlatform, body: dict[str, Any]) -> None:
    platform.cards.create(read_creation(body))
    for target in read_targets(body):
        platform.cards.deliver(body["outTrackId"], target)


def presses_of(platform: OpenPlatform, bot: CardBot | None, stream: Stream) -> CardPresses:
    changes, now_ms = ChangeNotifier(), Clock()
    return CardPresses(
        platform.cards,
        platform.card_api.callback_routes,
        StreamPushes(stream, client_id=CLIENT_ID, now_ms=now_ms, announce=changes.announce),
        changes,
        now_ms=now_ms,
        transport=httpx.ASGITransport(bot.app) if bot else None,
    )


async def press_over_http(bot: CardBot, *, api_secret: str = API_SECRET) -> Press:
    platform = a_platform()
    show(platform, a_card(callbackType="HTTP", callbackRouteKey="dingda"))
    await register(platform, api_secret)
    card = platform.cards.find("card-1")
    assert card is not None
    return await presses_of(platform, bot, a_stream()).press(card, MANAGER, "approve", {"day": "5"})


async def register(platform: OpenPlatform, api_secret: str) -> None:
    transport = httpx.ASGITransport(Starlette(routes=platform.routes()))
    app = {"appKey": "dingsimulated", "appSecret": SECRET}
    route = {
        "callbackRouteKey": "dingda",
        "callbackUrl": "http://gateway.test/card",
        "apiSecret": api_secret,
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://openapi") as http:
        token = (await http.post("/v1.0/oauth2/accessToken", json=app)).json()["accessToken"]
        await http.post(
            "/v1.0/card/callbacks/register",
            json=route,
            headers={"x-acs-dingtalk-access-token": token},
        )


async def test_a_press_over_http_is_signed_and_names_presser_card_and_button() -> None:
    bot = CardBot()
    press = await press_over_http(bot)
    ((headers, callback),) = bot.requests
    digest = hmac.digest(API_SECRET.encode(), str(NOW_MS).encode(), hashlib.sha256)
    assert headers["x-ddpaas-signature-timestamp"] == str(NOW_MS)
    assert headers["x-ddpaas-signature"] == base64.b64encode(digest).decode()
    content = json.loads(callback.pop("content"))
    assert callback == {
        "type": "actionCallback",
        "outTrackId": "card-1",
        "corpId": "dingsimulatedcorp",
        "userId": MANAGER,
    }
    assert content == {"cardPrivateData": {"actionIds": ["approve"], "params": {"day": "5"}}}
    assert (press.status, press.response, press.toast) == (200, APPROVED, Toast.SUCCEEDED)


async def test_a_press_is_not_signed_where_no_secret_was_registered() -> None:
    bot = CardBot()
    await press_over_http(bot, api_secret="")
    assert "x-ddpaas-signature" not in bot.requests[0][0]


@pytest.mark.parametrize(
    "response",
    [
        JSONResponse({}),
        Response(b""),
        Response(b"no JSON"),
        JSONResponse(APPROVED, 500),
    ],
)
async def test_an_answer_that_is_none_shows_a_failure(response: Response) -> None:
    press = await press_over_http(CardBot(response))
    assert press.toast is Toast.FAILED


@virtual_time
async def test_a_client_waits_for_two_seconds_and_no_longer() -> None:
    began_s = asyncio.get_running_loop().time()
    press = await press_over_http(CardBot(after_s=60))
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(PATIENCE_S)
    assert (press.status, press.toast) == (None, Toast.FAILED)


@virtual_time
async def test_a_stream_client_that_is_late_is_waited_for_as_long() -> None:
    platform, stream = a_platform(), a_stream()
    silent = Answering.connected(stream)
    silent.response = None
    show(platform, a_card())
    card = platform.cards.find("card-1")
    assert card is not None
    presses = presses_of(platform, None, stream)
    began_s = asyncio.get_running_loop().time()
    press = await presses.press(card, MANAGER, "approve", {})
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(PATIENCE_S)
    assert press.toast is Toast.FAILED
    await stream.close()


async def press(http: httpx.AsyncClient, staff_id: str = MANAGER, **fields: Any) -> Any:
    body = {"staff_id": staff_id, "action_id": "approve", **fields}
    return (await http.post("/api/cards/card-1/press", json=body)).json()


async def test_a_press_over_stream_is_answered_in_the_ack(
    http: httpx.AsyncClient, platform: OpenPlatform, stream: Stream
) -> None:
    client = Answering.connected(stream)
    show(platform, a_card())
    pressed = await press(http)
    (frame,) = client.pushes
    callback = json.loads(frame["data"])
    assert frame["headers"]["topic"] == CARD_TOPIC
    assert (callback["spaceId"], callback["spaceType"]) == (GROUP_ID, "IM_GROUP")
    assert json.loads(callback["content"])["cardPrivateData"]["params"] == {"day": "5"}
    assert (pressed["status"], pressed["response"], pressed["toast"]) == (
        200,
        APPROVED,
        "succeeded",
    )


async def test_only_the_presser_sees_what_the_bot_answers(
    http: httpx.AsyncClient, platform: OpenPlatform, stream: Stream
) -> None:
    Answering.connected(stream)
    show(platform, a_card())
    await press(http)
    card = (await http.get("/api/cards/card-1")).json()
    assert card["views"][MANAGER]["text"] == "已同意"
    assert card["views"][MANAGER]["others"] == {"note": "您"}
    assert card["views"][""]["text"] == "周五"
    assert [each["staff_id"] for each in card["presses"]] == [MANAGER]


async def test_what_is_updated_for_everybody_reaches_the_presser_too(
    http: httpx.AsyncClient, platform: OpenPlatform, stream: Stream
) -> None:
    Answering.connected(stream)
    show(platform, a_card())
    await press(http)
    everybody = {"cardData": {"cardParamMap": {"text": "王五 同意了"}}, "cardUpdateOptions": BY_KEY}
    card = platform.cards.update("card-1", read_update(everybody))
    assert {card.seen_by(MANAGER).text, card.seen_by(OTHER).text} == {"王五 同意了"}


async def test_each_person_presses_the_buttons_that_they_see(
    http: httpx.AsyncClient, platform: OpenPlatform, stream: Stream
) -> None:
    client = Answering.connected(stream)
    own = {"cardParamMap": {"buttons": json.dumps([a_button("withdraw", "撤回")])}}
    show(platform, a_card(privateData={OTHER: own}))
    refused = await press(http, OTHER)
    assert (refused["error"], client.pushes) == ("no_button", [])
    await press(http, OTHER, action_id="withdraw")
    assert json.loads(client.pushes[0]["data"])["userId"] == OTHER


async def test_a_button_that_is_switched_off_cannot_be_pressed(
    http: httpx.AsyncClient, platform: OpenPlatform
) -> None:
    off = json.dumps([a_button("approve") | {"status": "disabled"}])
    show(platform, a_card(cardData={"cardParamMap": {"buttons": off}}))
    assert (await press(http))["error"] == "no_button"


async def test_a_press_may_be_forged(
    http: httpx.AsyncClient, platform: OpenPlatform, stream: Stream
) -> None:
    client = Answering.connected(stream)
    show(platform, a_card())
    await press(http, action_id="nothing", params={"day": "6"})
    content = json.loads(json.loads(client.pushes[0]["data"])["content"])
    assert content["cardPrivateData"] == {"actionIds": ["nothing"], "params": {"day": "6"}}


@pytest.mark.parametrize(
    "fields",
    [
        {"callbackType": "HTTP", "callbackRouteKey": "nobody's"},
        {"callbackType": "STREAM"},
        {"callbackType": ""},
    ],
)
async def test_a_press_that_goes_nowhere_says_why(
    http: httpx.AsyncClient, platform: OpenPlatform, fields: dict[str, str]
) -> None:
    show(platform, a_card(**fields))
    pressed = await press(http)
    assert pressed["toast"] == "failed"
    assert pressed["problem"]


async def test_an_unknown_card_is_404(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/cards/card-1")).status_code == 404
    assert (await press(http))["error"] == "unknown_card"


async def test_an_id_may_hold_a_slash(http: httpx.AsyncClient, platform: OpenPlatform) -> None:
    show(platform, an_answer("a/b"))
    assert (await http.get("/api/cards/a%2Fb")).json()["state"] == CardState.PROCESSING
    assert [card["out_track_id"] for card in (await http.get("/api/cards")).json()] == ["a/b"]


async def test_events_tell_of_each_card_that_has_changed(
    platform: OpenPlatform, dingtalk: Simulation
) -> None:
    show(platform, a_card("card-1"))
    show(platform, a_card("card-2"))
    events = Events(dingtalk.records, Feed(logs={"card": platform.cards}), ChangeNotifier())
    response = await events.follow(Request({"type": "http", "headers": []}))
    body = response.body_iterator  # type: ignore[attr-defined]  # it streams

    async def next_card() -> Any:
        while not (event := (await anext(body)).decode()).startswith("event: card\n"):
            pass
        return json.loads(event.partition("data: ")[2])

    assert [(await next_card())["out_track_id"] for _ in range(2)] == ["card-1", "card-2"]
    update = {"cardData": {"cardParamMap": {"text": "周六"}}, "cardUpdateOptions": BY_KEY}
    platform.cards.update("card-2", read_update(update))
    card = await next_card()
    assert (card["out_track_id"], card["views"][""]["text"]) == ("card-2", "周六")
