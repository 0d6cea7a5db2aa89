"""The plots: `<the baselines' python> -m benchmarks.plots <samples.json> <folder>`.

It runs where matplotlib is, so it imports nothing of ours but the sums.
"""

import json
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.samples import Sample, Samples

mpl.use("svg")
# The same figures make the same file.
mpl.rcParams["svg.hashsalt"] = "dingda"
mpl.rcParams["font.size"] = 9

_OURS, _THEIRS = "#1677ff", "#b0b7c3"
_BAR_INCHES = 0.42
_LABEL_CHARACTERS = 36
_WHOLE_FROM = 20
_NOTHING_COMPARABLE = "constant bytes"


@dataclass(frozen=True, slots=True)
class Plot:
    """One value of one question, as bars."""

    file: str
    question: str
    value: str
    title: str
    log: bool = False


PLOTS = (
    Plot("bench-gateway.svg", "gateway", "per_s", "Messages acknowledged a second"),
    Plot("bench-worker.svg", "worker", "per_cpu_s", "Jobs a CPU-second", log=True),
    Plot("bench-lookups.svg", "lookups", "per_100_mb", "One-second lookups: replies/s per 100 MB"),
    Plot("bench-latency.svg", "latency", "p50_ms", "Callback to reply when idle, p50 ms", log=True),
    Plot("bench-replies.svg", "replies", "per_s_100", "Reply POSTs a second, 100 in flight"),
    Plot("bench-backlog.svg", "backlog", "cost_us", "CPU µs a message while others wait"),
)


def draw(plot: Plot, samples: Samples, folder: Path) -> None:
    """Draw one plot: bars of medians, with a line from the lowest to the highest."""
    found = [
        (variant, summary)
        for variant in reversed(samples.variants(plot.question))
        if (summary := samples.summary(plot.question, variant, plot.value))
        and not variant.startswith(_NOTHING_COMPARABLE)
    ]
    names = [textwrap.fill(variant, _LABEL_CHARACTERS) for variant, _ in found]
    medians = [summary.median for _, summary in found]
    spread = [
        [summary.median - summary.low for _, summary in found],
        [summary.high - summary.median for _, summary in found],
    ]
    ours = [name.startswith("Dingda") or plot.question == "backlog" for name in names]
    figure, axes = plt.subplots(figsize=(8, 0.9 + _BAR_INCHES * len(names)))
    colours = [_OURS if own else _THEIRS for own in ours]
    bars = axes.barh(names, medians, xerr=spread, color=colours, ecolor="#555555", capsize=2)
    axes.bar_label(bars, labels=[_number(median) for median in medians], padding=6)
    axes.set_title(plot.title, loc="left")
    if plot.log:
        axes.set_xscale("log")
        axes.set_xlim(left=1)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / plot.file, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.1f}"


def main() -> None:
    """Draw every plot whose question was measured."""
    source, folder = map(Path, sys.argv[1:])
    samples = Samples(tuple(Sample(**fields) for fields in json.loads(source.read_text())))
    for plot in PLOTS:
        if samples.variants(plot.question):
            draw(plot, samples, folder)
            print(folder / plot.file)


if __name__ == "__main__":
    main()
