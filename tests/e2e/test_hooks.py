"""Events and presses from DingTalk's Stream to a skill's hooks, through all processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from dingda.simulator.dingtalk.stream_pushes import PushRecord
from dingda.simulator.testing.simulated_dingtalk import SimulatedDingTalk
from dingda.simulator.testing.stack import a_running_stack
from tests.support.processes import wait_until


@dataclass(frozen=True)
class Bot:
    """A bot in Stream mode, and what its hooks have written down."""

    dingtalk: SimulatedDingTalk
    file: Path

    @property
    def called(self) -> list[str]:
        """What hooks were called for, in order, each with its key."""
        return self.file.read_text().splitlines() if self.file.exists() else []

    def calls_for(self, what: str, count: int = 1) -> list[str]:
        """Wait for so many calls of a hook, and return all of them."""

        def found() -> list[str]:
            return [line for line in self.called if line.startswith(what)]

        wait_until(lambda: len(found()) >= count)
        return found()

    def delivered(self, push: PushRecord, times: int) -> PushRecord:
        """Wait until a push has been delivered so many times."""
        wait_until(lambda: self.dingtalk.stream.look(push).deliveries >= times)
        return self.dingtalk.stream.look(push)


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("hooks")
    settings = {
        "DINGDA_SIMULATOR_MODE": "stream",
        "DINGDA_SIMULATOR_STREAM_REDELIVER_S": "0.5",
        "DINGDA_SKILLS": "tests.e2e.hooking_skill",
        "TESTS_HOOKING_FILE": str(folder / "called"),
    }
    with a_running_stack(folder, settings) as stack, SimulatedDingTalk.at(stack.url) as dingtalk:
        wait_until(
            lambda: httpx.get(f"{stack.url}/api/stream", trust_env=False).json()["connections"]
        )
        yield Bot(dingtalk, folder / "called")


def test_an_event_calls_its_hook_once_and_is_acknowledged_as_a_success(bot: Bot) -> None:
    push = bot.dingtalk.stream.push_event("chat_add_member", {"userId": ["one"]})
    assert len(bot.calls_for("joined one")) == 1
    assert [ack.data for ack in push.acks] == [{"status": "SUCCESS"}]


def test_an_event_that_is_pushed_again_calls_it_once_all_the_same(bot: Bot) -> None:
    with bot.dingtalk.stream.faults(lost_acks=1):
        push = bot.dingtalk.stream.push_event("chat_add_member", {"userId": ["two"]})
        assert bot.delivered(push, 2).undelivered is None
    bot.dingtalk.stream.push_event("chat_add_member", {"userId": ["three"]})
    bot.calls_for("joined three")
    assert len(bot.calls_for("joined two")) == 1


def test_a_press_that_is_delivered_again_calls_the_hook_of_its_button_once(bot: Bot) -> None:
    press = {"outTrackId": "card1", "userId": "0001", "params": {"jobId": "42"}}
    with bot.dingtalk.stream.faults(lost_acks=1):
        push = bot.dingtalk.stream.push_card_callback(**press, actionIds=["approve"])
        acks = bot.delivered(push, 2).acks
    # An update that changes nothing: at an empty response clients show a failure.
    assert acks[-1].data["response"]["cardData"] == {"cardParamMap": {}}
    bot.dingtalk.stream.push_card_callback(**press, actionIds=["reject"])
    bot.calls_for("reject 42 by 0001")
    assert len(bot.calls_for("approve 42 by 0001")) == 1


def test_a_hook_that_fails_is_called_again_with_the_same_key(bot: Bot) -> None:
    bot.dingtalk.stream.push_event("chat_update_title")
    first, second = bot.calls_for("renamed", 2)
    assert first == second


def test_an_event_that_nobody_hooks_is_acknowledged_as_a_success(bot: Bot) -> None:
    push = bot.dingtalk.stream.push_event("org_dept_create")
    assert [ack.data for ack in push.acks] == [{"status": "SUCCESS"}]
