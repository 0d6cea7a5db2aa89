"""What `dingda check` finds in the skills: modules that can't be loaded."""

from collections.abc import Iterator

from dingda.shared.runtime.finding import Finding, Severity
from dingda.shared.runtime.settings import Settings
from dingda.shared.runtime.skill_modules import choose_modules
from dingda.worker.sdk.loader import FoundModule, find_skills, names_read


def check_skills(settings: Settings) -> tuple[list[Finding], set[str]]:
    """Import the modules of each robot's skills.

    Returns:
        A danger for each module that has none; and the variables that the skills' settings read.
    """
    named = (robot.skills or settings.skills for robot in settings.robots)
    modules = dict.fromkeys(module for each in named for module in choose_modules(each).modules)
    found = find_skills(list(modules))
    failed = list(_failures(found))
    well = Finding("skills", Severity.OK, f"{len(found)} modules can be loaded")
    return failed or [well], names_read(each.skill for each in found if each.skill)


def _failures(found: list[FoundModule]) -> Iterator[Finding]:
    for module in found:
        if module.problem:
            reason = module.problem.partition("\n")[0]
            what = f"{module.name} cannot be loaded: {reason}"
            advice = "until it can, nobody gets its answers; other skills still work"
            yield Finding("skills", Severity.DANGER, what, advice)
