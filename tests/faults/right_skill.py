"""The skill of the other of two robots, which says whose it is."""

from dingda.skill import Skill

skill = Skill("right", summary="右边的")


@skill.command("谁")
def answer() -> str:
    """What nobody but the right robot says."""
    return "右边"
