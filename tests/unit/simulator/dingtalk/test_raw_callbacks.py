"""Any body can be sent as DingTalk would send it, and its reply is seen."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.signature import verify
from dingda.simulator.backends.organisation import SimulatedOrganisation
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.copied import Copied
from dingda.simulator.dingtalk.export import as_test
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from tests.support.builders import callback_fields
from tests.support.simulator_harness import SECRET, SIMULATOR_URL, Bot, Clock

OpenClient = Callable[[], SimulatorClient]
HELLO = {"msgtype": "text", "text": {"content": "你好"}}


async def test_a_body_is_sent_with_a_session_that_shows_the_reply(
    open_client: OpenClient, bot: Bot
) -> None:
    bot.replies = [HELLO]
    body = callback_fields(senderNick="小明", msgtype="somethingNew", odd={"a": [None]})
    async with open_client() as client:
        record = await client.send_callback(body)
        record = await client.record(record.msg_id, wait_s=5)
    (heard,) = bot.callbacks
    fresh = {"msgId", "createAt", "sessionWebhook", "sessionWebhookExpiredTime"}
    assert {name for name in body if body[name] != heard[name]} == fresh
    assert heard["sessionWebhook"].startswith(SIMULATOR_URL)
    assert [reply.payload for reply in record.shown] == [HELLO]
    assert (record.raw, record.said.sender) == (True, "小明")


async def test_each_sending_is_a_message_of_its_own(open_client: OpenClient) -> None:
    async with open_client() as client:
        records = [await client.send_callback(callback_fields()) for _ in range(2)]
    assert len({record.msg_id for record in records}) == 2
    assert len({record.ledger_id for record in records}) == 2


@pytest.mark.parametrize(
    "body", [b'{"msgId": "a",  "msgId": "b"}', b"{}", b"", b"not json", b"\xff\xfe", b"[1]"]
)
async def test_verbatim_is_byte_for_byte_and_so_is_everything_but_an_object(
    dingtalk: Simulation, clock: Clock, body: bytes
) -> None:
    callback = dingtalk.send_raw(body, verbatim=True)
    assert callback.body == body
    if not body.startswith(b'{"'):
        assert dingtalk.send_raw(body).body == body
    stamp, sign = callback.headers["timestamp"].encode(), callback.headers["sign"].encode()
    verify(stamp, sign, secrets=[SECRET], now_ms=clock())
    again = dingtalk.send_again(callback.msg_id)
    assert again is not None
    assert again.body == body


async def test_bytes_that_are_no_text_survive_the_record(
    dingtalk: Simulation, open_client: OpenClient
) -> None:
    msg_id = dingtalk.send_raw(b"\xff\x00").msg_id
    async with open_client() as client:
        record = await client.record(msg_id)
        assert "\ufffd" in await client.as_curl(msg_id)
    assert (record.callback, record.verbatim, record.raw) == ({}, b"\xff\x00", True)


async def test_verbatim_is_0_or_1(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/callbacks?verbatim=yes", json={})
    assert (response.status_code, response.json()["detail"]) == (400, "verbatim: must be 0 or 1.")


async def test_a_web_page_elsewhere_cannot_send_one(http: httpx.AsyncClient, bot: Bot) -> None:
    headers = {"Content-Type": "text/plain"}
    response = await http.post("/api/callbacks", content=b"{}", headers=headers)
    assert response.status_code == 415
    assert bot.callbacks == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"msgtype": "markdown", "markdown": {"text": " 天气"}},
            UserMessage("天气", kind="markdown"),
        ),
        ({"msgtype": "picture", "content": {"downloadCode": "x"}}, UserMessage("", kind="picture")),
        (
            {"msgtype": "file", "content": {"fileName": "a.docx"}, "conversationType": "1"},
            UserMessage("a.docx", kind="file", single=True),
        ),
        (
            {
                "msgtype": "richText",
                "content": {"richText": [{"downloadCode": "x"}, {"text": "看"}]},
            },
            UserMessage("看", kind="richText", pictures=1),
        ),
        ({"msgtype": 5, "senderNick": 7}, UserMessage("", sender="?")),
        (
            {"msgtype": "richText", "content": {"richText": [{"downloadCode": "x"}] * 101}},
            UserMessage("", kind="richText", pictures=100),
        ),
    ],
)
def test_its_record_has_what_can_be_read_from_it(
    dingtalk: Simulation, fields: dict[str, Any], said: UserMessage
) -> None:
    body = callback_fields(None, **fields)
    (record,) = _records(dingtalk, body)
    assert record.said == said


@pytest.mark.parametrize("title", ["采购群", ""])
def test_a_groups_callback_that_is_made_one_of_a_single_chat_shows_there(
    dingtalk: Simulation, title: str
) -> None:
    group = UserMessage("看看", group="采购群")
    dingtalk.send(group)
    callback = dingtalk.preview(group) | {"conversationType": "1", "conversationTitle": title}
    said = dingtalk.send_raw(json.dumps(callback).encode()).msg_id
    record = dingtalk.record(said)
    assert record
    assert (record.said.single, record.said.group) == (True, "")


def test_a_test_can_be_made_of_it(dingtalk: Simulation) -> None:
    (record,) = _records(dingtalk, callback_fields(" 看看", odd="x"))
    copied = as_test(Copied(record), lambda _: None)
    assert "dingtalk.ask_raw({" in copied
    assert "'odd': 'x'" in copied
    assert "sessionWebhook" not in copied
    compile(copied, "copied", "exec")


def test_its_sender_is_in_the_address_book(dingtalk: Simulation) -> None:
    _records(dingtalk, callback_fields(senderStaffId="0815", senderNick="小明"))
    assert ("0815", "小明") in {
        (each.userid, each.name) for each in SimulatedOrganisation(dingtalk.records)
    }


def _records(dingtalk: Simulation, fields: dict[str, Any]) -> list[Record]:
    dingtalk.send_raw(json.dumps(fields).encode())
    return dingtalk.records.since(0)
