"""`python -m benchmarks`: measure, and write `benchmarks/results.md` and `docs/img/bench-*.svg`.

A full run also adds a line to `benchmarks/history.jsonl`. `--quick` measures a little of each
target within three minutes, and writes under `benchmarks/.out/`, because such figures are not for
the record. `--only` measures some questions and prints them.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import (
    backlog,
    burst,
    calls,
    distance,
    fairness,
    gateway,
    history,
    latency,
    lookups,
    memory,
    profiles,
    replies,
    startup,
    stream,
    worker,
)
from benchmarks.candidates import a_server
from benchmarks.errors import BenchmarkError
from benchmarks.machine import describe
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.processes import BASELINES, ROOT, run
from benchmarks.report import render
from benchmarks.samples import Sample, Samples
from benchmarks.targets import Target, targets

_Measure = Callable[[Plan, Path], Iterator[Sample]]

QUESTIONS: dict[str, _Measure] = {
    "gateway": gateway.measure,
    "worker": worker.measure,
    "lookups": lookups.measure,
    "calls": calls.measure,
    "burst": burst.measure,
    "fairness": fairness.measure,
    "latency": latency.measure,
    "replies": replies.measure,
    "distance": distance.measure,
    "backlog": backlog.measure,
    "stream": stream.measure,
    "memory": memory.measure,
    "startup": startup.measure,
    "profiles": profiles.measure,
}
TABLES = (
    gateway.TABLE,
    worker.TABLE,
    lookups.TABLE,
    calls.TABLE,
    burst.TABLE,
    fairness.TABLE,
    latency.TABLE,
    replies.TABLE,
    distance.TABLE,
    backlog.TABLE,
    *stream.TABLES,
    memory.TABLE,
    startup.TABLE,
    *profiles.TABLES,
)
_OUT = ROOT / "benchmarks" / ".out"
_HISTORY = ROOT / "benchmarks" / "history.jsonl"


def main() -> int:
    """Measure the chosen questions; returns the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Dingda beside what people use instead. `make bench` sets that up, "
        "and writes benchmarks/results.md; less than all is written under benchmarks/.out/.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure a little of each target, within three minutes"
    )
    parser.add_argument(
        "--only", nargs="+", choices=QUESTIONS, default=[], help="measure these questions alone"
    )
    arguments = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").exists():
        print("The benchmarks read CPU and memory from /proc, and so need Linux.", file=sys.stderr)
        return 1
    plan = QUICK if arguments.quick else FULL
    try:
        with tempfile.TemporaryDirectory(prefix="dingda-bench-") as folder:
            _run(plan, arguments.only or list(QUESTIONS), Path(folder))
    except BenchmarkError as error:
        print(f"\nThe benchmark stopped: {error}", file=sys.stderr)
        return 1
    return 0


def _run(plan: Plan, questions: Sequence[str], folder: Path) -> None:
    with a_server(folder / "versions") as server:
        machine = describe(server)
    samples = Samples(tuple(_measure(plan, questions, folder)))
    complete = plan is FULL and len(questions) == len(QUESTIONS)
    report = ROOT / "benchmarks" / "results.md" if complete else _OUT / "results.md"
    images = ROOT / "docs" / "img" if complete else _OUT
    _OUT.mkdir(exist_ok=True)
    images.mkdir(parents=True, exist_ok=True)
    aims = targets(plan)
    if complete:
        history.append(_HISTORY, history.Run.of(samples, aims, machine))
    drawn = _draw(samples, aims, images)
    text = render(
        samples,
        plan=plan,
        tables=TABLES,
        targets=aims,
        machine=machine,
        pictures=[os.path.relpath(path, report.parent) for path in drawn],
    )
    report.write_text(text)
    print(f"\n{text}\nWritten to {report.relative_to(ROOT)}; plots in {images.relative_to(ROOT)}/")


def _draw(samples: Samples, aims: Sequence[Target], images: Path) -> list[str]:
    """Draw the samples and the history; returns the files."""
    source, panels = _OUT / "samples.json", _OUT / "panels.json"
    source.write_text(json.dumps([asdict(sample) for sample in samples.all], ensure_ascii=False))
    shown = history.panels(history.read(_HISTORY), aims)
    panels.write_text(json.dumps([asdict(panel) for panel in shown], ensure_ascii=False))
    words = (str(source), str(panels), str(images))
    return run(BASELINES, "-m", "benchmarks.plots", *words).splitlines()


def _measure(plan: Plan, questions: Sequence[str], folder: Path) -> Iterator[Sample]:
    """Measure question after question, and print each sample as it comes."""
    began = time.monotonic()
    for position, name in enumerate(questions, 1):
        print(f"[{position}/{len(questions)}] {name}", flush=True)
        for sample in QUESTIONS[name](plan, folder):
            first, value = next(iter(sample.values.items()))
            print(
                f"{time.monotonic() - began:6.0f} s  round {sample.round + 1}  {sample.variant}: "
                f"{value:,.1f} {first}",
                flush=True,
            )
            yield sample


if __name__ == "__main__":
    sys.exit(main())
