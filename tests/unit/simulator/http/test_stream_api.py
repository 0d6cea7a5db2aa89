import json
from typing import Any

import httpx
import pytest

from dingda.simulator.dingtalk.faults import CallbackFault, FaultSettings
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.stream import Stream
from dingda.simulator.dingtalk.stream_frames import CARD_TOPIC
from tests.support.simulator_harness import NOW_MS
from tests.support.stream_harness import CLIENT_ID, StreamClient


async def post(http: httpx.AsyncClient, path: str, body: object) -> Any:
    response = await http.post(f"/api/stream{path}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_it_shows_the_connections_and_the_totals(
    http: httpx.AsyncClient, stream: Stream
) -> None:
    client = StreamClient.connected(stream)
    await post(http, "/events", {"eventType": "chat_add_member"})
    shown = (await http.get("/api/stream")).json()
    assert shown["connections"] == [
        {
            "id": client.connection.id,
            "client_id": CLIENT_ID,
            "since_ms": client.connection.since_ms,
            "topics": ["*", CARD_TOPIC, "/v1.0/im/bot/messages/get"],
            "pushed": 1,
            "acked": 1,
            "state": "open",
        }
    ]
    assert (shown["pushed"], shown["acked"], shown["ack_ms"]["count"]) == (1, 1, 1)


async def test_an_event_is_pushed_under_its_headers_and_its_ack_is_shown(
    http: httpx.AsyncClient, stream: Stream
) -> None:
    client = StreamClient.connected(stream)
    event = {"eventType": "chat_add_member", "data": {"chatid": "chat1"}}
    push = await post(http, "/events", event)
    (frame,) = client.pushes
    assert json.loads(frame["data"]) == {"chatid": "chat1"}
    assert frame["type"] == "EVENT"
    assert frame["headers"]["eventType"] == "chat_add_member"
    assert frame["headers"]["eventId"] == push["id"]
    assert push["acks"] == [{"code": 200, "data": {"chatid": "chat1"}, "after_ms": 0}]
    assert (await http.get("/api/stream/pushes")).json() == [push]


async def test_over_quota_an_event_holds_an_error_only(
    http: httpx.AsyncClient, stream: Stream, dingtalk: Simulation
) -> None:
    client = StreamClient.connected(stream)
    dingtalk.faults = FaultSettings(callbacks=CallbackFault.QUOTA)
    await post(http, "/events", {"eventType": "chat_add_member", "data": {"chatid": "chat1"}})
    data = json.loads(client.pushes[0]["data"])
    assert data["errorCode"] == 20001
    assert set(data) == {"errorCode", "errMsg"}


async def test_a_pressed_button_is_pushed_as_a_card_callback(
    http: httpx.AsyncClient, stream: Stream
) -> None:
    client = StreamClient.connected(stream)
    press = {"outTrackId": "card1", "userId": "0001", "actionIds": ["yes"], "params": {"n": "1"}}
    await post(http, "/card-callbacks", press)
    (frame,) = client.pushes
    assert frame["headers"]["topic"] == CARD_TOPIC
    callback = json.loads(frame["data"])
    content = json.loads(callback.pop("content"))
    assert content == {"cardPrivateData": {"actionIds": ["yes"], "params": {"n": "1"}}}
    assert callback == {
        "type": "actionCallback",
        "outTrackId": "card1",
        "corpId": "dingsimulatedcorp",
        "userId": "0001",
        "userIdType": 1,
        "spaceId": "0001",
        "spaceType": "IM_ROBOT",
        "extension": "{}",
    }


async def test_any_frame_can_be_pushed(http: httpx.AsyncClient, stream: Stream) -> None:
    client = StreamClient.connected(stream)
    await post(http, "/frames", {"type": "CALLBACK", "topic": "/v1.0/new", "data": "no JSON"})
    (frame,) = client.pushes
    assert (frame["headers"]["topic"], frame["data"]) == ("/v1.0/new", "no JSON")


async def test_without_a_connection_a_push_says_so(http: httpx.AsyncClient) -> None:
    push = await post(http, "/events", {"eventType": "chat_add_member"})
    assert (push["undelivered"], push["acks"], push["deliveries"]) == ("no_connection", [], 1)


async def test_the_latest_hundred_pushes_are_remembered(http: httpx.AsyncClient) -> None:
    for number in range(102):
        await post(http, "/frames", {"type": "EVENT", "topic": "*", "data": str(number)})
    shown = (await http.get("/api/stream/pushes")).json()
    assert [push["data"] for push in shown] == [str(number) for number in range(2, 102)]
    assert shown[0]["sent_at_ms"] == NOW_MS


async def test_connections_are_told_to_disconnect_for_a_reason(
    http: httpx.AsyncClient, stream: Stream
) -> None:
    client = StreamClient.connected(stream)
    told = await post(http, "/disconnect", {"reason": "persistent connection is timeout"})
    assert told == {"connections": 1}
    assert json.loads(client.frames[0]["data"]) == {"reason": "persistent connection is timeout"}


async def test_connections_are_cut(http: httpx.AsyncClient, stream: Stream) -> None:
    client = StreamClient.connected(stream)
    assert await post(http, "/cut", {}) == {"connections": 1}
    assert client.is_cut


async def test_faults_are_as_they_were_chosen(http: httpx.AsyncClient) -> None:
    chosen = {"open": "quota", "lost_acks": 2}
    set_ = (await http.put("/api/stream/faults", json=chosen)).json()
    assert set_.items() >= chosen.items()
    assert (await http.get("/api/stream/faults")).json() == set_


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/events", {}),
        ("/events", {"eventType": ""}),
        ("/events", {"eventType": "x", "data": []}),
        ("/card-callbacks", {"outTrackId": "card1"}),
        ("/frames", {"type": "ROBOT", "topic": "*"}),
        ("/frames", {"type": "EVENT", "topic": "*", "headers": {"n": 1}}),
        ("/disconnect", {"why": "?"}),
    ],
)
async def test_what_is_not_described_is_refused(
    http: httpx.AsyncClient, path: str, body: object
) -> None:
    response = await http.post(f"/api/stream{path}", json=body)
    assert (response.status_code, response.json()["error"]) == (400, "request")


@pytest.mark.parametrize("faults", [{"stale": 101}, {"lost_acks": -1}, {"open": "rain"}, []])
async def test_unknown_faults_are_refused(http: httpx.AsyncClient, faults: object) -> None:
    assert (await http.put("/api/stream/faults", json=faults)).status_code == 400
