"""The API beside saying and looking up: what the page can do, programs can."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.faults import NO_FAULTS, FaultSettings, ReplyFault
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.http.app import create_app
from dingda.simulator.http.callback_sender import CallbackSender, GatewayResponse
from dingda.simulator.http.delivery import Delivery
from dingda.simulator.http.schema import describe
from tests.support.simulator_harness import CALLBACK_URL, ROBOTS, SIMULATOR_URL, Bot
from tests.unit.simulator.client.test_client import OpenClient

JSON = {"Content-Type": "application/json"}


def described() -> set[tuple[str, str]]:
    return {(path, method.upper()) for path, ways in describe()["paths"].items() for method in ways}


def served(simulator: Starlette) -> set[tuple[str, str]]:
    routes = [route for route in simulator.routes if isinstance(route, Route) and route.path != "/"]
    return {
        (route.path.replace(":path", ""), method)
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    } - {("/robot/sendBySession", "GET")}  # which is only there to be refused


def test_the_description_names_every_route_and_no_other(simulator: Starlette) -> None:
    assert described() == served(simulator)


def test_every_reference_in_the_description_leads_somewhere() -> None:
    document = describe()
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert named <= document["components"]["schemas"].keys()
    assert {"Record", "UserMessage", "FaultSettings", "MessageTimeline", "Reply", "Ack"} <= named


async def test_the_description_is_served(http: httpx.AsyncClient) -> None:
    assert (await http.get("/openapi.json")).json() == describe()


async def test_a_record_has_the_keys_that_the_description_names(http: httpx.AsyncClient) -> None:
    record = (await http.post("/api/messages", json={"text": "你好"})).json()
    assert record.keys() == describe()["components"]["schemas"]["Record"]["properties"].keys()


async def test_every_message_is_listed_the_oldest_first(open_client: OpenClient) -> None:
    async with open_client() as client:
        sent = [await client.send(UserMessage(text)) for text in ("一", "二")]
        assert [record.msg_id for record in await client.records()] == [r.msg_id for r in sent]


async def test_from_a_group_only_what_mentions_the_bot_is_delivered(
    open_client: OpenClient, bot: Bot
) -> None:
    async with open_client() as client:
        record = await client.send(UserMessage("大家好", mention=False))
        alone = await client.send(UserMessage("你好", single=True, mention=False))
    assert record.undelivered == "From a group DingTalk delivers only what mentions the bot."
    assert [callback["msgId"] for callback in bot.callbacks] == [alone.msg_id]


async def test_a_message_is_delivered_again_as_it_was(open_client: OpenClient, bot: Bot) -> None:
    async with open_client() as client:
        record = await client.send(UserMessage("你好"))
        record = await client.redeliver(record.msg_id)
    assert bot.callbacks == [record.callback] * 2
    assert [ack.status for ack in record.redeliveries] == [200]


async def test_a_session_can_be_closed(open_client: OpenClient, http: httpx.AsyncClient) -> None:
    async with open_client() as client:
        record = await client.expire((await client.send(UserMessage("你好"))).msg_id)
    hello = {"msgtype": "text", "text": {"content": "你好"}}
    response = await http.post(record.callback["sessionWebhook"], json=hello)
    assert response.json()["errcode"] == 300001


@pytest.mark.parametrize("what", ["redeliver", "expire"])
async def test_a_form_from_some_web_page_can_do_nothing(http: httpx.AsyncClient, what: str) -> None:
    response = await http.post(f"/api/messages/msgAAAA==/{what}", content=b"{}")
    assert response.status_code == 415


@pytest.mark.parametrize("what", ["redeliver", "expire"])
async def test_nothing_can_be_done_to_an_unknown_message(
    http: httpx.AsyncClient, what: str
) -> None:
    response = await http.post(f"/api/messages/msgAAAA==/{what}", content=b"{}", headers=JSON)
    assert response.json()["error"] == "unknown_message"


async def test_faults_are_as_they_were_chosen(open_client: OpenClient) -> None:
    faults = FaultSettings(replies=ReplyFault.THROTTLE)
    async with open_client() as client:
        assert await client.faults() == NO_FAULTS
        await client.set_faults(faults)
        assert await client.faults() == faults


@pytest.mark.parametrize("chosen", [{"replies": "rain"}, {"weather": "bad"}, []])
async def test_an_unknown_fault_is_rejected(http: httpx.AsyncClient, chosen: Any) -> None:
    assert (await http.put("/api/bad-day", json=chosen)).status_code == 400


async def test_a_callback_becomes_a_command(open_client: OpenClient) -> None:
    async with open_client() as client:
        record = await client.send(UserMessage("it's", single=True))
        command = await client.as_curl(record.msg_id)
    assert command.startswith(f"curl -i {CALLBACK_URL} \\\n  -H 'Content-Type: application/json")
    assert f"-H 'sign: {record.headers['sign']}'" in command
    assert """"text":{"content":"it'"'"'s"}""" in command


async def test_a_message_becomes_a_test_that_python_can_read(
    open_client: OpenClient, bot: Bot
) -> None:
    bot.response = JSONResponse({"msgtype": "text", "text": {"content": '"好"'}})
    async with open_client() as client:
        record = await client.send(UserMessage("天气 北京?", sender="李四"))
        test = await client.as_test(record.msg_id)
    compile(test, "test_copied.py", "exec")
    assert "def test_the_answer_to_天气_北京(dingtalk: SimulatedDingTalk) -> None:" in test
    assert "dingtalk.ask('天气 北京?', sender='李四')" in test
    assert """== [{'msgtype': 'text', 'text': {'content': '"好"'}}]""" in test


async def test_a_message_that_the_bot_is_at_work_on_is_not_copied_yet(
    open_client: OpenClient, dingtalk: Simulation
) -> None:
    leased = MessageTimeline("leased", "", 1, 2, None, None, 1, None, "")
    async with open_client() as client:
        record = await client.send(UserMessage("慢慢来"))
        dingtalk.note_timeline(record.msg_id, leased)
        with pytest.raises(RequestRejectedError, match="copy it once it has ended"):
            await client.as_test(record.msg_id)


async def test_what_the_bot_sent_of_its_own_accord_is_no_message_to_be_copied(
    open_client: OpenClient, dingtalk: Simulation
) -> None:
    dingtalk.bot_sends.to_group({"msgtype": "text", "text": {"content": "开会"}})
    (pushed,) = dingtalk.records.since(0)
    async with open_client() as client:
        with pytest.raises(RequestRejectedError, match="of its own accord"):
            await client.as_test(pushed.msg_id)


async def test_an_export_of_an_unknown_message_is_refused(open_client: OpenClient) -> None:
    async with open_client() as client:
        with pytest.raises(RequestRejectedError, match="No message has this msgId"):
            await client.as_curl("msgAAAA==")


async def events(
    simulator: Starlette, changes: ChangeNotifier, *, last_event_id: str = ""
) -> list[str]:
    """All that a follower hears until the simulator is stopped, one event an item."""
    heard: list[str] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/events",
        "query_string": b"",
        "headers": [(b"last-event-id", last_event_id.encode())],
        "asgi": {"version": "3.0"},
    }

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        heard.extend(filter(None, [event.get("body", b"").decode()]))

    following = asyncio.create_task(simulator(scope, receive, send))
    await asyncio.sleep(0.05)
    await changes.close()
    await following
    return heard


def names(heard: list[str]) -> list[str]:
    return [line.removeprefix("event: ").partition("\n")[0] for line in heard]


async def test_a_follower_gets_the_past_records_and_the_revision(
    simulator: Starlette, http: httpx.AsyncClient, changes: ChangeNotifier
) -> None:
    record = (await http.post("/api/messages", json={"text": "你好"})).content
    heard = await events(simulator, changes)
    assert names(heard) == ["beginning", "bad_day", "skills", "record", "revision"]
    assert heard[3] == f"event: record\ndata: {record.decode()}\n\n"


async def test_a_follower_resumes_where_the_connection_broke(
    simulator: Starlette, http: httpx.AsyncClient, changes: ChangeNotifier
) -> None:
    await http.post("/api/messages", json={"text": "一"})
    heard = await events(simulator, changes)
    last = re.search(r"id: (\S+)", heard[-1])
    assert last is not None
    changes.closed = False
    second = (await http.post("/api/messages", json={"text": "二"})).content
    resumed = await events(simulator, changes, last_event_id=last[1])
    assert names(resumed) == ["bad_day", "skills", "record", "revision"]
    assert second.decode() in resumed[2]


async def test_a_follower_of_an_earlier_server_starts_from_the_beginning(
    simulator: Starlette, changes: ChangeNotifier
) -> None:
    assert names(await events(simulator, changes, last_event_id="stranger-9"))[0] == "beginning"


async def test_the_page_is_served_with_a_policy_that_lets_no_other_script_run(
    http: httpx.AsyncClient,
) -> None:
    for path in ("/", "/static/app.js", "/static/style.css"):
        response = await http.get(path)
        assert response.status_code == 200
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy


async def test_the_page_has_no_script_and_no_style_in_itself(http: httpx.AsyncClient) -> None:
    html = (await http.get("/")).text
    assert re.findall(r"<script[^>]*>", html) == ['<script type="module" src="/static/app.js">']
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://", html)


async def test_a_file_that_is_not_there_is_404(http: httpx.AsyncClient) -> None:
    assert (await http.get("/static/../app.py")).status_code == 404
    assert (await http.get("/static/nothing.js")).status_code == 404


def test_a_record_list_survives_its_json() -> None:
    assert Record.list_from_json(Record.list_to_json([])) == []


async def test_a_burst_sends_the_same_at_once_and_lists_the_records(
    open_client: OpenClient, bot: Bot
) -> None:
    async with open_client() as client:
        records = await client.send_burst(UserMessage("天气 北京"), 30)
    assert [record.msg_id for record in records] == [each["msgId"] for each in bot.callbacks]
    assert len({record.msg_id for record in records}) == 30
    assert all(record.acknowledged for record in records)


async def test_a_burst_comes_from_as_many_people_as_it_says(
    open_client: OpenClient, http: httpx.AsyncClient
) -> None:
    burst = {"message": {"text": "帮助", "single": True}, "count": 4, "senders": 2}
    assert (await http.post("/api/bursts", json=burst)).status_code == 200
    async with open_client() as client:
        senders = [record.said.sender for record in await client.records()]
    assert senders == ["张三 1", "张三 2", "张三 1", "张三 2"]


async def test_no_two_messages_of_a_burst_are_sent_in_the_same_millisecond() -> None:
    """The gateway takes ten messages with one signature, which is one of the millisecond's."""
    sent_ms: list[int] = []

    class Gateway(CallbackSender):
        async def deliver(self, callback: SignedCallback) -> GatewayResponse:
            sent_ms.append(int(callback.headers["timestamp"]))
            return GatewayResponse(200, "{}")

    dingtalk = Simulation(robots=ROBOTS, public_url=SIMULATOR_URL, now_ms=wall_clock_ms)
    changes = ChangeNotifier()
    delivery = Delivery(dingtalk, Gateway(CALLBACK_URL), changes)
    app = create_app(dingtalk=dingtalk, delivery=delivery, changes=changes)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=SIMULATOR_URL) as client:
        await client.post("/api/bursts", json={"message": {"text": "帮助"}, "count": 100})
    assert len(set(sent_ms)) == 100


async def test_a_burst_lists_what_was_not_acknowledged_too(
    open_client: OpenClient, bot: Bot
) -> None:
    bot.response = Response(status_code=500)
    async with open_client() as client:
        records = await client.send_burst(UserMessage("天气 北京"), 3)
    assert [record.acknowledged for record in records] == [False] * 3
