"""Several robots of one simulated DingTalk, each with its own secret, on the real stack."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stack import a_running_stack

ROBOTS = [
    {
        "name": name,
        "app_key": f"ding{colour}",
        "secret": f"secret-{colour}",
        "skills": [f"tests.e2e.{colour}_skill"],
    }
    for name, colour in (("小红", "red"), ("小蓝", "blue"))
]
OF_ONE_ROBOT = (
    "DINGDA_APP_SECRET",
    "DINGDA_APP_KEY",
    "DINGDA_CARD_TEMPLATE",
    "DINGDA_CARD_CALLBACK",
)
"""What the stack sets, and robots of a file have of their own."""


@pytest.fixture(params=["http", "stream"])
def several(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SimulatedDingTalk]:
    settings = {
        **dict.fromkeys(OF_ONE_ROBOT, ""),
        "DINGDA_ROBOTS": json.dumps([robot | {"mode": request.param} for robot in ROBOTS]),
        "DINGDA_SIMULATOR_MODE": request.param,
    }
    with (
        a_running_stack(tmp_path, settings) as stack,
        SimulatedDingTalk.at(stack.url) as dingtalk,
    ):
        yield dingtalk


def test_each_robot_is_spoken_to_with_its_own_secret_and_answers_with_its_own_skills(
    several: SimulatedDingTalk,
) -> None:
    if several.stream.state.mode == "stream":
        several.wait_until(lambda: len(several.stream.state.connections) == len(ROBOTS))
    answers = {
        robot: [
            reply.payload["text"]["content"]
            for reply in several.ask("问", robot=robot, single=True).shown
            if reply.payload
        ]
        for robot in ("", "小红", "小蓝", "dingblue")
    }
    assert answers == {
        "": ["红的答案"],
        "小红": ["红的答案"],
        "小蓝": ["蓝的答案"],
        "dingblue": ["蓝的答案"],
    }


def test_each_robot_answers_in_its_own_single_chat_with_a_token_of_its_own(
    several: SimulatedDingTalk,
) -> None:
    if several.stream.state.mode == "stream":
        several.wait_until(lambda: len(several.stream.state.connections) == len(ROBOTS))
    records = {robot: several.ask("问", robot=robot) for robot in ("小红", "小蓝")}
    assert [record.text for record in records.values()] == ["结果已私聊发给你"] * 2
    answers = several.pushed_after(records["小红"], to="张三", count=2)
    assert [(answer.said.robot, answer.text) for answer in answers] == [
        ("", "红的答案"),
        ("小蓝", "蓝的答案"),
    ]
