"""The history keeps what each full run reached."""

from pathlib import Path

from benchmarks import history
from benchmarks.history import Run, panels
from benchmarks.plan import FULL
from benchmarks.processes import ROOT
from benchmarks.samples import Sample, Samples
from benchmarks.targets import Target, targets

FAST, SMALL = (
    Target(name, name, "q", name, "ours", 10, at_most=True) for name in ("fast", "small")
)
MACHINE = {
    "date": "2026-11-28 08:00 UTC",
    "commit": "8c97011-dirty",
    "cores": "2",
    "processor": "Some CPU",
    "Python": "3.11.7",
    "system": "Linux",
}


def a_run(commit: str, **figures: float) -> Run:
    return Run("2026-11-28 08:00 UTC", commit, "2 × Some CPU", figures)


def test_a_run_holds_the_median_of_each_target_that_was_measured() -> None:
    samples = Samples(tuple(Sample("q", "ours", n, {"fast": n}) for n in (1, 2, 9)))
    assert Run.of(samples, [FAST, SMALL], MACHINE) == Run(
        "2026-11-28 08:00 UTC",
        "8c97011-dirty",
        "2 × Some CPU, Python 3.11.7",
        {"fast": 2},
    )


def test_a_run_is_added_at_the_end_as_one_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    runs = (a_run("old", fast=12.5), a_run("new", fast=9, small=3))
    for run in runs:
        history.append(path, run)
    assert history.read(path) == runs
    assert len(path.read_text().splitlines()) == 2


def test_there_may_be_no_history_yet(tmp_path: Path) -> None:
    assert history.read(tmp_path / "history.jsonl") == ()


def test_a_panel_shows_a_target_over_the_runs_that_measured_it() -> None:
    runs = (a_run("old", fast=12.5), a_run("new", fast=9, small=3))
    fast, small = panels(runs, [FAST, SMALL])
    assert (list(fast.commits), list(fast.figures)) == (["old", "new"], [12.5, 9])
    assert (list(small.commits), list(small.figures)) == (["new"], [3])
    assert (fast.title, fast.bound) == ("fast ≤ 10", 10)


def test_a_target_that_was_never_measured_has_no_panel() -> None:
    assert [panel.title for panel in panels([a_run("old", fast=1)], [FAST, SMALL])] == ["fast ≤ 10"]


def test_the_committed_history_knows_only_targets_that_there_are() -> None:
    known = {target.name for target in targets(FULL)}
    runs = history.read(ROOT / "benchmarks" / "history.jsonl")
    assert runs
    assert all(run.figures.keys() <= known for run in runs)
