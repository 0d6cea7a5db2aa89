"""The help skill: what the bot can do, taken from the skills themselves."""

import json
from collections.abc import Sequence
from typing import Annotated

from dingda.shared.dingtalk.markdown import plain
from dingda.shared.dingtalk.reply import Markdown
from dingda.shared.texts import (
    DID_YOU_MEAN,
    HELP_ALIASES,
    HELP_HINT,
    HELP_MORE,
    HELP_OTHERS,
    HELP_TITLE,
    HELP_USAGE,
    NO_SUCH_COMMAND,
)
from dingda.worker.answering.permissions import refusal_of
from dingda.worker.answering.routing import HELP
from dingda.worker.errors import ClarificationNeeded, RefusalError
from dingda.worker.language.sounds import MAX_SIMILAR, similar_to
from dingda.worker.language.text import fold
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.skill import Command, Skill

_MAX_BYTES = 15_000
"""The size of all that is listed; a reply has room for more, in traditional characters too."""


def help_skill(skills: Sequence[Skill]) -> Skill:
    """Make the skill that lists all skills, and explains each of their commands."""
    skill = Skill("help", summary="看看我能做什么", overtakes=True)
    listed = (*skills, skill)
    found: dict[str, tuple[Skill, Command]] = {}

    @skill.command(HELP, "help", "菜单")
    async def tell(ctx: Context, about: Annotated[str, "命令"] = "") -> Markdown:
        if about:
            return _explained(ctx, fold(about), found)
        typed = (each for each in listed if each.commands)
        allowed = [each for each in typed if not refusal_of(each, ctx.message)]
        return Markdown(title=ctx.localize(HELP_TITLE), text=ctx.localize(_overview(allowed)))

    for each in listed:
        for command in each.commands:
            for name in command.names:
                found.setdefault(fold(name), (each, command))
    return skill


def _overview(skills: Sequence[Skill]) -> str:
    parts, room = [], _MAX_BYTES
    for skill in skills:
        part = f"**{skill.summary}**\n\n{_usages(skill.commands)}"
        room -= len(json.dumps(part, ensure_ascii=False).encode())
        if room < 0:
            break
        parts.append(part)
    left = len(skills) - len(parts)
    more = [HELP_MORE.format(count=left)] if left else []
    # A blank line makes a paragraph; DingTalk runs single line breaks together.
    return "\n\n".join((f"### {HELP_TITLE}", *parts, *more, HELP_HINT))


def _explained(ctx: Context, name: str, found: dict[str, tuple[Skill, Command]]) -> Markdown:
    """The help on one command.

    Raises:
        ClarificationNeeded: if there is no command of this name.
        RefusalError: if the sender may not use it.
    """
    if name not in found:
        allowed = [each for each in found if not refusal_of(found[each][0], ctx.message)]
        meant = [found[each][1].names[0] for each in similar_to(name, allowed)]
        suggestions = tuple(f"{HELP} {each}" for each in dict.fromkeys(meant))[:MAX_SIMILAR]
        question = DID_YOU_MEAN if suggestions else NO_SUCH_COMMAND.format(name=name)
        raise ClarificationNeeded(question, suggestions=suggestions)
    skill, command = found[name]
    if refusal := refusal_of(skill, ctx.message):
        raise RefusalError(refusal)
    others = [each for each in skill.commands if each is not command]
    parts = [
        f"### {plain(command.names[0])}",
        skill.summary,
        f"{HELP_USAGE}\n\n{_usages([command])}",
        HELP_ALIASES.format(names=plain("、".join(command.names[1:]))) if command.names[1:] else "",
        f"{HELP_OTHERS}\n\n{_usages(others)}" if others else "",
    ]
    text = "\n\n".join(filter(None, parts))
    return Markdown(title=ctx.localize(command.names[0]), text=ctx.localize(text))


def _usages(commands: Sequence[Command]) -> str:
    return "\n".join(f"- {plain(command.usage)}" for command in commands)
