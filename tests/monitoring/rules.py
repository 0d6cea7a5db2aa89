"""The rules, their tests and the dashboard of `deploy/`, as the tests read them.

Each rule is written in a plain way (one line for an expression, or a folded block), so that no YAML
library is needed; promtool reads them as YAML, where it is there.
"""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.metrics import all_metrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dingda.json"
_RULE = re.compile(r"^      - (alert|record): (\S+)\n((?:        .*\n?)+)", re.MULTILINE)
_EXPRESSION = re.compile(r"^        expr: (?:>-\n((?:          .*\n)+)|(.*)\n)", re.MULTILINE)
_SUFFIXES = ("_bucket", "_count", "_sum")

needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="no promtool: apt install prometheus"
)


@dataclass(frozen=True)
class Rule:
    """An alert, or a recording rule."""

    kind: str
    name: str
    expression: str
    text: str
    """All of it, as it is in the file."""

    @property
    def metrics(self) -> set[str]:
        """The metrics that its expression names."""
        return metrics_in(self.expression)

    @property
    def recorded(self) -> set[str]:
        """The recorded series that its expression names."""
        return set(re.findall(r"\bdingda:\w+:\w+", self.expression))


def read_rules() -> list[Rule]:
    """All rules of all files."""
    texts = [path.read_text("utf-8") for path in sorted(PROMETHEUS.glob("*.rules.yml"))]
    rules = [_rule(*found) for text in texts for found in _RULE.findall(text)]
    assert len(rules) == sum(text.count("      - ") for text in texts)
    return rules


def _rule(kind: str, name: str, body: str) -> Rule:
    folded, plain = _EXPRESSION.findall(body)[0]
    return Rule(kind, name, " ".join(folded.split()) or plain, body)


def alerts() -> list[Rule]:
    return [rule for rule in read_rules() if rule.kind == "alert"]


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression names; a histogram's without its suffix."""
    known = all_metrics()
    return {_family(name, known) for name in re.findall(r"\bdingda_\w+", expression)}


def _family(name: str, known: dict[str, Any]) -> str:
    for suffix in _SUFFIXES:
        if name not in known and name.removesuffix(suffix) in known:
            return name.removesuffix(suffix)
    return name


def dashboard_queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def named_metrics() -> set[str]:
    """Every metric that a rule or the dashboard names."""
    expressions = [rule.expression for rule in read_rules()] + dashboard_queries()
    return set().union(*map(metrics_in, expressions))


def promtool(*arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["promtool", *arguments],  # noqa: S607 - wherever it is installed
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=PROMETHEUS,
    )
