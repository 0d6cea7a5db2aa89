"""What `dingda check` finds in the skills: modules that can't be loaded."""

from collections.abc import Iterator, Sequence

from dingda.shared.runtime.finding import Finding, Severity
from dingda.worker.sdk.loader import FoundModule


def check_skills(found: Sequence[FoundModule]) -> list[Finding]:
    """A danger for each module that has no skill."""
    well = Finding("skills", Severity.OK, f"modules that can be loaded: {len(found)}")
    return list(_failures(found)) or [well]


def _failures(found: Sequence[FoundModule]) -> Iterator[Finding]:
    for module in found:
        if module.problem:
            what = f"{module.name} cannot be loaded: {module.problem}"
            advice = "until it can, nobody gets its answers; other skills still work"
            yield Finding("skills", Severity.DANGER, what, advice)
