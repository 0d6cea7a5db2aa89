"""The simulator takes the cards of DingTalk's own SDK, which was written for the real one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import Card, CardState
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.errors import RequestRejectedError
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stream_simulator import a_stream_simulator

ROOT = Path(__file__).parents[2]
SENDER = "李四"


@pytest.fixture(scope="module", params=[False, True], ids=["group", "single"])
def cards(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> list[Card]:
    """The growing card, the failed one and the one with a button, in the group or alone."""
    with (
        a_stream_simulator(tmp_path_factory.mktemp("simulator")) as simulator,
        SimulatedDingTalk.at(simulator.url) as dingtalk,
    ):
        with pytest.raises(RequestRejectedError, match="No Stream connection"):
            dingtalk.say(UserMessage("天气", sender=SENDER, single=request.param))
        (record,) = dingtalk.records()
        environment = {
            "CLIENT_ID": simulator.client_id,
            "CLIENT_SECRET": simulator.client_secret,
            "DINGTALK_OPENAPI_ENDPOINT": simulator.openapi_url,
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.official_card_sdk", json.dumps(record.callback)],
            env=os.environ | environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [dingtalk.card(card_id) for card_id in done.stdout.split()]


def test_a_text_grows_to_its_end(cards: list[Card]) -> None:
    assert (cards[0].state, cards[0].frames, cards[0].seen_by("").text) == (
        CardState.FINISHED,
        2,
        "# 一二三",
    )


def test_a_failure_is_shown(cards: list[Card]) -> None:
    assert cards[1].state is CardState.FAILED


def test_a_button_is_drawn_and_the_sender_mentioned(cards: list[Card]) -> None:
    card = cards[2]
    assert [button.action_id for button in card.seen_by("").buttons] == ["approve"]
    (space,) = card.spaces
    assert space.notified == ((staff_id_of(SENDER),) if space.kind == "IM_GROUP" else ())
