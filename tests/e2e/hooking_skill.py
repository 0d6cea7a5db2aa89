"""A skill that writes down what its hooks are called for, for tests that break something."""

import asyncio
import os
import signal
from pathlib import Path

from pydantic_settings import SettingsConfigDict

from dingda.skill import CardAction, Event, HookContext, Skill, SkillSettings

skill = Skill("hooking", summary="记下来")


class HookingSettings(SkillSettings):
    model_config = SettingsConfigDict(env_prefix="TESTS_HOOKING_")

    file: Path
    """Where it writes a line for each call: what for, and the idempotency key."""

    def note(self, what: str, ctx: HookContext) -> int:
        """Write a line; returns how many there are of this kind and key."""
        line = f"{what} {ctx.idempotency_key}\n"
        with self.file.open("a") as file:
            file.write(line)
        return self.file.read_text().splitlines(keepends=True).count(line)


@skill.event("chat_add_member")
async def joined(event: Event, ctx: HookContext, settings: HookingSettings) -> None:
    settings.note(f"joined {event.data['userId'][0]}", ctx)


@skill.event("chat_update_title")
def fails_once(ctx: HookContext, settings: HookingSettings) -> None:
    if settings.note("renamed", ctx) == 1:
        raise ValueError


@skill.event("chat_disband")
async def hangs_once(ctx: HookContext, settings: HookingSettings) -> None:
    if settings.note("begun", ctx) == 1:
        await asyncio.Event().wait()
    settings.note("done", ctx)


@skill.event("chat_remove_member")
async def crashes(ctx: HookContext, settings: HookingSettings) -> None:
    settings.note("crashing", ctx)
    os.kill(os.getpid(), signal.SIGKILL)


@skill.card_action("approve", "reject")
async def pressed(action: CardAction, ctx: HookContext, settings: HookingSettings) -> None:
    settings.note(f"{action.action_ids[0]} {action.params['jobId']} by {action.user_id}", ctx)
