"""The skill's tests: no Redis, no network, no DingTalk."""

from datetime import datetime

from acme_approvals import Decide, skill

from dingda.skill import CHINA, Card, Person, Text, User
from dingda.testing import Outcome, People, Pushes, ask, press

PEOPLE = People(
    Person("0001", "张三", manager_staff_id="0002"),
    Person("0002", "李四"),
)
SATURDAY = datetime(2026, 11, 28, 10, tzinfo=CHINA)
YES = Decide("0001", "12月04日", approved=True)


async def the_card() -> Card:
    """The card that the manager gets for `请假 周五`."""
    pushes = Pushes()
    reply = await ask(skill, "请假 周五", dingtalk=PEOPLE, now=SATURDAY, pushes=pushes)
    assert reply == Text("已请主管审批：12月04日")
    (push,) = pushes
    assert push.target == User("0002")
    assert isinstance(push.reply, Card)
    return push.reply


async def test_the_manager_gets_a_card_with_two_buttons() -> None:
    card = await the_card()
    assert [button.title for button in card.buttons] == ["同意", "驳回"]
    assert card.buttons[0].action == YES


async def test_the_applicant_and_the_card_tell_what_was_decided() -> None:
    pushes = Pushes()
    pressed = await press(skill, YES, by="0002", dingtalk=PEOPLE, pushes=pushes)
    assert pressed.result == "已通知申请人：同意"
    (push,) = pushes
    assert (push.target, push.reply) == (User("0001"), Text("李四同意了你 12月04日 的请假"))


async def test_a_refusal_is_told_as_well() -> None:
    pushes = Pushes()
    no = Decide("0001", "12月04日", approved=False)
    await press(skill, no, by="0002", dingtalk=PEOPLE, pushes=pushes)
    assert pushes[0].reply == Text("李四驳回了你 12月04日 的请假")


async def test_nobody_else_decides() -> None:
    card = Card("请假", "张三请假", (await the_card()).buttons, allow=("0002",))
    pressed = await press(skill, YES, by="0003", card=card, dingtalk=PEOPLE)
    assert pressed.completion.outcome is Outcome.DECLINED


async def test_somebody_without_a_manager_is_told_whom_to_ask() -> None:
    reply = await ask(skill, "请假 周五", staff_id="0002", dingtalk=PEOPLE, now=SATURDAY)
    assert isinstance(reply, Text)
    assert reply.content == "通讯录里没有你的主管，请联系人事"


async def test_the_day_is_asked_for() -> None:
    reply = await ask(skill, "请假", dingtalk=PEOPLE, now=SATURDAY)
    assert isinstance(reply, Text)
    assert "日期" in reply.content
