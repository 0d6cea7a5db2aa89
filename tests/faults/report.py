"""Writes docs/faults.md: a section for the fault tests, and one for the chaos run.

As a pytest plugin (`-p tests.faults.report`) it gathers what the tests with a `fault` mark note,
and writes their section when all of them have passed, in whichever process of pytest-xdist.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pytest

from tests.faults.matrix import DOES_NOT_APPLY, FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass(frozen=True)
class Finding:
    """What one test found."""

    position: int
    """Of the test among all, in the order of the files."""
    sentence: str
    figures: list[str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Number the tests, and run the longest first: so all processes end at about the same time."""
    for position, item in enumerate(items):
        if mark := item.get_closest_marker("fault"):
            item.user_properties += [("fault", mark.args[0]), ("position", position)]
    items.sort(key=_alone_and_short_last)


def _alone_and_short_last(item: pytest.Item) -> tuple[bool, float]:
    limit = item.get_closest_marker("timeout")
    return item.get_closest_marker("alone") is not None, -limit.args[0] if limit else 0


class Report:
    """Gathers the rows of one test run."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, list[Finding]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = dict(report.user_properties)
        if report.when != "call" or "fault" not in properties:
            return
        fault, position = str(properties["fault"]), int(str(properties["position"]))
        figures = [
            f"{name}: {value}"
            for name, value in report.user_properties
            if name not in {"fault", "position"}
        ]
        self._rows[fault].append(Finding(position, _sentence(report.nodeid), figures))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus != pytest.ExitCode.OK:
            return
        missing = FAULTS.keys() - self._rows.keys() - DOES_NOT_APPLY.keys() - {"F36"}
        if missing:
            raise pytest.UsageError(f"no test for {', '.join(sorted(missing))}")
        write_section("faults", "\n".join(_lines(self._rows)))


def pytest_configure(config: pytest.Config) -> None:
    """Gather the reports where pytest-xdist brings them together, not in each of its processes."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Report(), "faults-report")


def write_section(name: str, text: str) -> None:
    """Replace what is between `<!-- name -->` and `<!-- /name -->` in docs/faults.md."""
    page = PAGE.read_text("utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), "utf-8")


def _sentence(nodeid: str) -> str:
    name = nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_")
    return name.replace("_", " ")


def _lines(rows: dict[str, list[Finding]]) -> Iterator[str]:
    yield "| | fault | what happens | figures |"
    yield "|---|---|---|---|"
    for number, fault in FAULTS.items():
        if number in DOES_NOT_APPLY:
            yield f"| {number} | {fault} | *does not apply*: {DOES_NOT_APPLY[number]} | |"
            continue
        row = sorted(rows.get(number, []), key=attrgetter("position"))
        sentences = dict.fromkeys(finding.sentence for finding in row)
        figures = (figure for finding in row for figure in finding.figures)
        happens = "; ".join(sentences) or "see the chaos run below"
        yield f"| {number} | {fault} | {happens} | {'<br>'.join(figures)} |"
