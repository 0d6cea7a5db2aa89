"""Who is on call: names and phone numbers from a table, for the sender alone."""

from datetime import date
from typing import Annotated

from sqlalchemy import Date, bindparam, text

from acme_oncall.settings import OnCallSettings
from dingda.skill import Context, Question, RefusalError, Skill
from dingda.slots import Day

MOST_DAYS = 14
TEAMS = text("SELECT DISTINCT team FROM duty WHERE day >= :day ORDER BY team").bindparams(
    bindparam("day", type_=Date)
)
ON_DUTY = (
    text(
        "SELECT day, name, phone FROM duty "
        "WHERE team = :team AND day BETWEEN :first AND :last ORDER BY day"
    )
    .bindparams(bindparam("first", type_=Date), bindparam("last", type_=Date))
    .columns(day=Date)
)
WEEKDAYS = "一二三四五六日"

skill = Skill("duty", summary="查值班，如：值班 支付组 周六", private=True)


@skill.command("值班", pattern="是?谁值班|值班的?是谁")
async def duty(
    day: Day | None, team: Annotated[str | None, "组"], ctx: Context, settings: OnCallSettings
) -> str | Question:
    """Tell who is on call; the team is asked for where it is missing or could be several."""
    await admit(ctx, settings)
    days = list(day.dates) if day else [ctx.now.date()]
    rows = await ctx.services.databases.fetch(
        "值班表", settings.database.get_secret_value(), TEAMS, {"day": ctx.now.date()}, limit=200
    )
    teams = [row["team"] for row in rows]
    meant = [each for each in teams if team in each or each in team] if team else teams
    if team in teams:
        meant = [team]
    if len(meant) == 1:
        return await on_duty(meant[0], days, ctx, settings)
    if not teams:
        raise RefusalError("值班表是空的")
    asked = f"没有叫「{team}」的组，查哪个组？" if not meant else "查哪个组？"
    return Question(
        asked,
        choices=tuple(meant or teams)[:20],
        then=duty_of,
        keep={"first": days[0].isoformat(), "last": days[-1].isoformat()},
    )


@skill.step
async def duty_of(team: Annotated[str, "组"], ctx: Context, settings: OnCallSettings) -> str:
    """Tell who of the chosen team is on call on the days that were asked for."""
    await admit(ctx, settings)
    days = [date.fromisoformat(ctx.kept[end]) for end in ("first", "last")]
    return await on_duty(team, days, ctx, settings)


async def admit(ctx: Context, settings: OnCallSettings) -> None:
    """Let the sender pass, by userid or by department.

    Raises:
        RefusalError: if the sender may see no phone numbers.
    """
    if not ctx.staff_id:
        raise RefusalError("只有本公司的同事可以查值班")
    if not settings.may_ask and not settings.departments:
        return
    if ctx.staff_id in settings.may_ask:
        return
    book = ctx.services.dingtalk
    sender = await book.person(ctx.staff_id) if book and settings.departments else None
    if sender is None or settings.departments.isdisjoint(sender.department_ids):
        raise RefusalError("只有值班的部门可以查值班电话")


async def on_duty(team: str, days: list[date], ctx: Context, settings: OnCallSettings) -> str:
    """Say who of a team is on call from the first of the days to the last.

    Raises:
        RefusalError: if the table has nobody then.
    """
    rows = await ctx.services.databases.fetch(
        "值班表",
        settings.database.get_secret_value(),
        ON_DUTY,
        {"team": team, "first": days[0], "last": days[-1]},
        limit=MOST_DAYS,
    )
    if not rows:
        raise RefusalError(f"{team} {shown(days[0])}还没有排班")
    lines = [f"{shown(row['day'])}：{row['name']} {row['phone']}" for row in rows]
    return "\n".join([f"{team}值班", *lines])


def shown(day: date) -> str:
    """Show a day as `11-28 周六`."""
    return f"{day:%m-%d} 周{WEEKDAYS[day.weekday()]}"
