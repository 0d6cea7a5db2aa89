"""Which modules hold the skills that are loaded: a robot's own, those of packages, or the shipped.

Names alone: nothing is imported here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Literal

ENTRY_POINTS = "dingda.skills"
"""The group under which a package names the modules of its skills."""

SHIPPED_PACKAGE = "dingda.worker.skills"
"""The package of our own skills."""
SHIPPED = tuple(
    f"{SHIPPED_PACKAGE}.{name}" for name in ("coupons", "demo", "performance", "weather")
)
"""The modules that a bot without any skill of its own answers with."""
SHOWCASE = f"{SHIPPED_PACKAGE}.showcase"
"""The module that `dingda demo` adds to them: it needs what the simulated organisation has."""

Source = Literal["named", "offered", "shipped"]
_WHY: dict[Source, str] = {
    "named": "as the settings name them",
    "offered": "as installed packages offer them",
    "shipped": "the shipped ones, as DINGDA_SKILLS names none and no installed package offers any",
}


@dataclass(frozen=True, slots=True)
class SkillModules:
    """The modules whose skills are loaded, in order, and why it is these."""

    modules: tuple[str, ...]
    source: Source

    def describe(self, setting: str = "DINGDA_SKILLS") -> str:
        """The line of the log that says so, and how to get the shipped skills where none is loaded.

        Args:
            setting: where they are named, or could be.
        """
        shown = f"{', '.join(self.modules)} and the help, {_WHY[self.source]}"
        if any(name.startswith(f"{SHIPPED_PACKAGE}.") for name in self.modules):
            return shown
        return f"{shown}; for the shipped ones too: {setting}={','.join(self.with_shipped)}"

    @property
    def with_shipped(self) -> tuple[str, ...]:
        """The same modules, and the shipped ones after them."""
        return (*self.modules, *SHIPPED)


def choose_modules(named: Sequence[str]) -> SkillModules:
    """Say which modules are loaded.

    Args:
        named: the modules, or entry points of the group `dingda.skills`, that the settings name; if
            there are none, those of all entry points; without any, the shipped ones.
    """
    offered = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    if named:
        return SkillModules(tuple(offered.get(name, _current(name)) for name in named), "named")
    if offered:
        return SkillModules(tuple(offered.values()), "offered")
    return SkillModules(SHIPPED, "shipped")


def _current(name: str) -> str:
    """The present name of a module: a shipped skill may be named as before `dingda` held all."""
    return f"dingda.{name}" if name.startswith("worker.skills.") else name
