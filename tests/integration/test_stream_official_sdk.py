"""DingTalk's own SDK against the simulator, which is thus held to a client that isn't ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, get_args

import pytest

from dingda.simulator.dingtalk.stream_frames import CARD_TOPIC, ROBOT_TOPIC
from dingda.simulator.dingtalk.user_message import WORDLESS, Kind, Quotation, UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import StreamSimulator, a_stream_simulator
from tests.e2e.real_messages import CASES
from tests.support.processes import Process, process, wait_until

SETTINGS = {
    "DINGDA_SIMULATOR_STREAM_PING_S": "4",
    "DINGDA_SIMULATOR_STREAM_ACK_S": "20",
    "DINGDA_SIMULATOR_STREAM_REDELIVER_S": "0.1",
    "DINGDA_SIMULATOR_STREAM_CUT_S": "0.5",
}


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamSimulator]:
    with a_stream_simulator(tmp_path_factory.mktemp("simulator"), SETTINGS) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def dingtalk(simulator: StreamSimulator) -> Iterator[SimulatedDingTalk]:
    with SimulatedDingTalk.at(simulator.url) as dingtalk:
        yield dingtalk


@contextmanager
def the_sdk(simulator: StreamSimulator) -> Iterator[Process]:
    environment = {
        "CLIENT_ID": simulator.client_id,
        "CLIENT_SECRET": simulator.client_secret,
        "DINGTALK_OPENAPI_ENDPOINT": simulator.openapi_url,
    }
    with process("-m", "tests.support.official_sdk", env=environment) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def sdk(simulator: StreamSimulator, dingtalk: SimulatedDingTalk) -> Iterator[Process]:
    """The SDK, connected."""
    with the_sdk(simulator) as sdk:
        wait_until(lambda: dingtalk.stream.state.connections)
        yield sdk


def received(sdk: Process) -> list[dict[str, Any]]:
    """The frames that the SDK gave to its handlers, in order."""
    return [json.loads(line) for line in sdk.output.splitlines() if line.startswith("{")]


def last_received(sdk: Process, msg_id: str) -> dict[str, Any]:
    frames: list[dict[str, Any]] = wait_until(lambda: frames_of(sdk, msg_id))
    return frames[-1]


def frames_of(sdk: Process, msg_id: str) -> list[dict[str, Any]]:
    return [frame for frame in received(sdk) if frame["data"].get("msgId") == msg_id]


def open_ids(dingtalk: SimulatedDingTalk) -> list[str]:
    return [each.id for each in dingtalk.stream.state.connections if each.state == "open"]


@pytest.mark.parametrize("kind", get_args(Kind))
def test_it_receives_every_kind_of_message(
    sdk: Process, dingtalk: SimulatedDingTalk, kind: Kind
) -> None:
    text = "" if kind in WORDLESS else "李四：天气 北京"
    record = dingtalk.say(UserMessage(text, kind=kind, quoted=Quotation("旧的")))
    assert record.ack is not None
    assert record.ack.status == 200
    frame = last_received(sdk, record.msg_id)
    assert frame["topic"] == ROBOT_TOPIC
    assert frame["data"] == record.callback


def test_it_receives_what_peoples_clients_send(sdk: Process, dingtalk: SimulatedDingTalk) -> None:
    bodies = [case.body for case in CASES.values() if case.body]
    records = [dingtalk.ask_raw(body, wait_s=0) for body in bodies]
    for record in records:
        assert last_received(sdk, record.msg_id)["data"] == record.callback


def test_a_lost_ack_brings_it_the_message_again_in_another_frame(
    sdk: Process, dingtalk: SimulatedDingTalk
) -> None:
    dingtalk.stream.set_faults(lost_acks=1)
    with pytest.raises(RequestRejectedError, match="did not acknowledge"):
        dingtalk.say(UserMessage("再说一遍"))
    msg_id = dingtalk.records()[-1].msg_id
    first, second = wait_until(lambda: len(frames := frames_of(sdk, msg_id)) > 1 and frames)
    assert first["data"] == second["data"]
    assert first["headers"]["message_id"] != second["headers"]["message_id"]
    record = wait_until(lambda: (last := dingtalk.records()[-1]).redeliveries and last)
    assert [ack.status for ack in record.redeliveries] == [200]


@pytest.mark.usefixtures("sdk")
def test_it_connects_again_after_a_disconnect(dingtalk: SimulatedDingTalk) -> None:
    (before,) = dingtalk.stream.state.connections
    dingtalk.stream.disconnect("connection is expired")
    wait_until(lambda: before.id not in (ids := open_ids(dingtalk)) and ids)
    record = dingtalk.say(UserMessage("还在吗"))
    assert record.acknowledged
    assert dingtalk.stream.state.unknown == 0


def test_it_is_told_of_a_wrong_secret(simulator: StreamSimulator) -> None:
    with the_sdk(replace(simulator, client_secret="wrong")) as sdk:
        sdk.wait_for("401 Client Error.*authFailed")


def test_it_receives_an_event_with_its_headers(sdk: Process, dingtalk: SimulatedDingTalk) -> None:
    push = dingtalk.stream.push_event("chat_add_member", {"chatid": "chat1", "userId": ["0001"]})
    (frame,) = wait_until(lambda: [each for each in received(sdk) if each["topic"] == "*"])
    assert frame["data"] == {"chatid": "chat1", "userId": ["0001"]}
    headers = frame["headers"]
    assert headers["event_type"] == "chat_add_member"
    assert headers["event_id"] == push.id
    assert headers["event_born_time"] <= push.sent_at_ms
    # It acknowledges an event with the event itself, and without DingTalk's `status`.
    assert [(ack.code, ack.data) for ack in push.acks] == [(200, frame["data"])]


def test_it_receives_a_card_callback(sdk: Process, dingtalk: SimulatedDingTalk) -> None:
    push = dingtalk.stream.push_card_callback(
        outTrackId="card1", userId="0001", actionIds=["approve"], params={"jobId": "42"}
    )
    (frame,) = wait_until(lambda: [each for each in received(sdk) if each["topic"] == CARD_TOPIC])
    content = json.loads(frame["data"]["content"])
    assert content == {"cardPrivateData": {"actionIds": ["approve"], "params": {"jobId": "42"}}}
    assert [(ack.code, ack.data) for ack in push.acks] == [(200, {"response": "OK"})]


def test_it_is_pinged_and_lives(sdk: Process, dingtalk: SimulatedDingTalk) -> None:
    (connection,) = dingtalk.stream.state.connections
    # A second ping is sent only where the first was answered.
    pings = sdk.output.count("topic=ping")
    wait_until(lambda: sdk.output.count("topic=ping") > pings + 1)
    assert [each.id for each in dingtalk.stream.state.connections] == [connection.id]
    assert dingtalk.stream.state.unanswered_pings == 0
