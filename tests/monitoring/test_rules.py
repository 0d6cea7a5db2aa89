"""Alerts and recording rules: each is valid, tested, told apart by severity, and has a runbook."""

import json
import re
from pathlib import Path

import pytest

from scripts.grafana_dashboard import dashboard
from tests.monitoring.rules import (
    DASHBOARD,
    PROMETHEUS,
    ROOT,
    Rule,
    alerts,
    dashboard_queries,
    named_metrics,
    needs_promtool,
    promtool,
    read_rules,
)
from tests.support.metrics import all_metrics

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
RUNBOOK = PAGE.partition("\n## Runbook\n")[2].partition("\n## ")[0]
TESTS = "".join(path.read_text("utf-8") for path in sorted(PROMETHEUS.glob("*_test.yml")))
each_alert = pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)


@each_alert
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on(alert: Rule) -> None:
    assert re.search(r"^        labels: \{severity: (page|ticket)\}$", alert.text, re.MULTILINE)
    assert re.search(r'^          summary: ".+\."$', alert.text, re.MULTILINE)
    url = f"docs/operations.md#{alert.name.lower()}"
    assert f"          runbook_url: {url}\n" in alert.text


def test_the_runbook_has_an_entry_for_each_alert_and_no_others() -> None:
    entries = re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE)
    assert entries == [alert.name for alert in alerts()]


@each_alert
def test_an_alert_is_tried_where_it_fires_and_where_it_does_not(alert: Rule) -> None:
    tried = re.findall(rf'alertname="{alert.name}".*exp_samples: \[(.*)\]}}', TESTS)
    assert {bool(samples) for samples in tried} == {True, False}


def test_only_metrics_that_the_code_exports_are_named() -> None:
    assert named_metrics() - all_metrics().keys() == set()


def test_only_series_that_are_recorded_are_named() -> None:
    recorded = {rule.name for rule in read_rules() if rule.kind == "record"}
    named = set().union(*(rule.recorded for rule in read_rules()))
    named |= set(re.findall(r"\bdingda:\w+:\w+", " ".join(dashboard_queries())))
    assert named == recorded


@each_alert
def test_what_an_alert_looks_at_is_missed_by_another_one_when_it_is_gone(alert: Rule) -> None:
    """A missing gauge fulfils no condition: `absent` finds it."""
    absent = " ".join(each.expression for each in alerts() if "absent(" in each.expression)
    sources = {
        "exporter": "absent(dingda_up)",
        "gateway": 'absent(dingda_build_info{process="gateway"})',
        "stream": 'absent(dingda_build_info{process="stream"})',
        "worker": 'absent(dingda_build_info{process="worker"})',
    }
    recording = {rule.name: rule.metrics for rule in read_rules()}
    metrics = alert.metrics.union(*(recording[name] for name in alert.recorded))
    for metric in metrics:
        assert all(sources[each] in absent for each in all_metrics()[metric].exporters)
        if metric.startswith("dingda_redis_") and all_metrics()[metric].kind == "gauge":
            assert "absent(dingda_redis_memory_bytes)" in absent


@needs_promtool
def test_prometheus_takes_the_rules() -> None:
    files = [path.name for path in sorted(PROMETHEUS.glob("*.rules.yml"))]
    done = promtool("check", "rules", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(alerts())} rules found" in done.stdout


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    files = [path.name for path in sorted(PROMETHEUS.glob("*_test.yml"))]
    done = promtool("test", "rules", *files)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_prometheus_takes_the_example_of_its_settings() -> None:
    done = promtool("check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_what_its_script_writes() -> None:
    written = json.dumps(dashboard(), indent=1) + "\n"
    assert DASHBOARD.read_text("utf-8") == written, "python -m scripts.grafana_dashboard"


def test_the_dashboard_asks_the_prometheus_that_one_chooses() -> None:
    made = json.loads(DASHBOARD.read_text("utf-8"))
    (variable,) = made["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    panels = [panel for panel in made["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    ids = [panel["id"] for panel in made["panels"]]
    assert len(set(ids)) == len(ids)


def test_no_panel_of_the_dashboard_covers_another() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    covered = [
        (x, y)
        for p in places
        for x in range(p["x"], p["x"] + p["w"])
        for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(set(covered)) == len(covered)
    assert max(x for x, _ in covered) < 24


@needs_promtool
def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"dashboard:query{number}", "expr": query}
        for number, query in enumerate(dashboard_queries())
    ]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(rules)} rules found" in done.stdout
