"""What is done with a frame, by its topic and by what became of what it holds."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dingda.gateway.receiver import (
    MAX_BODY_BYTES,
    Ack,
    Busy,
    Delayed,
    Duplicate,
    Invalid,
    Misdirected,
    Stored,
)
from dingda.gateway.stream.dispatcher import Dispatcher, Reaction, topic_of
from dingda.gateway.stream.frames import CARD_ACTION, EVENT, SYSTEM, read_frame
from dingda.gateway.stream.metrics import FrameOutcome, Topic
from dingda.shared.dingtalk.message import Ignored
from dingda.shared.dingtalk.robots import Robot
from tests.support.log_lines import log_lines
from tests.support.stream_server import a_frame

ROBOT = Robot("dinga", app_key="dinga", secrets=("secret",), mode="stream")


class FakeReceiver:
    """Notes what it is given, and says what it is told to."""

    def __init__(self, ack: Ack) -> None:
        self.bodies: list[bytes] = []
        self._ack = ack

    async def receive(self, body: bytes, robot: Robot) -> Ack:
        assert robot == ROBOT
        self.bodies.append(body)
        return self._ack

    async def receive_event(self, headers: Mapping[str, Any], data: bytes, robot: Robot) -> Ack:
        assert (headers["topic"], robot) == ("*", ROBOT)
        return await self.receive(data, robot)

    async def receive_card_action(self, data: bytes, robot: Robot) -> Ack:
        assert robot == ROBOT
        return await self.receive(data, robot)


async def handled(frame: dict[str, Any], ack: Ack | None = None) -> tuple[Reaction, FakeReceiver]:
    receiver = FakeReceiver(ack or Stored())
    dispatcher = Dispatcher(receiver)  # type: ignore[arg-type]
    return await dispatcher.handle(read_frame(json.dumps(frame).encode()), ROBOT), receiver


def code_of(reaction: Reaction) -> int | None:
    if reaction.acknowledgement is None:
        return None
    code: int = json.loads(reaction.acknowledgement)["code"]
    return code


@pytest.mark.parametrize(
    ("ack", "outcome", "code"),
    [
        (Stored(), FrameOutcome.STORED, 200),
        (Delayed(), FrameOutcome.STORED, 200),
        (Duplicate(), FrameOutcome.DUPLICATE, 200),
        (Ignored("own_message"), FrameOutcome.IGNORED, 200),
        (Invalid("msgId is missing"), FrameOutcome.INVALID, 400),
        (Misdirected("another robot's"), FrameOutcome.INVALID, 400),
        (Busy("Redis is away"), FrameOutcome.BUSY, None),
    ],
)
async def test_a_message_is_acknowledged_by_what_became_of_it(
    ack: Ack, outcome: FrameOutcome, code: int | None
) -> None:
    reaction, receiver = await handled(a_frame('{"msgId":"你好"}'), ack)
    assert receiver.bodies == ['{"msgId":"你好"}'.encode()]
    assert (reaction.outcome, code_of(reaction)) == (outcome, code)


async def test_the_acknowledgement_of_what_is_refused_says_why() -> None:
    reaction, _ = await handled(a_frame("{}"), Invalid("msgId is missing"))
    assert reaction.acknowledgement is not None
    assert json.loads(reaction.acknowledgement)["message"] == "msgId is missing"


@pytest.mark.parametrize(
    ("frame", "topic"),
    [
        (a_frame(), Topic.MESSAGE),
        (a_frame(topic="/v1.0/card/instances/callback"), Topic.CARD),
        (a_frame(topic="*", type_=EVENT), Topic.EVENT),
        (a_frame(topic="dingTalk", type_=EVENT), Topic.EVENT),
        (a_frame(topic="ping", type_=SYSTEM), Topic.PING),
        (a_frame(topic="disconnect", type_=SYSTEM), Topic.DISCONNECT),
        (a_frame(topic="KEEPALIVE", type_=SYSTEM), Topic.OTHER),
        (a_frame(topic="/v1.0/graph/api/invoke"), Topic.OTHER),
        (a_frame(topic="ping"), Topic.OTHER),
        (a_frame(type_="OTHER"), Topic.OTHER),
    ],
)
def test_the_topic_is_one_of_a_fixed_list(frame: dict[str, Any], topic: Topic) -> None:
    assert topic_of(read_frame(json.dumps(frame).encode())) is topic


@pytest.mark.parametrize(
    ("ack", "says"),
    [
        (Stored(), '{"status":"SUCCESS"}'),
        (Duplicate(), '{"status":"SUCCESS"}'),
        (Busy("Redis is away"), '{"status":"LATER"}'),
    ],
)
async def test_an_event_is_acknowledged_or_asked_for_again(ack: Ack, says: str) -> None:
    reaction, receiver = await handled(a_frame('{"a":1}', topic="*", type_=EVENT), ack)
    assert receiver.bodies == [b'{"a":1}']
    assert reaction.acknowledgement is not None
    assert json.loads(reaction.acknowledgement)["data"] == says


async def test_a_press_of_a_button_changes_nothing_of_its_card_by_its_acknowledgement() -> None:
    reaction, receiver = await handled(a_frame('{"a":1}', topic=CARD_ACTION))
    assert receiver.bodies == [b'{"a":1}']
    assert reaction.acknowledgement is not None
    response = json.loads(json.loads(reaction.acknowledgement)["data"])["response"]
    # An empty response may show whoever pressed that it failed.
    assert response.pop("cardUpdateOptions")
    nothing: dict[str, Any] = {"cardParamMap": {}}
    assert response == {"cardData": nothing, "userPrivateData": nothing}


async def test_a_press_that_is_not_stored_is_not_acknowledged() -> None:
    reaction, _ = await handled(a_frame(topic=CARD_ACTION), Busy("Redis is away"))
    assert reaction == Reaction(FrameOutcome.BUSY, None)


async def test_a_message_that_http_would_refuse_for_its_size_is_refused() -> None:
    reaction, receiver = await handled(a_frame("x" * (MAX_BODY_BYTES + 1)))
    assert (reaction.outcome, code_of(reaction)) == (FrameOutcome.INVALID, 400)
    assert receiver.bodies == []


async def test_what_nothing_takes_is_acknowledged_and_named_once_in_the_log() -> None:
    with log_lines() as lines:
        reaction, receiver = await handled(a_frame(topic="/v1.0/graph\n/api", type_="CALLBACK"))
    assert (reaction.outcome, code_of(reaction)) == (FrameOutcome.UNKNOWN, 404)
    assert receiver.bodies == []
    assert "\n" not in lines.one("nothing takes")["message"]
