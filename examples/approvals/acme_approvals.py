"""Leave that the manager approves by a button on a card; the card and both of them show it."""

from dataclasses import dataclass

from dingda.skill import (
    ActionButton,
    ActionContext,
    Card,
    Context,
    Person,
    RefusalError,
    Skill,
    User,
    plain,
)
from dingda.slots import Day

skill = Skill("approvals", summary="请假，如：请假 周五")


@dataclass(frozen=True)
class Decide:
    """What a button of the card carries: ids, and what it decides."""

    staff_id: str
    day: str
    approved: bool


@skill.command("请假")
async def ask_for_leave(day: Day, ctx: Context) -> str:
    """Ask the sender's manager for a day off."""
    person = await _sender(ctx)
    date = f"{day.first:%m月%d日}"
    await ctx.push(
        User(person.manager_staff_id),
        Card(
            title=f"{person.name}请假",
            text=f"**{plain(person.name)}** 想在 {date} 请假",
            buttons=(
                ActionButton("同意", Decide(ctx.staff_id, date, approved=True)),
                ActionButton("驳回", Decide(ctx.staff_id, date, approved=False)),
            ),
        ),
    )
    return ctx.localize(f"已请主管审批：{date}")


@skill.action(Decide)
async def decide(decision: Decide, ctx: ActionContext) -> str:
    """Tell both what the manager has decided: one by a push, the other on the card."""
    verb = "同意" if decision.approved else "驳回"
    await ctx.push(User(decision.staff_id), f"{ctx.name}{verb}了你 {decision.day} 的请假")
    return f"已通知申请人：{verb}"


async def _sender(ctx: Context) -> Person:
    """The sender, with a manager.

    Raises:
        RefusalError: if DingTalk names neither.
    """
    book = ctx.services.dingtalk
    person = await book.person(ctx.staff_id) if book and ctx.staff_id else None
    if person is None:
        raise RefusalError("钉钉没有告诉我你是谁，请联系管理员")
    if not person.manager_staff_id:
        raise RefusalError("通讯录里没有你的主管，请联系人事")
    return person
