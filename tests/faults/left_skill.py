"""The skill of one of two robots, which says whose it is."""

from dingda.skill import Skill

skill = Skill("left", summary="左边的")


@skill.command("谁")
def answer() -> str:
    """What nobody but the left robot says."""
    return "左边"
