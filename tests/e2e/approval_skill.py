"""A skill whose card decides; each call of its action is a line of a file, with its key."""

import os
import time
from dataclasses import dataclass

from dingda.skill import ActionButton, ActionContext, Card, Context, Skill, User

FILE = "TESTS_APPROVAL_FILE"
SLEEP = "TESTS_APPROVAL_S"
skill = Skill("approval", summary="审批")


@dataclass(frozen=True)
class Decide:
    approved: bool


@skill.command("审批")
def offer(ctx: Context, seconds: int = 3600) -> Card:
    buttons = (
        ActionButton("同意", Decide(approved=True)),
        ActionButton("驳回", Decide(approved=False)),
    )
    return Card("审批", f"由 {ctx.staff_id} 处理", buttons, expires_s=seconds)


@dataclass(frozen=True)
class Grant:
    staff_id: str


@skill.command("请假")
async def ask_for_leave(manager: str, ctx: Context) -> str:
    card = Card("请假", "周五请假", (ActionButton("批准", Grant(ctx.staff_id)),))
    await ctx.push(User(manager), card)
    return "已经交给你的主管"


@skill.action(Grant)
async def grant(granted: Grant, ctx: ActionContext) -> str:
    await ctx.push(User(granted.staff_id), f"{ctx.name}批准了")
    return "已通知本人"


@skill.action(Decide)
def decide(decision: Decide, ctx: ActionContext) -> str:
    with open(os.environ[FILE], "a", encoding="utf-8") as file:  # noqa: PTH123 - as short as it is
        file.write(f"{ctx.idempotency_key} {ctx.staff_id} {decision.approved}\n")
    time.sleep(float(os.environ.get(SLEEP, "0")))
    return "好的"
