"""A skill whose card decides; each call of its action is a line of a file, with its key."""

import os
import time
from dataclasses import dataclass

from dingda.skill import ActionButton, ActionContext, Card, Context, Skill

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


@skill.action(Decide)
def decide(decision: Decide, ctx: ActionContext) -> str:
    with open(os.environ[FILE], "a", encoding="utf-8") as file:  # noqa: PTH123 - as short as it is
        file.write(f"{ctx.idempotency_key} {ctx.staff_id} {decision.approved}\n")
    time.sleep(float(os.environ.get(SLEEP, "0")))
    return "好的"
