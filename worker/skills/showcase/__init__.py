"""More than one reply: a question back, an approval, an answer that grows, a pushed plot."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Literal

from dingda.skill import (
    ActionButton,
    Card,
    Context,
    Markdown,
    Question,
    RefusalError,
    Skill,
    User,
    picture_markdown,
    plain,
)
from dingda.worker.skills.showcase.bars import bar_chart

skill = Skill("showcase", summary="看看追问、审批、边想边答和推送")

Tea = Annotated[Literal["红茶", "绿茶"], "茶"]
Sugar = Annotated[Literal["无糖", "三分糖", "七分糖"], "甜度"]
_STORY = (
    "## 守株待兔\n\n",
    "宋国有个农夫，田里有一截树桩。\n\n",
    "一天，一只兔子跑来，撞在树桩上，死了。\n\n",
    "从此他放下锄头，天天守着树桩，**再也没等到兔子**。\n",
)
_PAUSE_S = 1.2
_SLOW_S = 8.0
_VISITS = (120, 90, 140, 135, 160)


@skill.command("下午茶")
async def tea(ctx: Context) -> Question:
    """A dialogue: two questions, and what was chosen at first is kept."""
    return Question(ctx.localize("喝什么？"), choices=("红茶", "绿茶"), then=choose_tea)


@skill.step
async def choose_tea(tea: Tea, ctx: Context) -> Question:
    """The first answer, which leads to the second question."""
    return Question(
        ctx.localize(f"{tea}，几分糖？"),
        choices=("无糖", "三分糖", "七分糖"),
        then=choose_sugar,
        keep={"tea": tea},
    )


@skill.step
async def choose_sugar(sugar: Sugar, ctx: Context) -> str:
    """The second answer, which ends the dialogue."""
    return ctx.localize(f"好的：{ctx.kept['tea']}，{sugar}")


@dataclass(frozen=True)
class Decide:
    """What the buttons of a claim carry."""

    amount: int
    approved: bool


@skill.command("报销")
async def claim(amount: Annotated[int, "金额"], ctx: Context) -> Card:
    """An approval: the sender's manager decides on a card, which everybody sees."""
    person = ctx.services.dingtalk and await ctx.services.dingtalk.person(ctx.staff_id)
    if not (person and person.manager_staff_id):
        raise RefusalError(ctx.localize("通讯录里没有你的主管"))
    return Card(
        title=ctx.localize("报销"),
        text=ctx.localize(f"**{plain(person.name)}** 申请报销 {amount} 元"),
        buttons=(
            ActionButton(ctx.localize("同意"), Decide(amount, approved=True)),
            ActionButton(ctx.localize("驳回"), Decide(amount, approved=False)),
        ),
        allow=(person.manager_staff_id,),
    )


@skill.action(Decide)
async def decide(decision: Decide) -> str:
    """What comes of the manager's press."""
    return f"{decision.amount} 元周五到账" if decision.approved else "请补一张发票"


@skill.command("讲故事")
async def tell(ctx: Context) -> None:
    """An answer that grows while it is made."""
    async with ctx.stream() as answer:
        for told, part in enumerate(_STORY, 1):
            await answer.write(ctx.localize(part))
            await ctx.progress(told / len(_STORY), ctx.localize(f"讲到第 {told} 段"))
            await asyncio.sleep(_PAUSE_S)


@skill.command("慢慢来")
async def take_time(ctx: Context) -> str:
    """A slow look-up: long enough to kill the worker in the middle of it."""
    await asyncio.sleep(_SLOW_S)
    return ctx.localize(f"慢工出细活：用了 {_SLOW_S:g} 秒")


@skill.command("画图")
async def draw(ctx: Context) -> str:
    """A plot that the skill makes, pushed to the sender's single chat."""
    png = await asyncio.to_thread(bar_chart, _VISITS)
    picture = picture_markdown(await ctx.upload(png, "visits.png"), ctx.localize("访问量"))
    await ctx.push(User(ctx.staff_id), Markdown(ctx.localize("访问量"), picture))
    return ctx.localize("画好了，在我们的单聊里")
