"""The help: what the bot can do, made from the skills themselves."""

from collections.abc import Sequence

from shared.texts import HELP_HINT, HELP_TITLE
from worker.skill import Ask, Markdown, Skill


def help_skill(skills: Sequence[Skill]) -> Skill:
    """Make the skill that lists all the others."""
    skill = Skill("help", summary="看看我能做什么")
    listed = (*skills, skill)

    @skill.command("帮助", "help", "菜单")
    def tell(ask: Ask) -> Markdown:
        lines = [
            # A blank line makes a paragraph; DingTalk runs single line breaks together.
            f"**{each.summary}**\n\n" + "\n".join(f"- {' / '.join(n)}" for n in each.commands)
            for each in listed
        ]
        text = "\n\n".join((f"### {HELP_TITLE}", *lines, HELP_HINT))
        return Markdown(title=ask.say(HELP_TITLE), text=ask.say(text))

    return skill
