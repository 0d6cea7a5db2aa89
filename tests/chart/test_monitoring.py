"""Prometheus and Grafana get what deploy/ has for everybody."""

import json
from pathlib import Path

import pytest

from tests.chart.rendering import ALL, CHART, MINIMAL, ROOT, Render, selects

RULES = sorted((ROOT / "deploy" / "prometheus").glob("*.rules.yml"))


@pytest.mark.parametrize("folder", ["prometheus", "grafana"])
def test_the_chart_has_no_copy_of_what_it_ships(folder: str) -> None:
    assert (CHART / folder).readlink() == Path("../..") / folder


@pytest.mark.parametrize("rules", RULES, ids=lambda path: path.name)
def test_each_file_of_rules_reaches_the_operator_unchanged(render: Render, rules: Path) -> None:
    specs = [each["spec"] for each in render(ALL).of_kind("PrometheusRule")]
    assert len(specs) == len(RULES) > 1
    assert render.read_yaml(rules) in specs


def test_the_dashboard_reaches_grafana_unchanged(render: Render) -> None:
    (found,) = [
        each
        for each in render(ALL).of_kind("ConfigMap")
        if each["metadata"]["labels"].get("grafana_dashboard") == "1"
    ]
    page = ROOT / "deploy" / "grafana" / "dingda.json"
    assert json.loads(found["data"]["dingda.json"]) == json.loads(page.read_text("utf-8"))


def test_prometheus_reads_every_pod_that_has_metrics(render: Render) -> None:
    objects = render(ALL)
    monitor = objects.one("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    for component in ("gateway", "stream", "worker", "exporter"):
        template = objects.one("Deployment", component)["spec"]["template"]
        assert selects(monitor["spec"]["selector"]["matchLabels"], template["metadata"]["labels"])
        ports = {port["name"] for each in template["spec"]["containers"] for port in each["ports"]}
        assert endpoint["port"] in ports


def test_labels_that_the_operator_wants_are_put_on(render: Render) -> None:
    values = {"prometheusRule": {"labels": {"release": "prometheus"}}}
    for each in render(ALL, values).of_kind("PodMonitor", "PrometheusRule"):
        assert each["metadata"]["labels"]["release"] == "prometheus"


def test_without_an_operator_nothing_is_made_for_one(render: Render) -> None:
    assert render(MINIMAL).of_kind("PodMonitor", "PrometheusRule") == []
