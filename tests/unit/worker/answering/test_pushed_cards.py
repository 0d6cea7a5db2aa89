"""A card that is pushed: stored, shown in the target's chat, and pressed by whom it is for."""

from dataclasses import dataclass

import pytest

from dingda.shared.dingtalk.card import ActionButton, Card
from dingda.shared.dingtalk.fields import read_array
from dingda.shared.dingtalk.push import Group, Push, User, read_push
from dingda.skill import ActionContext, Context, Skill
from dingda.testing import Pushes, ask, press


@dataclass(frozen=True)
class Decide:
    staff_id: str
    approved: bool


def leave_skill() -> Skill:
    skill = Skill("leave", summary="请假")

    @skill.command("请假")
    async def ask_for_leave(day: str, ctx: Context) -> str:
        button = ActionButton("同意", Decide(ctx.staff_id, approved=True))
        await ctx.push(User("0002"), Card("请假", f"{day}请假", (button,)))
        return "已经交给你的主管"

    @skill.action(Decide)
    async def decide(decision: Decide, ctx: ActionContext) -> str:
        await ctx.push(User(decision.staff_id), "你的假批了")
        return "已通知本人"

    return skill


async def test_an_approval_goes_to_the_manager_and_both_are_told() -> None:
    skill, pushes = leave_skill(), Pushes()
    await ask(skill, "请假 周五", staff_id="0001", pushes=pushes)
    card = pushes[0].reply
    assert isinstance(card, Card)
    action = card.buttons[0].action

    pressed = await press(skill, action, by="0002", pushes=pushes)

    assert pressed.result == "已通知本人"
    assert pushes[1].target == User("0001")


@pytest.mark.parametrize("target", [User("0002"), Group("cidAAA==")])
def test_a_card_is_the_same_after_the_ledger(target: User | Group) -> None:
    button = ActionButton("同意", Decide("0001", approved=True))
    card = Card("请假", "请假", (button,), allow=("0002",), picture="@lALplot")
    push = Push(target, "key", card)

    robot_code, again = read_push(read_array(push.to_payload("dingrobot")))

    assert (robot_code, again.target) == ("dingrobot", target)
    assert isinstance(again.reply, Card)
    assert isinstance(push.reply, Card)
    assert again.reply.content() == push.reply.content()
