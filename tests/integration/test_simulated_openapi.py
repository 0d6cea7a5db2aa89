"""The simulated OpenAPI over real sockets, in a process of its own, as a bot and users see it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest
from aiohttp import web

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import CardState, Toast
from dingda.simulator.dingtalk.openapi_faults import (
    NO_OPENAPI_FAULTS,
    OpenAPIFault,
    OpenAPIFaults,
)
from dingda.simulator.dingtalk.stream_frames import CARD_TOPIC
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import StreamSimulator, a_stream_simulator
from tests.support.open_platform_caller import (
    BY_KEY,
    CREATE,
    DOWNLOAD,
    GROUP_SEND,
    REGISTER,
    STREAMING,
    PlatformCaller,
    a_card,
    a_frame,
    a_group_text,
    an_answer,
)

MANAGER = staff_id_of("王五")
ANSWER = {
    "cardUpdateOptions": BY_KEY,
    "cardData": {"cardParamMap": {"text": "已同意"}},
}


@pytest.fixture
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamSimulator]:
    patient = {"DINGDA_SIMULATOR_STREAM_PING_S": "60"}
    with a_stream_simulator(tmp_path_factory.mktemp("simulator"), patient) as simulator:
        yield simulator


@pytest.fixture
async def dingtalk(simulator: StreamSimulator) -> AsyncIterator[SimulatorClient]:
    async with SimulatorClient(simulator.url) as client:
        yield client


@pytest.fixture
async def bot(simulator: StreamSimulator) -> AsyncIterator[PlatformCaller]:
    async with httpx.AsyncClient(base_url=simulator.url, trust_env=False) as http:
        yield PlatformCaller(http, secret=simulator.client_secret)


@asynccontextmanager
async def a_callback_server() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A gateway that answers presses: its URL, and what it gets."""
    taken: list[dict[str, Any]] = []

    async def take(request: web.Request) -> web.Response:
        taken.append({"headers": dict(request.headers), **await request.json()})
        return web.json_response(ANSWER)

    app = web.Application()
    app.add_routes([web.post("/card", take)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/card", taken
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_stream_client(simulator: StreamSimulator) -> AsyncIterator[list[dict[str, Any]]]:
    """A connection that answers presses in its acks: what it gets."""
    taken: list[dict[str, Any]] = []

    async def answer(websocket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in websocket:
            frame = message.json()
            taken.append(frame)
            headers = {"messageId": frame["headers"]["messageId"]}
            data = json.dumps({"response": ANSWER})
            await websocket.send_json({"code": 200, "headers": headers, "data": data})

    opening = {
        "clientId": simulator.client_id,
        "clientSecret": simulator.client_secret,
        "subscriptions": [{"type": "CALLBACK", "topic": CARD_TOPIC}],
    }
    path = "/v1.0/gateway/connections/open"
    async with aiohttp.ClientSession(headers={"accept": "application/json"}) as session:
        async with session.post(f"{simulator.openapi_url}{path}", json=opening) as response:
            opened = await response.json()
        async with session.ws_connect(f"{opened['endpoint']}?ticket={opened['ticket']}") as socket:
            answering = asyncio.create_task(answer(socket))
            yield taken
        await answering


async def press(dingtalk: SimulatorClient) -> Any:
    return await dingtalk.press("card-1", staff_id=MANAGER, action_id="approve")


async def test_a_press_goes_to_the_registered_url_and_its_answer_to_the_pressers_view(
    bot: PlatformCaller, dingtalk: SimulatorClient
) -> None:
    async with a_callback_server() as (url, taken):
        route = {"callbackRouteKey": "dingda", "callbackUrl": url, "apiSecret": "s"}
        await bot.post(REGISTER, route)
        await bot.post(CREATE, a_card(callbackType="HTTP", callbackRouteKey="dingda"))
        pressed = await press(dingtalk)
    assert (taken[0]["userId"], taken[0]["outTrackId"]) == (MANAGER, "card-1")
    assert "x-ddpaas-signature" in taken[0]["headers"]
    card = await dingtalk.card("card-1")
    assert (pressed.toast, card.presses) == (Toast.SUCCEEDED, (pressed,))
    assert (card.seen_by(MANAGER).text, card.seen_by("another").text) == ("已同意", "周五")


async def test_a_press_goes_through_a_stream_connection_likewise(
    bot: PlatformCaller, dingtalk: SimulatorClient, simulator: StreamSimulator
) -> None:
    async with a_stream_client(simulator) as taken:
        await bot.post(CREATE, a_card())
        pressed = await press(dingtalk)
    assert [frame["headers"]["topic"] for frame in taken] == [CARD_TOPIC]
    assert pressed.toast is Toast.SUCCEEDED
    assert (await dingtalk.card("card-1")).seen_by(MANAGER).text == "已同意"


async def test_a_press_whose_gateway_is_away_fails_for_the_presser(
    bot: PlatformCaller, dingtalk: SimulatorClient
) -> None:
    async with a_callback_server() as (url, _):
        await bot.post(REGISTER, {"callbackRouteKey": "dingda", "callbackUrl": url})
        await bot.post(CREATE, a_card(callbackType="HTTP", callbackRouteKey="dingda"))
    pressed = await press(dingtalk)
    assert (pressed.toast, pressed.status) == (Toast.FAILED, None)


async def test_a_card_is_created_though_the_answer_is_lost(
    bot: PlatformCaller, dingtalk: SimulatorClient
) -> None:
    await dingtalk.set_openapi_faults(OpenAPIFaults(OpenAPIFault.LOST, count=1))
    with pytest.raises(httpx.RemoteProtocolError):
        await bot.post(CREATE, an_answer())
    await bot.post(CREATE, an_answer())
    (card,) = await dingtalk.cards()
    assert [space.times for space in card.spaces] == [2]
    assert [record.card for record in await dingtalk.records()] == ["card-1"]


async def test_a_call_that_hangs_is_carried_out(
    bot: PlatformCaller, dingtalk: SimulatorClient
) -> None:
    await bot.token()
    await dingtalk.set_openapi_faults(OpenAPIFaults(OpenAPIFault.HANG))
    calling = asyncio.create_task(bot.post(CREATE, an_answer()))
    async with asyncio.timeout(20):
        record = await anext(dingtalk.follow())
    assert record.card == "card-1"
    assert not calling.done()
    calling.cancel()
    await dingtalk.set_openapi_faults(NO_OPENAPI_FAULTS)


async def test_files_come_and_go_byte_for_byte(
    bot: PlatformCaller, dingtalk: SimulatorClient, simulator: StreamSimulator
) -> None:
    content = b"\x89PNG\r\n\x1a\n--\r\n" + bytes(range(256)) * 4096
    message = UserMessage("", kind="picture", file=await dingtalk.give_file("a.png", content))
    with pytest.raises(RequestRejectedError, match="No Stream connection"):
        await dingtalk.send(message)
    (record,) = await dingtalk.records()
    asked = {
        "downloadCode": record.callback["content"]["downloadCode"],
        "robotCode": simulator.client_id,
    }
    url = (await bot.post(DOWNLOAD, asked))["downloadUrl"]
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(url)).content == content
        uploaded = await http.post(
            f"{simulator.openapi_url}/media/upload",
            params={"access_token": await bot.token(), "type": "image"},
            files={"media": ("plot.png", content, "image/png")},
        )
    assert await dingtalk.media(uploaded.json()["media_id"]) == content


async def test_the_test_kit_shows_pushes_and_cards_as_they_change(
    bot: PlatformCaller, simulator: StreamSimulator
) -> None:
    with SimulatedDingTalk.at(simulator.url) as dingtalk:
        await bot.post(GROUP_SEND, a_group_text("早上好"))
        (push,) = dingtalk.pushed
        assert push.shown[0].payload == {"msgtype": "text", "text": {"content": "早上好"}}
        await bot.post(CREATE, an_answer())
        await bot.put(STREAMING, a_frame("# 一", isFinalize=True))
        card = dingtalk.wait_until(lambda: dingtalk.cards)[0]
        assert (card.state, card.seen_by(MANAGER).text) == (CardState.FINISHED, "# 一")
        assert dingtalk.card("card-1") == card
        assert dingtalk.openapi.by_api == {GROUP_SEND: 1, CREATE: 1, STREAMING: 1}
        with dingtalk.openapi_faults(OpenAPIFault.QPS, apis=("/v1.0/card/",)):
            refused = await bot.put(STREAMING, a_frame("二", "2"))
        assert refused["code"] == "Forbidden.AccessDenied.QpsLimitForApi"
        assert (await bot.put(STREAMING, a_frame("二", "2")))["success"] is True


async def test_waiting_for_what_never_comes_ends(simulator: StreamSimulator) -> None:
    with (
        SimulatedDingTalk.at(simulator.url) as dingtalk,
        pytest.raises(TimeoutError, match="not within"),
    ):
        dingtalk.wait_until(lambda: dingtalk.cards, wait_s=0)
