from collections.abc import Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError, SimulatorUnreachableError
from tests.support.simulator_harness import Bot

OpenClient = Callable[[], SimulatorClient]


def a_stranger(answer: Response) -> SimulatorClient:
    async def respond(_: Request) -> Response:
        return answer

    app = Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST"])])
    return SimulatorClient("http://stranger.test", transport=httpx.ASGITransport(app))


async def test_it_sends_a_message_and_reads_the_record(open_client: OpenClient, bot: Bot) -> None:
    async with open_client() as client:
        record = await client.send(UserMessage("你好", sender="李四", single=True))
    assert record.callback == bot.callbacks[0]
    assert record.callback["senderNick"] == "李四"
    assert record.acknowledged


async def test_it_waits_for_the_reply(open_client: OpenClient, bot: Bot) -> None:
    bot.replies = [{"msgtype": "text", "text": {"content": "你好"}}]
    async with open_client() as client:
        record = await client.send(UserMessage("你好"))
        record = await client.record(record.msg_id, wait_s=5)
    assert [reply.payload for reply in record.shown] == bot.replies


async def test_it_raises_the_servers_error(open_client: OpenClient) -> None:
    async with open_client() as client:
        with pytest.raises(RequestRejectedError, match="No message has this msgId"):
            await client.record("msgAAAA==")


async def test_a_server_that_does_not_run_is_named_with_what_to_do(unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    async with SimulatorClient(url) as client:
        with pytest.raises(SimulatorUnreachableError) as raised:
            await client.send(UserMessage("你好"))
    assert str(raised.value) == (
        f"Nothing answers at {url}. Start it with `dingda demo`, or name another with "
        "DINGDA_SIMULATOR_URL."
    )


@pytest.mark.parametrize(
    "answer",
    [
        PlainTextResponse("hello"),
        JSONResponse({"detail": 5}),
        JSONResponse([], 404),
        JSONResponse({"error": "http", "detail": "Not Found"}, 404),  # the gateway
        PlainTextResponse("no", 500),
        Response(status_code=307, headers={"location": "http://elsewhere.test/"}),
    ],
)
async def test_a_server_that_is_something_else_is_recognised(answer: Response) -> None:
    async with a_stranger(answer) as client:
        with pytest.raises(RequestRejectedError, match="is not the simulator"):
            await client.send(UserMessage("你好"))
