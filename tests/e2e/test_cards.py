"""Cards through the whole bot over Stream: offered, pressed by several people, pushed."""

from collections.abc import Iterator

import pytest

from dingda.simulator.dingtalk.card import Card
from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE
from dingda.simulator.testing.stack import a_running_stack
from dingda.testing import SimulatedDingTalk, Toast, UserMessage, staff_id_of
from tests.e2e import approval_skill


@pytest.fixture(scope="module")
def dingtalk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedDingTalk]:
    folder = tmp_path_factory.mktemp("cards")
    settings = {
        "DINGDA_SKILLS": "tests.e2e.approval_skill",
        "DINGDA_SIMULATOR_MODE": "stream",
        "DINGDA_CARD_TEMPLATE": ACTION_TEMPLATE,
        "DINGDA_CARD_CALLBACK": "stream",
        approval_skill.FILE: str(folder / "called"),
    }
    with a_running_stack(folder, settings) as stack, SimulatedDingTalk.at(stack.url) as dingtalk:
        yield dingtalk


def wait_for_decision(dingtalk: SimulatedDingTalk, card: Card) -> Card:
    """The card once everybody sees that it is decided."""

    def decided() -> Card | None:
        now = dingtalk.card(card.out_track_id)
        return now if now.data["status"] == "decided" else None

    return dingtalk.wait_until(decided)


def test_whoever_may_press_decides_for_everybody_to_see(dingtalk: SimulatedDingTalk) -> None:
    dingtalk.say(UserMessage("审批", sender="张三"))
    (card,) = dingtalk.wait_until(lambda: dingtalk.cards or None)

    refused = dingtalk.press(card, "同意", by="李四")
    assert refused.toast is Toast.SUCCEEDED  # it is stored, whoever pressed
    stranger = staff_id_of("李四")
    dingtalk.wait_until(
        lambda: dingtalk.card(card.out_track_id).private.get(stranger, {}).get("notice")
    )
    dingtalk.press(card, "驳回", by="张三")
    decided = wait_for_decision(dingtalk, card)

    assert decided.data["result"].startswith("张三：驳回（")
    assert decided.seen_by(stranger).buttons == ()


def test_an_approval_goes_to_the_manager_and_both_are_told(dingtalk: SimulatedDingTalk) -> None:
    manager = staff_id_of("王五")
    before = {card.out_track_id for card in dingtalk.cards}
    dingtalk.ask(f"请假 {manager}", sender="张三", single=True)
    card = dingtalk.wait_until(
        lambda: next((each for each in dingtalk.cards if each.out_track_id not in before), None)
    )
    assert [(space.kind, space.id) for space in card.spaces] == [("IM_ROBOT", manager)]

    dingtalk.press(card, "批准", by="王五")

    decided = wait_for_decision(dingtalk, card)
    assert decided.data["result"].endswith("已通知本人")
    said = dingtalk.wait_until(
        lambda: [
            reply.payload
            for record in dingtalk.pushed
            for reply in record.shown
            if "王五批准了" in str(reply.payload)
        ]
    )
    assert len(said) == 1
