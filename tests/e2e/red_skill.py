"""The skill of the red robot: it answers the sender alone."""

from dingda.skill import Skill

skill = Skill("red", summary="红的", private=True)


@skill.command("问")
def answer() -> str:
    """What nobody but a sender to the red robot may see."""
    return "红的答案"
