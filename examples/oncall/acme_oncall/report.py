"""The alerts of the last seven days: forty seconds of work, done once whatever dies meanwhile."""

import asyncio
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Date, NullPool, bindparam, create_engine, text

from acme_oncall.settings import OnCallSettings
from dingda.skill import Context, Markdown, Skill, plain

DAYS = 7
ALERTS = text("SELECT coalesce(sum(alerts), 0) AS alerts FROM alerts WHERE day = :day").bindparams(
    bindparam("day", type_=Date)
)
ORDERED = text("SELECT first_day FROM reports WHERE key = :key").columns(first_day=Date)
COUNTED = text("SELECT day, alerts FROM report_days WHERE key = :key ORDER BY day").columns(
    day=Date
)
ORDER = text(
    "INSERT INTO reports (key, ordered_by, first_day) VALUES (:key, :ordered_by, :first_day) "
    "ON CONFLICT (key) DO NOTHING"
).bindparams(bindparam("first_day", type_=Date))
COUNT = text(
    "INSERT INTO report_days (key, day, alerts) VALUES (:key, :day, :alerts) "
    "ON CONFLICT (key, day) DO NOTHING"
).bindparams(bindparam("day", type_=Date))

skill = Skill("report", summary="出告警周报（约 40 秒）", timeout_s=120)


@skill.command("告警周报", "周报")
async def report(ctx: Context, settings: OnCallSettings) -> Markdown:
    """Count the alerts of each of the last seven days, and show how far the work is.

    A worker may die in the middle. The next one finds under the same key what has been counted, and
    goes on from there.
    """
    key = ctx.idempotency_key
    first = ctx.now.date() - timedelta(DAYS)
    await write(settings, ORDER, {"key": key, "ordered_by": ctx.staff_id, "first_day": first})
    (order,) = await fetch(ctx, settings, ORDERED, {"key": key})
    days = [order["first_day"] + timedelta(n) for n in range(DAYS)]
    rows = await fetch(ctx, settings, COUNTED, {"key": key})
    counted = {row["day"]: row["alerts"] for row in rows}
    for n, day in enumerate(days):
        if day in counted:
            continue
        await ctx.progress(n / DAYS, f"正在统计 {day:%m-%d}（{n + 1}/{DAYS}）")
        counted[day] = await alerts_of(day, ctx, settings)
        await write(settings, COUNT, {"key": key, "day": day, "alerts": counted[day]})
    return shown(counted, ctx)


async def alerts_of(day: date, ctx: Context, settings: OnCallSettings) -> int:
    """Ask the archive how many alerts there were on a day. It is slow: the pause plays that."""
    await asyncio.sleep(settings.seconds_per_day)
    (row,) = await fetch(ctx, settings, ALERTS, {"day": day})
    return int(row["alerts"])


async def fetch(
    ctx: Context, settings: OnCallSettings, statement: Any, values: dict[str, object]
) -> list[dict[str, Any]]:
    """Read some rows."""
    url = settings.database.get_secret_value()
    return list(await ctx.services.databases.fetch("告警库", url, statement, values, limit=DAYS))


async def write(settings: OnCallSettings, statement: Any, values: dict[str, object]) -> None:
    """Write one row, in a thread: the driver blocks."""

    def run() -> None:
        engine = create_engine(settings.database.get_secret_value(), poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(statement, values)

    await asyncio.to_thread(run)


def shown(counted: dict[date, int], ctx: Context) -> Markdown:
    """Show the days as a list, with their sum in the title."""
    total = sum(counted.values())
    rows = "\n".join(f"- {day:%m-%d}：{alerts} 次" for day, alerts in sorted(counted.items()))
    who = plain(ctx.message.sender_nick)
    return Markdown(
        f"七天共 {total} 次告警",
        f"### 告警周报\n\n{who}要的周报，七天共 **{total}** 次：\n\n{rows}",
        at=ctx.mention,
    )
