"""On workdays at nine: yesterday's open tickets, with a plot, for the group `ops`."""

from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO

from matplotlib.figure import Figure
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from dingda.skill import (
    Backend,
    BackendConfigError,
    Group,
    HookContext,
    Markdown,
    Skill,
    SkillSettings,
    Tick,
    picture_markdown,
    plain,
)

SERVICE = "工单系统"
TICKETS = Backend(SERVICE, timeout_s=10)


class ReportSettings(SkillSettings):
    """Where the ticket system is."""

    model_config = SettingsConfigDict(env_prefix="ACME_REPORT_")

    url: str = Field(default="http://127.0.0.1:8300", description="The ticket system.")


skill = Skill("morning_report", summary="早报")


@skill.schedule("0 9 * * *", to=Group("ops"), workdays=True)
async def report(tick: Tick, ctx: HookContext, settings: ReportSettings) -> Markdown:
    """What `ops` reads in the morning."""
    answer = await ctx.services.http.json(TICKETS, "GET", f"{settings.url}/open", retries=2)
    if answer.status != HTTPStatus.OK:
        raise BackendConfigError(SERVICE, f"HTTP {answer.status}")
    tickets: dict[str, int] = answer.data
    # matplotlib keeps a CPU busy, and a process can be stopped where a thread can't.
    png = await ctx.in_process(plot, tickets)
    picture = picture_markdown(await ctx.upload(png, "tickets.png"), "各组未处理工单")
    rows = "\n".join(f"- {plain(team)}：{number} 个" for team, number in tickets.items())
    return Markdown("早报", f"### {tick.at:%m-%d} 未处理工单\n\n{rows}\n\n{picture}")


def plot(tickets: Mapping[str, int]) -> bytes:
    """A bar for each team, as PNG; teams are numbered, because few fonts have every name."""
    figure = Figure(figsize=(5, 2.5), layout="constrained")
    axes = figure.subplots()
    bars = axes.bar([str(number) for number in range(1, len(tickets) + 1)], list(tickets.values()))
    axes.bar_label(bars)
    png = BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()
