import asyncio
import json

import pytest

from dingda.simulator.dingtalk.signed_callback import SignedCallback
from dingda.simulator.dingtalk.stream_faults import StreamFaults
from dingda.simulator.dingtalk.stream_rules import StreamRules
from dingda.simulator.errors import CallbackUnansweredError
from dingda.simulator.http.callback_sender import GatewayResponse
from dingda.simulator.http.stream_sender import StreamSender
from tests.support.simulator_harness import CALLBACK_URL
from tests.support.stream_harness import CLIENT_ID, StreamClient, a_stream
from tests.support.virtual_time import virtual_time


def a_signed(robot_code: str = "", msg_id: str = "msg1") -> SignedCallback:
    body = json.dumps({"msgId": msg_id, "robotCode": robot_code}).encode()
    return SignedCallback(msg_id, {}, body)


class Noted:
    def __init__(self) -> None:
        self.acks: list[tuple[str, int]] = []

    async def __call__(self, msg_id: str, response: GatewayResponse) -> None:
        self.acks.append((msg_id, response.status))


@virtual_time
async def test_a_message_goes_to_its_robots_application() -> None:
    stream = a_stream(apps={"dinga": ["a"], "dingb": ["b"]})
    a = StreamClient.connected(stream, client_id="dinga", secret="a")
    b = StreamClient.connected(stream, client_id="dingb", secret="b")
    sender = StreamSender(
        stream,
        client_id_of=lambda code: "dingb" if code == "robotb" else "dinga",
        callback_url=CALLBACK_URL,
        note=Noted(),
    )
    for code in ("robota", "robotb", "robotb"):
        await sender.deliver(a_signed(code))
    assert (len(a.pushes), len(b.pushes)) == (1, 2)


@virtual_time
async def test_a_redelivery_is_noted_as_its_messages() -> None:
    stream = a_stream(rules=StreamRules(redeliveries=2))
    client = StreamClient.connected(stream)
    noted = Noted()
    sender = StreamSender(
        stream, client_id_of=lambda _: CLIENT_ID, callback_url=CALLBACK_URL, note=noted
    )
    stream.faults = StreamFaults(lost_acks=1)
    client.code = 500
    with pytest.raises(CallbackUnansweredError, match="It comes again"):
        await sender.deliver(a_signed(msg_id="msg7"))
    await asyncio.sleep(600)
    assert noted.acks == [("msg7", 500), ("msg7", 500)]


@virtual_time
async def test_closing_ends_the_redeliveries() -> None:
    stream = a_stream()
    sender = StreamSender(
        stream, client_id_of=lambda _: CLIENT_ID, callback_url=CALLBACK_URL, note=Noted()
    )
    with pytest.raises(CallbackUnansweredError, match="dingda stream"):
        await sender.deliver(a_signed())
    await sender.aclose()
    client = StreamClient.connected(stream)
    await asyncio.sleep(600)
    assert client.pushes == []


@virtual_time
async def test_what_is_no_text_is_pushed_as_text() -> None:
    stream = a_stream()
    client = StreamClient.connected(stream)
    sender = StreamSender(
        stream, client_id_of=lambda _: CLIENT_ID, callback_url=CALLBACK_URL, note=Noted()
    )
    await sender.deliver(SignedCallback("raw1", {}, b"\xff{"))
    assert client.pushes[0]["data"] == "\ufffd{"
