"""Settings and secrets: every one can be given, and none ends where it can be read."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import ALL, MINIMAL, STREAM_ONLY, Objects, Render, strings
from tests.docs.snippets import Snippet, snippets
from tests.support.settings import variables

OWN = {
    "DINGDA_HOST",
    "DINGDA_PORT",
    "DINGDA_GATEWAY_PROCESSES",
    "DINGDA_METRICS_HOST",
    "DINGDA_METRICS_PORT",
}
"""What the chart sets itself."""


@pytest.mark.parametrize("name", sorted(variables(secret=False) - OWN))
def test_a_setting_reaches_every_pod(render: Render, name: str) -> None:
    objects = render(MINIMAL, {"settings": {name: "given"}})
    assert variables_of(objects)[name] == "given"


@pytest.mark.parametrize("name", sorted(variables(secret=True)))
def test_a_secret_is_refused_among_the_settings_and_kept_as_one(render: Render, name: str) -> None:
    assert name in render.refusal(MINIMAL, {"settings": {name: "given"}})
    objects = render(MINIMAL, {"secrets": {name: "given"}})
    assert objects.one("Secret")["stringData"] == {name: "given"}
    assert name not in variables_of(objects)


@pytest.mark.parametrize("name", ["DINGDA_CANTEEN_URL", "ACME_TOKEN"])
def test_the_settings_of_skills_of_ones_own_reach_every_pod(render: Render, name: str) -> None:
    objects = render(MINIMAL, {"settings": {name: "given"}})
    assert variables_of(objects)[name] == "given"
    objects = render(MINIMAL, {"secrets": {name: "given"}})
    assert objects.one("Secret")["stringData"] == {name: "given"}


@pytest.mark.parametrize("name", sorted(OWN))
@pytest.mark.parametrize("where", ["settings", "secrets"])
def test_what_the_chart_sets_itself_is_refused(render: Render, where: str, name: str) -> None:
    assert name in render.refusal(MINIMAL, {where: {name: "9"}})


@pytest.mark.parametrize(
    ("value", "shown"),
    [(100_000, "100000"), (1_000_000, "1000000"), (2.5, "2.5"), (True, "true"), ("a, b", "a, b")],
)
def test_a_value_is_written_as_it_was_given(render: Render, value: Any, shown: str) -> None:
    objects = render(MINIMAL, {"settings": {"DINGDA_BACKLOG_LIMIT": value}})
    assert variables_of(objects)["DINGDA_BACKLOG_LIMIT"] == shown


def test_each_pod_reads_the_settings_and_every_secret(render: Render) -> None:
    objects = render(ALL)
    for container in objects.containers():
        kinds = [(kind, each["name"]) for ref in container["envFrom"] for kind, each in ref.items()]
        assert kinds == [
            ("configMapRef", "bot-dingda"),
            ("secretRef", "bot-secrets"),
            ("secretRef", "bot-dingda"),
        ]
    assert objects.one("Secret")["metadata"]["name"] == "bot-dingda"


def test_a_secret_is_in_the_secret_and_nowhere_else(render: Render) -> None:
    objects = render(ALL, {"secrets": {"DINGDA_AMAP_KEY": "hush-hush"}})
    for value in ("hush-hush", "wordless", "redis://:pass@redis/0"):
        holders = [each["kind"] for each in objects if any(value in text for text in strings(each))]
        assert holders == ["Secret"]


def test_without_secrets_of_its_own_the_chart_makes_none(render: Render) -> None:
    assert render(MINIMAL).of_kind("Secret") == []


def test_a_release_without_the_secrets_that_it_needs_is_refused(render: Render) -> None:
    assert "DINGDA_APP_SECRET and DINGDA_REDIS_URL are missing" in render.refusal({})
    assert "are missing" in render.refusal({"secrets": {"DINGDA_APP_SECRET": "wordless"}})


def test_several_robots_take_the_place_of_the_one_secret(render: Render) -> None:
    robots = '[[robot]]\napp_key = "dingabc"\nsecret = "wordless"\nmode = "stream"\n'
    secrets = {"DINGDA_ROBOTS": robots, "DINGDA_REDIS_URL": "redis://redis/0"}
    assert render({"secrets": secrets}).one("Secret")["stringData"] == secrets


def test_a_release_that_could_not_hear_dingtalk_is_refused(render: Render) -> None:
    assert "nothing would hear" in render.refusal(MINIMAL, {"gateway": {"enabled": False}})
    ingress = {"ingress": {"enabled": True, "host": "bot.example.com"}}
    assert "Stream mode has no address" in render.refusal(STREAM_ONLY, ingress)


@pytest.mark.parametrize(
    "values",
    [
        {"gatewey": {}},
        {"gateway": {"replica": 3}},
        {"gateway": {"replicas": 1}},
        {"gateway": {"autoscaling": {"minReplicas": 1}}},
        {"gateway": {"enabled": "no"}},
        {"stream": {"replicas": 1}},
        {"stream": {"replica": 2}},
        {"worker": {"replicas": 0}},
        {"worker": {"replicas": "three"}},
        {"worker": {"autoscaling": {"minReplicas": 0}}},
        {"worker": {"autoscaling": {"redis": {"address": "redis://redis:6379"}}}},
        {"image": {"digest": "abc"}},
        {"image": {"tag": "latest"}},
        {"image": {"pullPolicy": "Sometimes"}},
        {"settings": {"dingda_queue": "x"}},
        {"settings": {"DINGDA_QUEUE": ["x"]}},
        {"settings": {"DINGDA_QUEUE": None}},
        {"secrets": {"DINGDA_APP_SECRET": ""}},
        {"existingSecret": "No Name"},
        {"ingress": {"enabled": True}},
        {"ingress": {"enabled": True, "host": "https://bot.example.com"}},
        {"service": {"port": 70000}},
        {"networkPolicy": {"redisPorts": []}},
        {"networkPolicy": {"privateRanges": ["10.0.0.0"]}},
        {"networkPolicy": {"ingressFrom": [{}]}},
        {"podMonitor": {"interval": "soon"}},
    ],
    ids=str,
)
def test_wrong_values_are_refused_before_anything_is_installed(
    render: Render, values: dict[str, Any]
) -> None:
    assert "values don't meet the specifications" in render.refusal(MINIMAL, values)


def variables_of(objects: Objects) -> dict[str, str]:
    (found,) = [
        each["data"] for each in objects.of_kind("ConfigMap") if "DINGDA_HOST" in each["data"]
    ]
    return dict(found)


@pytest.mark.parametrize("shown", [pytest.param(each, id=str(each)) for each in snippets("yaml")])
def test_the_values_that_a_page_shows_are_accepted_and_used(
    render: Render, shown: Snippet, tmp_path: Path
) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(shown.code, "utf-8")
    values = render.read_yaml(path)
    assert unknown(values, render.values) == []
    assert (
        variables_of(render(values)).items()
        >= {name: str(value) for name, value in values["settings"].items()}.items()
    )


@pytest.mark.parametrize("page", ["docs/operations.md", "docs/zh/operations.md"])
def test_the_values_that_a_page_sets_are_there(render: Render, page: str) -> None:
    installed = [
        each.code for each in snippets("console", page=page) if "helm install" in each.code
    ]
    names = set(re.findall(r"--set ([\w.]+)=", " ".join(installed)))
    assert names
    for name in names:
        found: Any = render.values
        for key in name.split("."):
            assert key in found, name
            found = found[key]


def unknown(values: dict[str, Any], known: dict[str, Any], at: str = "") -> list[str]:
    """The paths of values that the chart does not know; those of the settings are the bot's."""
    return [
        path
        for key, value in values.items()
        if at != ".settings"
        for path in (
            [f"{at}.{key}"]
            if key not in known
            else unknown(value, known[key], f"{at}.{key}")
            if isinstance(value, dict)
            else []
        )
    ]
