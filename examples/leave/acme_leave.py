"""How many days of leave somebody has left, from the company's HR service."""

from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from dingda.skill import Backend, BackendConfigError, Context, RefusalError, Skill, SkillSettings

Kind = Literal["年假", "病假", "调休"]
SERVICE = "人事系统"
HR = Backend(SERVICE, at_once=20, timeout_s=5)


class LeaveSettings(SkillSettings):
    """Where the HR service is; `dingda settings` lists these too."""

    model_config = SettingsConfigDict(env_prefix="ACME_LEAVE_")

    url: str = Field(default="http://127.0.0.1:8200", description="The HR service.")
    token: SecretStr = Field(default=SecretStr(""), description="Its bearer token.")


skill = Skill("leave", summary="查剩余假期", private=True)


@skill.command("假期", "leave", pattern="(?P<taken>还有(多少|几)天)(?:年假|病假|调休|假)")
async def leave(
    kind: Annotated[Kind | None, "假期种类"],
    ctx: Context,
    settings: LeaveSettings,
) -> str:
    """Days left of one kind of leave, of annual leave unless named."""
    if not ctx.staff_id:
        raise RefusalError("钉钉没有告诉我你是谁，等机器人上线后再试")
    kind = kind or "年假"
    answer = await ctx.services.http.json(
        HR,
        "GET",
        f"{settings.url}/leave",
        params={"staff_id": ctx.staff_id, "kind": kind},
        headers={"authorization": f"Bearer {settings.token.get_secret_value()}"},
        retries=1,
        shared=False,  # looked up for a person
    )
    if answer.status != HTTPStatus.OK:
        raise BackendConfigError(SERVICE, f"HTTP {answer.status}")
    return ctx.localize(f"你还有 {answer.data['days']} 天{kind}")
