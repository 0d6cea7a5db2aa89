"""The skill of the blue robot: it answers the sender alone."""

from dingda.skill import Skill

skill = Skill("blue", summary="蓝的", private=True)


@skill.command("问")
def answer() -> str:
    """What nobody but a sender to the blue robot may see."""
    return "蓝的答案"
