"""A card's buttons through the whole bot over HTTP, without a word to DingTalk where they go."""

from pathlib import Path

from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE
from dingda.simulator.testing.stack import a_running_stack
from dingda.testing import SimulatedDingTalk, Toast
from tests.e2e import approval_skill


def test_a_press_reaches_the_gateway_and_everybody_sees_the_decision(tmp_path: Path) -> None:
    settings = {
        "DINGDA_SKILLS": "tests.e2e.approval_skill",
        "DINGDA_CARD_TEMPLATE": ACTION_TEMPLATE,
        approval_skill.FILE: str(tmp_path / "called"),
    }
    with a_running_stack(tmp_path, settings) as stack, SimulatedDingTalk.at(stack.url) as dingtalk:
        dingtalk.ask("审批", sender="张三")
        card = dingtalk.wait_until(lambda: dingtalk.cards)[0]
        assert dingtalk.press(card, "同意", by="张三").toast is Toast.SUCCEEDED
        seen_by_others = dingtalk.wait_until(
            lambda: (
                view
                if "好的" in (view := dingtalk.card(card.out_track_id).seen_by("")).text
                else None
            )
        )
    assert "张三：同意" in seen_by_others.text
    assert seen_by_others.buttons == ()
