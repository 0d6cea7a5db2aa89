"""The plots: `<the baselines' python> -m benchmarks.plots <samples.json> <panels.json> <folder>`.

It runs where matplotlib is, so it imports nothing of ours but the sums.
"""

import json
import math
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.samples import Sample, Samples

mpl.use("svg")
# The same figures make the same file.
mpl.rcParams["svg.hashsalt"] = "dingda"
mpl.rcParams["font.size"] = 9

HISTORY = "bench-history.svg"
_ACROSS = 4
_PANEL_INCHES = (3.0, 1.7)
_OURS, _THEIRS, _BOUND = "#1677ff", "#b0b7c3", "#d4380d"
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
    Plot("bench-lookups.svg", "lookups", "per_100_mb", "One-second look-ups: answers/s per 100 MB"),
    Plot("bench-latency.svg", "latency", "p50_ms", "Callback to reply when idle, p50 ms", log=True),
    Plot(
        "bench-replies.svg", "replies", "per_s_https_100", "Reply POSTs a second, TLS, 100 at once"
    ),
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


def draw_history(panels: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Draw the history: for each target its figures run after run, and its bound as a line."""
    down = math.ceil(len(panels) / _ACROSS)
    width, height = _PANEL_INCHES
    figure, grid = plt.subplots(
        down, _ACROSS, figsize=(width * _ACROSS, height * down), squeeze=False
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        positions = range(len(panel["figures"]))
        axes.plot(positions, panel["figures"], color=_OURS, marker="o", markersize=3)
        axes.axhline(panel["bound"], color=_BOUND, linewidth=0.8, linestyle="--")
        axes.annotate(
            _number(panel["figures"][-1]),
            (positions[-1], panel["figures"][-1]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=7,
        )
        axes.set_title(panel["title"], loc="left", fontsize=8)
        axes.set_xticks(positions, panel["commits"], fontsize=5, rotation=30)
        axes.set_ylim(bottom=0, top=1.25 * max(*panel["figures"], panel["bound"]))
        axes.tick_params(axis="y", labelsize=6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(folder / HISTORY, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.3g}"


def main() -> None:
    """Draw every plot whose question was measured, and the history."""
    source, history, folder = map(Path, sys.argv[1:])
    samples = Samples(tuple(Sample(**fields) for fields in json.loads(source.read_text())))
    for plot in PLOTS:
        if samples.variants(plot.question):
            draw(plot, samples, folder)
            print(folder / plot.file)
    draw_history(json.loads(history.read_text()), folder)
    print(folder / HISTORY)


if __name__ == "__main__":
    main()
