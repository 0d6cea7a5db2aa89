"""`docs/operations.md` describes what the code exports, and the ports of its commands."""

import re
from pathlib import Path

from tests.support.metrics import Described, all_metrics

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
_ROW = re.compile(r"^\| (`dingda_[^|]*) \| (\w+) \| ([^|]*?) ?\| ([\w, ]+) \|", re.MULTILINE)
_NAME = re.compile(r"`(\w+)`")
_ALL = frozenset({"exporter", "gateway", "stream", "worker"})


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


def test_the_example_for_prometheus_has_the_ports_of_the_commands() -> None:
    _, commands, _ = PAGE.split("## Metrics and alerts", 1)[1].split("```", 2)
    scraped = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8")
    ports = re.findall(r"(?:--port |DINGDA_METRICS_PORT=)(\d+)", commands)
    assert len(ports) == 4
    assert [port for port in ports if f'"127.0.0.1:{port}"' not in scraped] == []
