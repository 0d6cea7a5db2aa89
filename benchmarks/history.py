"""The history: one line of JSON for each full run, so that a loss shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.samples import Samples
from benchmarks.targets import Target


@dataclass(frozen=True, slots=True)
class Run:
    """A full run."""

    date: str
    commit: str
    """As `git describe` has it, with `-dirty` where the tree was not that commit's."""
    machine: str
    figures: Mapping[str, float]
    """The median of each target that was measured, by the target's name."""

    @classmethod
    def of(cls, samples: Samples, targets: Sequence[Target], machine: Mapping[str, str]) -> "Run":
        """Make one of what was measured; `machine` is what `benchmarks.machine` describes."""
        reached = {target.name: target.reached(samples) for target in targets}
        return cls(
            date=machine["date"],
            commit=machine["commit"],
            machine=f"{machine['cores']} × {machine['processor']}, Python {machine['Python']}",
            figures={name: round(figure.median, 3) for name, figure in reached.items() if figure},
        )


def append(path: Path, run: Run) -> None:
    """Add a run as the last line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(run), ensure_ascii=False) + "\n")


def read(path: Path) -> tuple[Run, ...]:
    """All runs, the oldest first."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return tuple(Run(**json.loads(line)) for line in lines)


@dataclass(frozen=True, slots=True)
class Panel:
    """What the plot shows of one target."""

    title: str
    bound: float
    at_most: bool
    commits: Sequence[str]
    figures: Sequence[float]


def panels(runs: Sequence[Run], targets: Sequence[Target]) -> tuple[Panel, ...]:
    """A panel for each target that was ever measured, with the runs that measured it."""
    return tuple(
        Panel(
            f"{target.name} {target.bound_text}",
            target.bound,
            target.at_most,
            [run.commit for run in runs if target.name in run.figures],
            [run.figures[target.name] for run in runs if target.name in run.figures],
        )
        for target in targets
        if any(target.name in run.figures for run in runs)
    )
