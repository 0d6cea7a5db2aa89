"""Approvals on cards whose workers die, whose DingTalk fails, and whose time runs out meanwhile."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dingda.simulator.dingtalk.callback import staff_id_of
from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.testing.processes import clean_environment
from tests.e2e import approval_skill
from tests.faults.conftest import Figure
from tests.faults.openapi_environment import OpenAPIEnvironment, openapi_environment
from tests.support.builders import KEYS
from tests.support.processes import wait_until

NOTICED_WITHIN_S = 40.0
UPDATES = ("/v1.0/card/instances",)
WHO = "张三"


class Approvals:
    """The bot with a skill whose card decides, and what that skill has done."""

    def __init__(self, env: OpenAPIEnvironment, file: Path) -> None:
        self.env = env
        self.dingtalk = env.dingtalk
        self._file = file

    @property
    def calls(self) -> list[str]:
        """The keys with which the action was called."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [line.split()[0] for line in lines]

    def ask(self, text: str = "审批") -> None:
        self.dingtalk.say(UserMessage(text, sender=WHO, single=True))

    def card(self) -> Card:
        """The only card, once it is shown."""
        self.dingtalk.wait_until(lambda: self.dingtalk.cards or None, wait_s=NOTICED_WITHIN_S)
        (card,) = self.dingtalk.cards
        return card

    def wait_for(self, status: str) -> dict[str, str]:
        """Wait until everybody sees the card in a state, and return its variables."""
        wait_until(lambda: self.card().data["status"] == status, within_s=NOTICED_WITHIN_S)
        return dict(self.card().data)

    def expect_decided_once(self) -> None:
        """One card in one place, one decision, one effect."""
        card = self.card()
        assert [space.times for space in card.spaces] in ([1], [2])
        assert len(set(self.calls)) == 1
        assert card.data["result"].startswith(f"{WHO}：同意（")
        assert card.data["buttons"] == "[]"


@pytest.fixture
def approvals(tmp_path: Path) -> Iterator[Approvals]:
    file = tmp_path / "called"
    settings = {
        "DINGDA_SKILLS": "tests.e2e.approval_skill",
        "DINGDA_CARD_TEMPLATE": ACTION_TEMPLATE,
        approval_skill.FILE: str(file),
    }
    with openapi_environment(tmp_path, simulator=None, **settings) as env:
        parts = urlsplit(env.address)
        command = [sys.executable, "-m", "dingda", "cards", "register"]
        subprocess.run(
            [*command, "--url", f"{parts.scheme}://{parts.netloc}/card"],
            env=clean_environment() | dict(env.settings),
            check=True,
        )
        yield Approvals(env, file)


@contextmanager
def dying(env: OpenAPIEnvironment, place: str) -> Iterator[Any]:
    with env.worker(DINGDA_FAILPOINTS=f"{place}=kill") as doomed:
        yield doomed


@pytest.mark.slow
@pytest.mark.fault("F93")
@pytest.mark.parametrize("place", ["after-lease", "after-card", "after-delivery"])
def test_a_worker_that_is_killed_over_a_card_leaves_one_card(
    place: str, approvals: Approvals, figure: Figure
) -> None:
    env = approvals.env
    with dying(env, place) as doomed:
        approvals.ask()
        doomed.wait(within_s=30)
    with env.worker():
        noticed_s = env.took_s(lambda: env.counts().answered, within_s=NOTICED_WITHIN_S)
        press = approvals.dingtalk.press(approvals.card(), "同意", by=WHO)
        assert press.status == 200
        approvals.wait_for("decided")
        env.expect_ends(answered=2)
    approvals.expect_decided_once()
    figure(f"killed {place}: one card, answered after", f"{noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F94")
@pytest.mark.parametrize(
    "place", ["after-lease", "after-decision", "after-action", "after-conclusion"]
)
def test_a_worker_that_is_killed_over_a_press_leaves_one_decision(
    place: str, approvals: Approvals, figure: Figure
) -> None:
    env = approvals.env
    with env.worker():
        approvals.ask()
        card = approvals.card()
        env.expect_ends(answered=1)
    with dying(env, place) as doomed:
        assert approvals.dingtalk.press(card, "同意", by=WHO).status == 200
        doomed.wait(within_s=30)
    with env.worker():
        noticed_s = env.took_s(
            lambda: (
                approvals.card().data["status"] == "decided"
                and approvals.card().data["result"].endswith("好的")
            ),
            within_s=NOTICED_WITHIN_S,
        )
        env.expect_ends(answered=2)
    approvals.expect_decided_once()
    figure(f"killed {place}: everybody sees the decision after", f"{noticed_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F95")
@pytest.mark.parametrize("fault", [OpenAPIFault.QPS, OpenAPIFault.FAIL, OpenAPIFault.LOST])
def test_a_card_that_can_not_be_changed_for_now_is_changed_later(
    fault: OpenAPIFault, approvals: Approvals, figure: Figure
) -> None:
    env = approvals.env
    with env.worker():
        approvals.ask()
        card = approvals.card()
        with approvals.dingtalk.openapi_faults(fault, apis=UPDATES, count=2):
            approvals.dingtalk.press(card, "同意", by=WHO)
            shown_s = env.took_s(
                lambda: approvals.card().data["status"] == "decided", within_s=60.0
            )
        env.expect_ends(answered=2)
    approvals.expect_decided_once()
    figure(f"two calls {fault}: the decision is shown after", f"{shown_s:.1f} s")


@pytest.mark.slow
@pytest.mark.fault("F95")
def test_redis_away_in_the_middle_of_an_approval_loses_no_decision(approvals: Approvals) -> None:
    env = approvals.env
    with env.worker():
        approvals.ask()
        card = approvals.card()
        env.expect_ends(answered=1)
        env.server.kill()
        assert approvals.dingtalk.press(card, "同意", by=WHO).status == 503
        env.server.start()
        assert approvals.dingtalk.press(card, "同意", by=WHO).status == 200
        approvals.wait_for("decided")
        env.expect_ends(answered=2)
    approvals.expect_decided_once()


@pytest.mark.slow
@pytest.mark.fault("F19")
def test_a_press_that_is_under_way_when_redis_fills_up_is_carried_out_once(
    approvals: Approvals,
) -> None:
    env = approvals.env
    with env.worker(**{approval_skill.SLEEP: "3"}):
        approvals.ask()
        card = approvals.card()
        env.expect_ends(answered=1)
        assert approvals.dingtalk.press(card, "同意", by=WHO).status == 200
        wait_until(lambda: approvals.calls)
        env.fill_redis()
        env.expect_ends(answered=2)
        approvals.wait_for("decided")
    approvals.expect_decided_once()
    assert len(approvals.calls) == 1


@pytest.mark.slow
@pytest.mark.fault("F96")
def test_a_card_whose_time_runs_out_while_nobody_works_says_so_once(
    approvals: Approvals, figure: Figure
) -> None:
    env = approvals.env
    with env.worker():
        approvals.ask("审批 3")
        card = approvals.card()
        env.expect_ends(answered=1)
    with env.server.client() as client:
        assert client.zcard(KEYS.cards) == 1
    with env.worker(), env.worker():
        shown_s = env.took_s(
            lambda: approvals.card().data["status"] == "expired", within_s=NOTICED_WITHIN_S
        )
        late = approvals.dingtalk.press(card, "dingda-1", by=WHO, params=card_params(card))
        assert late.status == 200
        env.expect_ends(answered=1, refused=1)
    assert approvals.calls == []
    with env.server.client() as client:
        assert client.zcard(KEYS.cards) == 0
    figure("says that it is over after the workers are back", f"{shown_s:.1f} s")


def card_params(card: Card) -> dict[str, Any]:
    """What the first button carried while it was there."""
    button = card.seen_by(staff_id_of(WHO)).buttons[0]
    return dict(button.params or {})
