"""What was said is kept as a transcript, shown or sent again, and forgotten."""

import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from dingda.shared.runtime.clock import CHINA
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.transcript import LOADED
from tests.support.simulator_harness import Bot, Clock

HELLO = {"msgtype": "text", "text": {"content": "你好"}}
TO_LI = {"text": "", "sender": "李四", "single": True}
SAVED = {
    "version": 1,
    "messages": [
        {"said": {"text": "一"}, "replies": [HELLO]},
        {"said": TO_LI, "replies": [HELLO], "pushed": True},
        {"said": {"text": "二", "single": True}, "gap_ms": 10},
    ],
}


async def texts(http: httpx.AsyncClient) -> list[str]:
    return [record["said"]["text"] for record in (await http.get("/api/messages")).json()]


async def test_a_transcript_is_saved_as_a_file(http: httpx.AsyncClient, clock: Clock) -> None:
    await http.post("/api/messages", json={"text": "你好"})
    response = await http.get("/api/transcript")
    assert response.json() == {
        "version": 1,
        "messages": [{"said": {"text": "你好"}}],
        "began": datetime.fromtimestamp(clock.now_ms / 1000, CHINA).isoformat(),
        "host": "simulator.test",
    }
    assert response.headers["content-disposition"] == 'attachment; filename="transcript.json"'


async def test_a_loaded_transcript_is_shown_and_not_sent(http: httpx.AsyncClient, bot: Bot) -> None:
    shown = (await http.post("/api/transcript", json=SAVED)).json()
    assert [record["undelivered"] for record in shown] == [LOADED, None, LOADED]
    assert await texts(http) == ["一", "", "二"]
    assert bot.callbacks == []


async def test_a_transcript_that_is_sent_again_reaches_the_bot_in_order(
    http: httpx.AsyncClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dingda.simulator.http.transcript_api._REPLY_WITHIN_S", 0.01)
    sent = (await http.post("/api/transcript?send=1", json=SAVED)).json()
    assert [callback["text"]["content"].strip() for callback in bot.callbacks] == ["一", "二"]
    assert [record["msg_id"] for record in sent] == [each["msgId"] for each in bot.callbacks]
    assert await texts(http) == ["一", "二"]


async def test_a_raw_callback_is_sent_again_as_one(
    http: httpx.AsyncClient, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dingda.simulator.http.transcript_api._REPLY_WITHIN_S", 0.01)
    callback = {"conversationType": "1", "msgtype": "text", "text": {"content": "旧"}, "odd": [1]}
    entry = {"said": {"text": "旧"}, "callback": callback}
    await http.post("/api/transcript?send=1", json={"version": 1, "messages": [entry]})
    assert bot.callbacks[0]["odd"] == [1]


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/api/transcript", {"version": 2, "messages": []}, "version"),
        ("/api/transcript?send=yes", SAVED, "send: must be 0 or 1."),
        (
            "/api/transcript?send=1",
            {"version": 1, "messages": [{"said": {"text": "问", "robot": "nobody"}}]},
            "nobody",
        ),
    ],
)
async def test_what_can_not_be_loaded_is_refused_in_a_sentence(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], why: str
) -> None:
    response = await http.post(path, json=body)
    assert response.status_code == 400
    assert why in response.json()["detail"]


async def test_what_the_bot_is_done_with_is_forgotten(
    http: httpx.AsyncClient, dingtalk: Simulation, clock: Clock
) -> None:
    await http.post("/api/messages", json={"text": "旧"})
    await http.post("/api/messages", json={"text": "没有@", "mention": False})
    dingtalk.bot_sends.to_group(HELLO)
    clock.now_ms += 20_000
    await http.post("/api/messages", json={"text": "新"})
    assert (await http.delete("/api/messages")).json() == {"kept": 1}
    assert await texts(http) == ["新"]


async def test_what_is_forgotten_has_no_session_any_more(
    http: httpx.AsyncClient, dingtalk: Simulation, clock: Clock
) -> None:
    record = (await http.post("/api/messages", json={"text": "旧"})).json()
    clock.now_ms += 20_000
    await http.delete("/api/messages")
    session = record["callback"]["sessionWebhook"].partition("session=")[2]
    body = json.dumps(HELLO).encode()
    assert dingtalk.reply(session, content_type="application/json", body=body).errcode == 300001


async def test_a_transcript_can_be_loaded_however_deep_a_callback_was_nested(
    http: httpx.AsyncClient,
) -> None:
    nested = '{"msgtype":' * 200 + "1" + "}" * 200
    headers = {"Content-Type": "application/json"}
    await http.post("/api/callbacks", content=nested, headers=headers)
    saved = await http.get("/api/transcript")
    assert saved.json()["messages"][0]["callback"]["msgtype"]["msgtype"]
    loaded = await http.post("/api/transcript", content=saved.content, headers=headers)
    assert loaded.status_code == 200


async def test_a_gap_that_no_clock_knows_is_refused(http: httpx.AsyncClient) -> None:
    transcript = {"version": 1, "messages": [{"said": {"text": "一"}, "gap_ms": 10**17}]}
    response = await http.post("/api/transcript", json=transcript)
    assert response.status_code == 400
    assert response.json()["detail"].startswith("messages.0.gap_ms: ")
