"""The help: what the bot can do, made from the skills themselves."""

from collections.abc import Sequence

from shared.reply import plain
from shared.texts import HELP_HINT, HELP_TITLE
from worker.skill import Ask, Markdown, Skill


def help_skill(skills: Sequence[Skill]) -> Skill:
    """Make the skill that lists all the others."""
    skill = Skill("help", summary="看看我能做什么", overtakes=True)
    listed = (*skills, skill)

    @skill.command("帮助", "help", "菜单")
    async def tell(ask: Ask) -> Markdown:
        # A blank line makes a paragraph; DingTalk runs single line breaks together.
        text = "\n\n".join((f"### {HELP_TITLE}", *map(_described, listed), HELP_HINT))
        return Markdown(title=ask.say(HELP_TITLE), text=ask.say(text))

    return skill


def _described(skill: Skill) -> str:
    usages = "\n".join(f"- {plain(command.usage)}" for command in skill.commands)
    return f"**{skill.summary}**\n\n{usages}"
