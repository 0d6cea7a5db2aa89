"""How many pods there are, and who may take one away."""

from math import ceil
from typing import Any

import pytest

from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.runtime.settings import Settings
from tests.chart.rendering import ALL, MINIMAL, Objects, Render, component_of, merge, selects

FIXED: dict[str, Any] = {
    "gateway": {"autoscaling": {"enabled": False}},
    "worker": {"autoscaling": {"enabled": False}},
}
SENTINELS: dict[str, Any] = {
    "settings": {"DINGDA_REDIS_SENTINELS": "s1:26379, s2:26379", "DINGDA_REDIS_MASTER": "main"}
}


def triggers(objects: Objects) -> dict[str, dict[str, str]]:
    """What KEDA is told of each key."""
    found = objects.one("ScaledObject")["spec"]["triggers"]
    return {each["metadata"]["listName"]: each["metadata"] for each in found}


@pytest.mark.parametrize("kind", ["Deployment", "Service", "PodDisruptionBudget"])
def test_each_selector_selects_the_pods_of_its_own_component(render: Render, kind: str) -> None:
    objects = render(ALL)
    labels = {
        component_of(each): each["spec"]["template"]["metadata"]["labels"]
        for each in objects.of_kind("Deployment")
    }
    for each in objects.of_kind(kind):
        selector = each["spec"]["selector"]
        wanted = selector.get("matchLabels", selector)
        chosen = [name for name, own in labels.items() if selects(wanted, own)]
        assert chosen == [component_of(each)]


def test_a_selector_has_no_label_that_an_upgrade_changes(render: Render) -> None:
    for each in render(ALL).of_kind("Deployment"):
        assert set(each["spec"]["selector"]["matchLabels"]) == {
            "app.kubernetes.io/name",
            "app.kubernetes.io/instance",
            "app.kubernetes.io/component",
        }


@pytest.mark.parametrize("values", [ALL, merge(ALL, FIXED)], ids=["scaled", "fixed"])
def test_there_are_two_of_what_answers_at_all_times(render: Render, values: dict[str, Any]) -> None:
    objects = render(values)
    least = {
        component_of(each): each["spec"].get("minReplicas") or each["spec"].get("minReplicaCount")
        for each in objects.of_kind("HorizontalPodAutoscaler", "ScaledObject")
    }
    for component in ("gateway", "stream", "worker"):
        fixed = objects.one("Deployment", component)["spec"].get("replicas")
        assert (fixed or least[component]) >= 2


@pytest.mark.parametrize("values", [ALL, MINIMAL, merge(ALL, FIXED)], ids=["all", "minimal", "no"])
def test_no_deployment_is_scaled_by_two(render: Render, values: dict[str, Any]) -> None:
    objects = render(values)
    scaled = [
        each["spec"]["scaleTargetRef"]["name"]
        for each in objects.of_kind("HorizontalPodAutoscaler", "ScaledObject")
    ]
    # What a Deployment says of its replicas would undo the autoscaler's work at each upgrade.
    fixed = [
        each["metadata"]["name"]
        for each in objects.of_kind("Deployment")
        if "replicas" in each["spec"]
    ]
    names = [each["metadata"]["name"] for each in objects.of_kind("Deployment")]
    assert sorted(scaled + fixed) == sorted(names)


def test_a_budget_always_lets_one_pod_go(render: Render) -> None:
    budgets = render(ALL).of_kind("PodDisruptionBudget")
    assert {component_of(each) for each in budgets} == {"gateway", "stream", "worker"}
    for each in budgets:
        assert each["spec"]["maxUnavailable"] == 1
        assert "minAvailable" not in each["spec"]
        assert each["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_gateway_scales_on_cpu_that_it_has_asked_for(render: Render) -> None:
    objects = render(MINIMAL)
    (metric,) = objects.one("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"
    assert 50 <= metric["resource"]["target"]["averageUtilization"] <= 80
    assert "cpu" in objects.pods()["gateway"]["containers"][0]["resources"]["requests"]


@pytest.mark.parametrize("queue", ["dingda", "acme_1-b"])
def test_workers_scale_on_what_waits_and_on_what_is_open(render: Render, queue: str) -> None:
    objects = render(ALL, {"settings": {"DINGDA_QUEUE": queue}})
    assert set(triggers(objects)) == {f"rq:queue:{queue}", LedgerKeys(queue).due}


def test_keda_is_told_everything_as_a_string(render: Render) -> None:
    for values in (ALL, merge(ALL, SENTINELS)):
        for metadata in triggers(render(values)).values():
            assert {type(value) for value in metadata.values()} == {str}


@pytest.mark.parametrize("settings", [{}, *({"DINGDA_CONCURRENCY": n} for n in (30, 200, "200"))])
def test_workers_that_all_hold_what_they_may_are_too_few(
    render: Render, settings: dict[str, Any]
) -> None:
    objects = render({**ALL, "settings": settings})
    slots = int(settings.get("DINGDA_CONCURRENCY", Settings.model_fields["concurrency"].default))
    open_per_worker = int(triggers(objects)["dingda:due"]["listLength"])
    for workers in (2, 5, 8):
        assert ceil(workers * slots / open_per_worker) > workers


def test_how_many_messages_a_worker_may_hold_can_be_given(render: Render) -> None:
    values = {"worker": {"autoscaling": {"openPerWorker": 12, "waitingPerWorker": 34}}}
    lengths = {key: each["listLength"] for key, each in triggers(render(ALL, values)).items()}
    assert lengths == {"dingda:due": "12", "rq:queue:dingda": "34"}


def test_workers_are_taken_away_slowly(render: Render) -> None:
    advanced = render(ALL).one("ScaledObject")["spec"]["advanced"]
    down = advanced["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    # KEDA takes more than an hour, and the autoscaler that it makes does not.
    assert 60 <= down["stabilizationWindowSeconds"] <= 3600


def test_keda_finds_a_single_redis(render: Render) -> None:
    spec = render(ALL).one("ScaledObject")["spec"]
    assert {each["type"] for each in spec["triggers"]} == {"redis"}
    assert {each["metadata"]["address"] for each in spec["triggers"]} == {"redis:6379"}


def test_keda_asks_the_sentinels_that_the_bot_asks(render: Render) -> None:
    spec = render(ALL, SENTINELS).one("ScaledObject")["spec"]
    assert {each["type"] for each in spec["triggers"]} == {"redis-sentinel"}
    for each in spec["triggers"]:
        assert each["metadata"]["addresses"] == "s1:26379,s2:26379"
        assert each["metadata"]["sentinelMaster"] == "main"
        assert "address" not in each["metadata"]


def test_keda_needs_to_know_what_the_sentinels_call_the_primary(render: Render) -> None:
    values = {"settings": {"DINGDA_REDIS_SENTINELS": "s1:26379"}}
    assert "settings.DINGDA_REDIS_MASTER is missing" in render.refusal(ALL, values)


def test_keda_logs_in_with_a_secret_and_not_with_metadata(render: Render) -> None:
    objects = render(ALL)
    authentication = objects.one("TriggerAuthentication")
    for each in objects.one("ScaledObject")["spec"]["triggers"]:
        assert each["authenticationRef"] == {"name": authentication["metadata"]["name"]}
        assert not {"username", "password"} & set(each["metadata"])
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": name, "name": "keda", "key": name}
        for name in ("username", "password", "sentinelUsername", "sentinelPassword")
    ]


def test_keda_needs_to_know_where_redis_is(render: Render) -> None:
    values = {"worker": {"autoscaling": {"redis": {"address": ""}}}}
    assert "worker.autoscaling.redis.address is missing" in render.refusal(ALL, values)


def test_the_exporter_is_alone_also_while_it_is_replaced(render: Render) -> None:
    spec = render(ALL).one("Deployment", "exporter")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
