"""Writes docs/faults.md: a section for the fault tests, and one for the chaos run.

As a pytest plugin (`-p tests.faults.report`) it gathers what the tests with a `fault` mark note,
and writes their section when all of them have passed.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.matrix import DOES_NOT_APPLY, FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@dataclass
class Row:
    """What one fault's tests found."""

    sentences: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)


class Report:
    """Gathers the rows of one test run."""

    def __init__(self) -> None:
        self._rows: defaultdict[str, Row] = defaultdict(Row)
        self._seen: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            mark = item.get_closest_marker("fault")
            if mark:
                item.user_properties.append(("fault", mark.args[0]))
                self._seen.add(mark.args[0])
        missing = FAULTS.keys() - self._seen - DOES_NOT_APPLY.keys() - {"F36"}
        if missing:
            raise pytest.UsageError(f"no test for {', '.join(sorted(missing))}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties = [(name, str(value)) for name, value in report.user_properties]
        fault = dict(properties).get("fault")
        if report.when != "call" or fault is None:
            return
        row = self._rows[fault]
        sentence = _sentence(report.nodeid)
        if sentence not in row.sentences:
            row.sentences.append(sentence)
        row.figures += [f"{name}: {value}" for name, value in properties if name != "fault"]

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == 0:
            write_section("faults", "\n".join(_lines(self._rows)))


def pytest_configure(config: pytest.Config) -> None:
    """Switch on, as a plugin of pytest."""
    config.pluginmanager.register(Report(), "faults-report")


def write_section(name: str, text: str) -> None:
    """Replace what is between `<!-- name -->` and `<!-- /name -->` in docs/faults.md."""
    page = PAGE.read_text("utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    PAGE.write_text(pattern.sub(lambda found: f"{found[1]}{text}\n{found[2]}", page), "utf-8")


def _sentence(nodeid: str) -> str:
    name = nodeid.rpartition("::")[2].partition("[")[0].removeprefix("test_")
    return name.replace("_", " ")


def _lines(rows: dict[str, Row]) -> Iterator[str]:
    yield "| | fault | what happens | figures |"
    yield "|---|---|---|---|"
    for number, fault in FAULTS.items():
        if number in DOES_NOT_APPLY:
            yield f"| {number} | {fault} | *does not apply*: {DOES_NOT_APPLY[number]} | |"
            continue
        row = rows.get(number, Row())
        happens = "; ".join(row.sentences) if row.sentences else "see the chaos run below"
        yield f"| {number} | {fault} | {happens} | {'<br>'.join(row.figures)} |"
