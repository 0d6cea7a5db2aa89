"""The simulator's Stream mode over real sockets, spoken to with a plain WebSocket client."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.stream_faults import NO_STREAM_FAULTS, StreamFaults
from dingda.simulator.dingtalk.stream_frames import ROBOT_TOPIC
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.stream_simulator import StreamSimulator, a_stream_simulator

PATIENT = {
    "DINGDA_SIMULATOR_STREAM_PING_S": "60",
    "DINGDA_SIMULATOR_STREAM_ACK_S": "20",
    "DINGDA_SIMULATOR_STREAM_CUT_S": "0.3",
}
"""However busy the machine is, no ping and no ack is late."""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamSimulator]:
    with a_stream_simulator(tmp_path_factory.mktemp("simulator"), PATIENT) as simulator:
        yield simulator


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def dingtalk(simulator: StreamSimulator) -> AsyncIterator[SimulatorClient]:
    async with SimulatorClient(simulator.url) as client:
        yield client
        await client.set_stream_faults(NO_STREAM_FAULTS)
        await client.cut_streams()


async def address(session: aiohttp.ClientSession, simulator: StreamSimulator) -> str:
    """Where to connect, with a ticket."""
    request = {
        "clientId": simulator.client_id,
        "clientSecret": simulator.client_secret,
        "subscriptions": [{"type": "CALLBACK", "topic": ROBOT_TOPIC}],
    }
    async with session.post(
        f"{simulator.openapi_url}/v1.0/gateway/connections/open",
        json=request,
        headers={"accept": "application/json"},
    ) as response:
        opened = await response.json()
    return f"{opened['endpoint']}?ticket={opened['ticket']}"


@asynccontextmanager
async def connected(
    session: aiohttp.ClientSession, simulator: StreamSimulator
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with session.ws_connect(await address(session, simulator)) as websocket:
        yield websocket


async def next_frame(websocket: aiohttp.ClientWebSocketResponse, *, of: str) -> dict[str, Any]:
    """The next frame, which is of this topic."""
    async with asyncio.timeout(20):
        frame: dict[str, Any] = json.loads(await websocket.receive_str())
    assert frame["headers"]["topic"] == of
    return frame


async def acknowledge(websocket: aiohttp.ClientWebSocketResponse, frame: dict[str, Any]) -> None:
    headers = {"messageId": frame["headers"]["messageId"], "contentType": "application/json"}
    ack = {"code": 200, "message": "OK", "headers": headers, "data": frame["data"]}
    await websocket.send_str(json.dumps(ack))


async def end_of(websocket: aiohttp.ClientWebSocketResponse) -> aiohttp.WSMessage:
    async with asyncio.timeout(20):
        while (message := await websocket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    return message


async def test_a_message_is_pushed_and_its_record_shows_the_ack(
    session: aiohttp.ClientSession, simulator: StreamSimulator, dingtalk: SimulatorClient
) -> None:
    async with connected(session, simulator) as websocket:
        sending = asyncio.create_task(dingtalk.send(UserMessage("天气 北京")))
        frame = await next_frame(websocket, of=ROBOT_TOPIC)
        await acknowledge(websocket, frame)
        record = await sending
    assert json.loads(frame["data"]) == record.callback
    assert record.ack is not None
    assert record.ack.status == 200
    assert json.loads(record.ack.body)["headers"]["messageId"] == frame["headers"]["messageId"]


async def test_without_a_connection_it_says_what_to_start(dingtalk: SimulatorClient) -> None:
    with pytest.raises(RequestRejectedError, match="Start one with `dingda stream`"):
        await dingtalk.send(UserMessage("天气 北京"))


async def test_what_an_ack_holds_is_no_reply(
    session: aiohttp.ClientSession, simulator: StreamSimulator, dingtalk: SimulatorClient
) -> None:
    async with connected(session, simulator) as websocket:
        sending = asyncio.create_task(dingtalk.send(UserMessage("天气 北京")))
        frame = await next_frame(websocket, of=ROBOT_TOPIC)
        answer = json.dumps({"msgtype": "text", "text": {"content": "晴"}})
        await acknowledge(websocket, frame | {"data": answer})
        assert (await sending).shown == ()


async def test_a_ticket_that_is_used_or_unknown_is_refused(
    session: aiohttp.ClientSession, simulator: StreamSimulator, dingtalk: SimulatorClient
) -> None:
    del dingtalk
    used = await address(session, simulator)
    async with session.ws_connect(used):
        for url in (used, used[:-1], used.partition("?")[0]):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url)
            assert refused.value.status == 403


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"host": "evil.example"}]
)
async def test_a_page_elsewhere_cannot_connect(
    session: aiohttp.ClientSession, simulator: StreamSimulator, headers: dict[str, str]
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(await address(session, simulator), headers=headers)
    assert refused.value.status == 403


async def test_a_connection_that_answers_no_ping_is_cut(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    settings = PATIENT | {"DINGDA_SIMULATOR_STREAM_PING_S": "0.2"}
    with a_stream_simulator(tmp_path, settings) as simulator:
        async with connected(session, simulator) as websocket:
            await next_frame(websocket, of="ping")
            assert (await end_of(websocket)).type is aiohttp.WSMsgType.CLOSED
        async with SimulatorClient(simulator.url) as dingtalk:
            assert (await dingtalk.stream_state()).unanswered_pings == 1


async def test_it_answers_websocket_pings_whatever_else_is_wrong(
    session: aiohttp.ClientSession, simulator: StreamSimulator, dingtalk: SimulatorClient
) -> None:
    url = await address(session, simulator)
    async with session.ws_connect(url, autoping=False) as websocket, asyncio.timeout(20):
        await dingtalk.set_stream_faults(StreamFaults(zombie=True))
        await websocket.ping(b"alive?")
        while (message := await websocket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"alive?")


async def test_a_disconnect_says_why_and_the_connection_is_cut_a_while_later(
    session: aiohttp.ClientSession, simulator: StreamSimulator, dingtalk: SimulatorClient
) -> None:
    async with connected(session, simulator) as websocket:
        await dingtalk.disconnect_streams("persistent connection is timeout")
        frame = await next_frame(websocket, of="disconnect")
        assert json.loads(frame["data"]) == {"reason": "persistent connection is timeout"}
        # No WebSocket close frame comes first.
        assert (await end_of(websocket)).type is aiohttp.WSMsgType.CLOSED
        assert websocket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE


async def test_bytes_and_other_texts_are_no_acks(
    session: aiohttp.ClientSession, simulator: StreamSimulator, dingtalk: SimulatorClient
) -> None:
    before = (await dingtalk.stream_state()).invalid
    async with connected(session, simulator) as websocket:
        await websocket.send_bytes(b"{}")
        await websocket.send_str("hello")
        async with asyncio.timeout(20):
            while (await dingtalk.stream_state()).invalid < before + 2:
                pass


async def test_two_robots_have_connections_of_their_own(
    session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    robots = [
        {"code": code, "app_key": code, "secret": f"of-{code}", "mode": "stream"}
        for code in ("a1", "b1")
    ]
    settings = {
        "DINGDA_ROBOTS": json.dumps(robots),
        "DINGDA_APP_SECRET": "",
        "DINGDA_APP_KEY": "",
    }
    with a_stream_simulator(tmp_path, PATIENT | settings) as simulator:
        a, b = (
            replace(simulator, client_id=robot["code"], client_secret=robot["secret"])
            for robot in robots
        )
        async with (
            connected(session, a) as of_a,
            connected(session, b) as of_b,
            SimulatorClient(simulator.url) as dingtalk,
        ):
            sending = asyncio.create_task(dingtalk.send(UserMessage("第一个")))
            frame = await next_frame(of_a, of=ROBOT_TOPIC)
            await acknowledge(of_a, frame)
            assert json.loads(frame["data"])["robotCode"] == "a1"
            record = await sending
            raw = dict(record.callback, robotCode="b1")
            sending = asyncio.create_task(dingtalk.send_callback(raw))
            frame = await next_frame(of_b, of=ROBOT_TOPIC)
            await acknowledge(of_b, frame)
            await sending
