import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import httpx
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.app import create_app
from dingda.simulator.http.callback_sender import CallbackSender
from dingda.simulator.http.delivery import Delivery
from tests.support.simulator_harness import CALLBACK_URL, SIMULATOR_URL, Bot

HELLO = {"msgtype": "text", "text": {"content": "你好"}}


@asynccontextmanager
async def a_client_of(
    dingtalk: Simulation, callback_sender: CallbackSender
) -> AsyncIterator[httpx.AsyncClient]:
    changes = ChangeNotifier()
    delivery = Delivery(dingtalk, callback_sender, changes)
    app = create_app(dingtalk=dingtalk, delivery=delivery, changes=changes)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=SIMULATOR_URL) as client,
    ):
        yield client


def path_of(msg_id: str) -> str:
    return f"/api/messages/{quote(msg_id, safe='')}"


async def test_a_sent_message_reaches_the_gateway_signed(http: httpx.AsyncClient, bot: Bot) -> None:
    response = await http.post("/api/messages", json={"text": "整体跳转"})
    assert response.status_code == 200
    assert [callback["text"]["content"] for callback in bot.callbacks] == [" 整体跳转"]


async def test_sending_returns_the_record_once_the_acknowledgement_is_there(
    http: httpx.AsyncClient, bot: Bot, dingtalk: Simulation
) -> None:
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    kept = dingtalk.record(record["msg_id"])
    assert kept is not None
    assert record == {
        "msg_id": bot.callbacks[0]["msgId"],
        "sent_at_ms": bot.callbacks[0]["createAt"],
        "said": {
            "text": "你好",
            "sender": "张三",
            "single": False,
            "group": "",
            "robot": "",
            "published": True,
            "mention": True,
            "kind": "text",
            "runs": [],
            "pictures": 0,
            "mentioned": [],
            "at_all": False,
            "quoted": None,
            "client": "Mac",
            "external": False,
            "file": "",
        },
        "headers": kept.headers,
        "callback": bot.callbacks[0],
        "session_expires_ms": bot.callbacks[0]["sessionWebhookExpiredTime"],
        "ledger_id": kept.ledger_id,
        "ack": {"status": 200, "body": '{"msgtype":"empty"}', "after_ms": 0},
        "undelivered": None,
        "undelivered_reason": "",
        "undelivered_after_ms": None,
        "in_callback_reply": None,
        "turned_away": False,
        "replies": [],
        "redeliveries": [],
        "prompted": True,
        "loaded": False,
        "raw": False,
        "verbatim": None,
        "stories": [],
        "inspection": {
            "skill": "",
            "command": "",
            "arguments": {},
            "calls": [],
            "log": [],
            "traceback": "",
            "is_answer": False,
        },
        "card": "",
        "reactions": [],
    }


async def test_the_sender_and_the_conversation_can_be_chosen(
    http: httpx.AsyncClient, bot: Bot
) -> None:
    body = {"text": "你好", "sender": "李四", "single": True, "published": False}
    await http.post("/api/messages", json=body)
    assert bot.callbacks[0]["senderNick"] == "李四"
    assert bot.callbacks[0]["conversationType"] == "1"
    assert "senderStaffId" not in bot.callbacks[0]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "text: Field required."),
        ({"text": 5}, "text: Input should be a valid string."),
        ({"text": "你好", "single": "yes"}, "single: Input should be a valid boolean."),
        ({"text": "你好", "sender": ""}, "sender: String should have at least 1 character."),
        ({"text": "你好", "colour": "red"}, "colour: Unexpected keyword argument."),
    ],
)
async def test_a_wrong_request_is_rejected_with_the_place(
    http: httpx.AsyncClient, body: object, detail: str
) -> None:
    response = await http.post("/api/messages", json=body)
    assert response.status_code == 400
    assert response.json() == {"error": "request", "detail": detail}


async def test_a_request_that_is_not_json_is_rejected(http: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/json"}
    response = await http.post("/api/messages", content=b"text", headers=headers)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("body: Invalid JSON")


async def test_a_form_from_some_web_page_cannot_speak_to_the_bot(
    http: httpx.AsyncClient, bot: Bot
) -> None:
    headers = {"Content-Type": "text/plain"}
    response = await http.post("/api/messages", content=b'{"text":"x"}', headers=headers)
    assert response.status_code == 415
    assert bot.callbacks == []


async def test_an_error_of_the_gateway_is_recorded_as_its_response(
    http: httpx.AsyncClient, bot: Bot
) -> None:
    bot.response = JSONResponse({"error": "signature"}, 401)
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    assert record["ack"]["status"] == 401
    assert record["ack"]["body"] == '{"error":"signature"}'


async def test_a_redirect_is_not_followed(http: httpx.AsyncClient, bot: Bot) -> None:
    bot.response = RedirectResponse("http://gateway.test/elsewhere", 308)
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    assert record["ack"]["status"] == 308
    assert len(bot.callbacks) == 1


async def test_a_gateway_that_does_not_run_is_named_with_what_to_start(
    dingtalk: Simulation, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/dd_robot/"
    async with a_client_of(dingtalk, CallbackSender(url)) as http:
        response = await http.post("/api/messages", json={"text": "你好"})
    assert response.status_code == 502
    assert response.json() == {
        "error": "gateway",
        "detail": f"Nothing answers at {url}. Start the gateway with `dingda gateway`, or "
        "everything with `dingda demo`; another address is named by DINGDA_SIMULATOR_CALLBACK_URL.",
    }


async def test_a_gateway_that_the_demo_starts_again_is_nobodys_to_start(
    dingtalk: Simulation, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/dd_robot/"
    async with a_client_of(dingtalk, CallbackSender(url, is_supervised=True)) as http:
        response = await http.post("/api/messages", json={"text": "你好"})
    assert response.json()["detail"] == (
        f"Nothing answers at {url} just now. The demo starts its gateway again within seconds: "
        "then send the message again."
    )


async def test_a_record_has_a_word_for_why_it_did_not_get_through(
    dingtalk: Simulation, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/dd_robot/"
    async with a_client_of(dingtalk, CallbackSender(url)) as http:
        await http.post("/api/messages", json={"text": "你好"})
        (record,) = (await http.get("/api/messages")).json()
    assert record["undelivered_reason"] == "unreachable"


async def test_a_gateway_that_takes_longer_than_dingtalk_waits_is_given_up(
    dingtalk: Simulation, bot: Bot
) -> None:
    bot.respond_after_s = 10
    callback_sender = CallbackSender(
        CALLBACK_URL, timeout_s=0.05, transport=httpx.ASGITransport(bot.app)
    )
    async with a_client_of(dingtalk, callback_sender) as http:
        response = await http.post("/api/messages", json={"text": "你好"})
    assert response.status_code == 502
    assert "did not answer within 0.05 s" in response.json()["detail"]


async def test_something_that_does_not_speak_http_is_named(dingtalk: Simulation) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+PONG\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    callback_sender = CallbackSender(f"http://127.0.0.1:{port}/dd_robot/")
    async with server, a_client_of(dingtalk, callback_sender) as http:
        response = await http.post("/api/messages", json={"text": "你好"})
    assert response.status_code == 502
    assert "gave no answer that is HTTP" in response.json()["detail"]


async def test_a_record_can_be_looked_up_by_its_msg_id(http: httpx.AsyncClient) -> None:
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    assert (await http.get(path_of(record["msg_id"]))).json() == record


async def test_an_unknown_msg_id_is_404(http: httpx.AsyncClient) -> None:
    response = await http.get(path_of("msgAAAA=="), params={"wait_s": 5})
    assert response.status_code == 404
    assert response.json()["error"] == "unknown_message"


async def test_a_lookup_can_wait_for_the_reply(http: httpx.AsyncClient, bot: Bot) -> None:
    bot.replies = [HELLO]
    msg_id = (await http.post("/api/messages", json={"text": "你好"})).json()["msg_id"]
    record = (await http.get(path_of(msg_id), params={"wait_s": 5})).json()
    assert record["replies"] == [
        {
            "payload": HELLO,
            "errcode": 0,
            "errmsg": "ok",
            "notified": [],
            "after_ms": 40,
            "trouble": None,
            "warnings": [],
        }
    ]


async def test_a_refused_reply_does_not_end_the_wait(http: httpx.AsyncClient, bot: Bot) -> None:
    bot.replies = [{"msgtype": "image"}, HELLO]
    msg_id = (await http.post("/api/messages", json={"text": "你好"})).json()["msg_id"]
    record = (await http.get(path_of(msg_id), params={"wait_s": 5})).json()
    assert [reply["errcode"] for reply in record["replies"]] == [400105, 0]


async def test_a_wait_ends_when_its_time_is_up(http: httpx.AsyncClient) -> None:
    msg_id = (await http.post("/api/messages", json={"text": "你好"})).json()["msg_id"]
    record = (await http.get(path_of(msg_id), params={"wait_s": 0.05})).json()
    assert record["replies"] == []


@pytest.mark.parametrize("wait_s", ["-1", "61", "soon", "nan", ""])
async def test_a_wait_must_be_a_sensible_number(http: httpx.AsyncClient, wait_s: str) -> None:
    response = await http.get("/api/messages/msgAAAA==", params={"wait_s": wait_s})
    assert response.status_code == 400
    assert response.json()["detail"] == "wait_s: must be a number from 0 to 60."


async def test_a_waiting_request_ends_when_the_server_stops(
    http: httpx.AsyncClient, changes: ChangeNotifier
) -> None:
    msg_id = (await http.post("/api/messages", json={"text": "你好"})).json()["msg_id"]
    waiting = asyncio.create_task(http.get(path_of(msg_id), params={"wait_s": 60}))
    await asyncio.sleep(0.05)
    await changes.close()
    assert (await waiting).status_code == 503


async def test_a_reply_is_answered_with_status_200_and_an_errcode(
    http: httpx.AsyncClient,
) -> None:
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    response = await http.post(record["callback"]["sessionWebhook"], json=HELLO)
    assert response.status_code == 200
    assert response.json() == {"errcode": 0, "errmsg": "ok"}


async def test_a_refused_reply_comes_with_status_200_too(http: httpx.AsyncClient) -> None:
    response = await http.post("/robot/sendBySession", json=HELLO)
    assert response.status_code == 200
    assert response.json() == {"errcode": 300001, "errmsg": "session 不存在"}


async def test_a_reply_that_is_not_posted_is_43002(http: httpx.AsyncClient) -> None:
    response = await http.get("/robot/sendBySession", params={"session": "f" * 32})
    assert response.status_code == 200
    assert response.json()["errcode"] == 43002


async def test_the_session_is_never_logged(
    http: httpx.AsyncClient, bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    bot.replies = [{"msgtype": "image"}]
    with caplog.at_level(logging.INFO, logger="dingda.simulator"):
        record = (await http.post("/api/messages", json={"text": "你好"})).json()
        await http.get(path_of(record["msg_id"]), params={"wait_s": 0.05})
    session = record["callback"]["sessionWebhook"].partition("session=")[2]
    ours = [
        line.getMessage() for line in caplog.records if line.name.startswith("dingda.simulator")
    ]
    assert any("errcode 400105" in line for line in ours)
    assert not any(session in line for line in ours)


async def test_its_health_says_that_it_is_alive(http: httpx.AsyncClient) -> None:
    assert (await http.get("/api/health")).json() == {"alive": True}


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PATCH", "/api/messages")])
async def test_what_is_not_there_is_an_error_in_json(
    http: httpx.AsyncClient, method: str, path: str
) -> None:
    response = await http.request(method, path)
    assert response.status_code in (404, 405)
    assert response.json()["error"] == "http"


@pytest.mark.parametrize("answer", [Response(status_code=204), PlainTextResponse("ok")])
async def test_a_response_without_json_is_an_acknowledgement_too(
    http: httpx.AsyncClient, bot: Bot, answer: Response
) -> None:
    bot.response = answer
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    assert record["ack"]["status"] == answer.status_code
    assert record["in_callback_reply"] is None
