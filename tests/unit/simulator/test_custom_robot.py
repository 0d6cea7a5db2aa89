"""The simulated DingTalk has a custom robot, whose messages the page shows."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from dingda.shared.dingtalk.signature import sign
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.custom_robot import CHAT, CustomRobot, KnownRobot
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.http.app import create_app, custom_robot_route
from dingda.simulator.http.callback_sender import CallbackSender
from dingda.simulator.http.delivery import Delivery
from tests.support.simulator_harness import CALLBACK_URL, ROBOTS, SIMULATOR_URL, Clock

TOLD = {"msgtype": "text", "text": {"content": "3 条消息没有得到回答"}}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dingtalk(clock: Clock) -> Simulation:
    return Simulation(robots=ROBOTS, public_url=SIMULATOR_URL, now_ms=clock)


async def post(dingtalk: Simulation, clock: Clock, query: str, *, secret: str = "") -> Any:
    robot = CustomRobot(dingtalk, secret=secret, now_ms=clock)
    changes = ChangeNotifier()
    app = create_app(
        dingtalk=dingtalk,
        delivery=Delivery(dingtalk, CallbackSender(CALLBACK_URL), changes),
        changes=changes,
        routes=[custom_robot_route(robot, changes)],
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=SIMULATOR_URL) as client:
        return (await client.post(f"/robot/send?{query}", json=TOLD)).json()


async def test_a_message_is_shown_in_a_group_of_its_own(dingtalk: Simulation, clock: Clock) -> None:
    assert await post(dingtalk, clock, "access_token=abc") == {"errcode": 0, "errmsg": "ok"}
    (record,) = dingtalk.records.since(0)
    assert (record.said.group, record.said.single) == (CHAT, False)
    assert [json.dumps(reply.payload) for reply in record.replies] == [json.dumps(TOLD)]


@pytest.mark.parametrize(
    ("query", "errcode"),
    [("", 300005), ("access_token=abc", 310000), ("access_token=abc&timestamp=1&sign=x", 310000)],
)
async def test_one_without_token_or_signature_is_refused(
    dingtalk: Simulation, clock: Clock, query: str, errcode: int
) -> None:
    answer = await post(dingtalk, clock, query, secret="SECret")
    assert answer["errcode"] == errcode
    assert not dingtalk.records.since(0)


async def test_one_that_is_signed_is_taken(dingtalk: Simulation, clock: Clock) -> None:
    signature = quote(sign(str(clock()), "SECret"), safe="")
    query = f"access_token=abc&timestamp={clock()}&sign={signature}"
    assert (await post(dingtalk, clock, query, secret="SECret"))["errcode"] == 0


async def test_the_twenty_first_in_a_minute_is_refused(dingtalk: Simulation, clock: Clock) -> None:
    robot = CustomRobot(dingtalk, secret="", now_ms=clock)
    body = json.dumps(TOLD).encode()
    verdicts = [
        robot.receive({"access_token": "abc"}, content_type="application/json", body=body).errcode
        for _ in range(21)
    ]
    assert verdicts == [0] * 20 + [130101]


async def test_each_robot_has_minutes_of_its_own(dingtalk: Simulation, clock: Clock) -> None:
    robot = CustomRobot(dingtalk, secret="", now_ms=clock)
    errcodes = [
        robot.receive(
            {"access_token": token}, content_type="application/json", body=json.dumps(TOLD).encode()
        ).errcode
        for token in ("abc", "def")
        for _ in range(20)
    ]
    assert errcodes == [0] * 40


async def test_a_robot_may_have_a_secret_of_its_own(dingtalk: Simulation, clock: Clock) -> None:
    known = {"abc": KnownRobot("运维", "SECret")}
    robot = CustomRobot(dingtalk, secret="", now_ms=clock, known=known)
    body = json.dumps(TOLD).encode()
    errcodes = [
        robot.receive({"access_token": token}, content_type="application/json", body=body).errcode
        for token in ("abc", "def")
    ]
    assert errcodes == [310000, 0]


async def test_a_message_with_an_id_is_shown_and_counted_once(
    dingtalk: Simulation, clock: Clock
) -> None:
    counted: list[None] = []
    robot = CustomRobot(dingtalk, secret="", now_ms=clock, count=lambda: counted.append(None))
    body = json.dumps({**TOLD, "msgUuid": "of one push"}).encode()
    for token in ("abc", "abc", "def"):
        robot.receive({"access_token": token}, content_type="application/json", body=body)
    assert (len(dingtalk.records.since(0)), len(counted)) == (2, 2)


async def test_the_robot_of_a_group_that_the_bot_names_speaks_in_a_group_of_that_name(
    dingtalk: Simulation, clock: Clock
) -> None:
    robot = CustomRobot(
        dingtalk, secret="SECret", now_ms=clock, known={"abc": KnownRobot("运维", "")}
    )
    body = json.dumps(TOLD).encode()
    robot.receive({"access_token": "abc"}, content_type="application/json", body=body)
    assert [record.said.group for record in dingtalk.records.since(0)] == ["运维"]
