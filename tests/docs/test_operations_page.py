"""`docs/operations.md` describes every metric as the code exports it."""

import re
from pathlib import Path

from tests.support.metrics import Described, all_metrics

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
_ROW = re.compile(r"^\| (`dingda_[^|]*) \| (\w+) \| ([^|]*?) ?\| ([\w, ]+) \|", re.MULTILINE)
_NAME = re.compile(r"`(\w+)`")
_ALL = frozenset({"exporter", "gateway", "worker"})


def described() -> dict[str, Described]:
    """The rows of the table of metrics, by name."""
    rows: dict[str, Described] = {}
    for names, kind, labels, exporters in _ROW.findall(PAGE):
        where = _ALL if exporters == "all" else frozenset(exporters.split(", "))
        row = Described(kind, frozenset(_NAME.findall(labels)), where)
        rows |= dict.fromkeys(_NAME.findall(names), row)
    return rows


def test_every_metric_is_described_as_the_code_exports_it() -> None:
    assert described() == all_metrics()
