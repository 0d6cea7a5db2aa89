"""Every object is what Kubernetes, KEDA and the Prometheus operator take."""

import json
import tomllib
from importlib import import_module
from typing import Any

import pytest

from tests.chart.rendering import (
    ALL,
    CHART,
    MINIMAL,
    ROOT,
    STREAM_ONLY,
    Object,
    Render,
    merge,
    strings,
)

KUBERNETES = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
SENTINELS: dict[str, Any] = {
    "settings": {"DINGDA_REDIS_SENTINELS": "s1:26379,s2:26379", "DINGDA_REDIS_MASTER": "main"}
}
FIXED: dict[str, Any] = {
    "gateway": {"autoscaling": {"enabled": False}},
    "exporter": {"enabled": False},
}
VALUES = {
    "minimal": MINIMAL,
    "all": ALL,
    "sentinels": merge(ALL, SENTINELS),
    "fixed": merge(MINIMAL, FIXED),
    "stream only": STREAM_ONLY,
}
OTHERS = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
"""Where the models of objects are that Kubernetes itself doesn't know."""


def check(each: Object, version: str) -> None:
    """Fail if an object is not valid, or has a field that its kind has not."""
    if module := OTHERS.get(each["apiVersion"]):
        kind = getattr(import_module(module), each["kind"])
        # A model leaves out what it doesn't know.
        read = kind.model_validate(each).model_dump(mode="json", by_alias=True, exclude_none=True)
        assert read == each
    else:
        import_module("kubernetes_validate").validate(each, version, strict=True)


@pytest.mark.parametrize(
    ("values", "version"),
    [
        *(("all", version) for version in KUBERNETES),
        *((values, KUBERNETES[end]) for values in VALUES for end in (0, -1) if values != "all"),
    ],
)
def test_each_object_is_valid(render: Render, values: str, version: str) -> None:
    for each in render(VALUES[values]):
        check(each, version)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"replica": 2}),
        ("Deployment", {"replicas": "two"}),
        ("NetworkPolicy", {"ingres": []}),
        ("ScaledObject", {"minReplicas": 2}),
        ("ScaledObject", {"minReplicaCount": "two"}),
        ("TriggerAuthentication", {"secretRef": []}),
        ("PodMonitor", {"podMetricsEndpoint": []}),
    ],
)
def test_what_is_misspelt_or_of_a_wrong_type_would_be_found(
    render: Render, kind: str, spec: dict[str, Any]
) -> None:
    each = render(ALL).of_kind(kind)[0]
    each["spec"] |= spec
    with pytest.raises((ValueError, AssertionError, *_schema_errors())):
        check(each, KUBERNETES[-1])


def test_the_chart_has_no_other_kinds_than_these(render: Render) -> None:
    assert {each["kind"] for each in render(ALL)} == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "ScaledObject",
        "Secret",
        "Service",
        "ServiceAccount",
        "TriggerAuthentication",
    }


def test_kinds_that_a_cluster_may_not_have_are_off_by_default(render: Render) -> None:
    assert {each["apiVersion"] for each in render(MINIMAL)} & set(OTHERS) == set()


def test_helm_finds_no_fault_with_the_chart() -> None:
    lint: Any = import_module("helm_python").lint
    found = lint(CHART, values=ALL, strict=True)
    assert found["errors"] == []
    assert {each["error"] for each in found["messages"]} <= {"icon is recommended"}


def test_the_chart_has_the_version_of_the_code(render: Render) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert render.metadata["appVersion"] == project["version"]


def test_no_object_is_in_a_namespace_of_its_own(render: Render) -> None:
    assert [each for each in render(ALL) if "namespace" in each["metadata"]] == []


def test_two_releases_in_one_namespace_share_no_object_and_no_pod(render: Render) -> None:
    names = [
        {(each["kind"], each["metadata"]["name"]) for each in render(ALL, release=release)}
        for release in ("first", "other")
    ]
    assert names[0] & names[1] == set()
    assert "first" not in "".join(strings(render(ALL, release="other")))


def test_a_release_called_dingda_has_no_name_twice(render: Render) -> None:
    names = [each["metadata"]["name"] for each in render(ALL, release="dingda")]
    assert all(name.count("dingda") == 1 for name in names)


def test_names_of_a_release_with_a_long_name_still_fit(render: Render) -> None:
    objects = render(ALL, release="r" * 53)
    assert max(len(each["metadata"]["name"]) for each in objects) <= 63
    labels = [each["metadata"]["labels"] for each in objects]
    assert max(len(value) for each in labels for value in each.values()) <= 63


def test_the_schema_names_every_value_and_no_other(render: Render) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))

    def names(values: dict[str, Any], within: dict[str, Any], path: str = "") -> list[str]:
        named = within.get("properties")
        if named is None:
            return []
        assert within["additionalProperties"] is False, path
        wrong = [f"{path}{name}" for name in set(named) ^ set(values) - {"global"}]
        deeper = [name for name, value in values.items() if isinstance(value, dict)]
        return wrong + [
            each for name in deeper for each in names(values[name], named[name], f"{path}{name}.")
        ]

    # What is free within: Kubernetes's own resources.
    wrong = [each for each in names(render.values, schema) if each != "global"]
    assert wrong == []


def test_the_notes_tell_the_address_that_dingtalk_wants(render: Render) -> None:
    notes = render.notes(ALL, {"settings": {"DINGDA_CALLBACK_PATH": "/robot"}})
    assert "https://bot.example.com/robot" in notes


def test_the_notes_of_stream_mode_name_no_address(render: Render) -> None:
    notes = render.notes(STREAM_ONLY)
    assert "2 pods connect to DingTalk" in notes
    assert "https://" not in notes
    assert "gateway" not in notes


def test_the_notes_hold_no_secret(render: Render) -> None:
    assert "wordless" not in render.notes(ALL)


def _schema_errors() -> tuple[type[Exception], ...]:
    return (import_module("kubernetes_validate").ValidationError,)
