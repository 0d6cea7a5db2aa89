"""What `dingda check` finds in the skills: modules and settings that can't be read."""

from collections.abc import Iterator, Sequence

from dingda.shared.errors import SettingsError
from dingda.shared.runtime.finding import Finding, Severity
from dingda.worker.sdk.loader import FoundModule, read_settings


def check_skills(found: Sequence[FoundModule]) -> list[Finding]:
    """A danger for each module that has no skill, and for each setting that a skill lacks."""
    well = Finding("skills", Severity.OK, f"modules that can be loaded: {len(found)}")
    return [*_failures(found), *_wrong_settings(found)] or [well]


def _failures(found: Sequence[FoundModule]) -> Iterator[Finding]:
    for module in found:
        if module.problem:
            what = f"{module.name} cannot be loaded: {module.problem}"
            advice = "until it can, nobody gets its answers; other skills still work"
            yield Finding("skills", Severity.DANGER, what, advice)


def _wrong_settings(found: Sequence[FoundModule]) -> Iterator[Finding]:
    for module in found:
        kinds = module.skill.settings_types() if module.skill else ()
        for kind in dict.fromkeys(kinds):
            try:
                read_settings(kind)
            except SettingsError as error:
                for problem in str(error).splitlines():
                    what = f"{module.name} has a setting to mend: {problem}"
                    advice = (
                        "set it in the environment or in .env; until then nobody gets what needs it"
                    )
                    yield Finding("skills", Severity.DANGER, what, advice)
