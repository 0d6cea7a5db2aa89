"""Pods: what they run, under which rights, and how they are asked and stopped."""

import re
from typing import Any

import click
import pytest

from dingda.cli import dingda as command_line
from dingda.gateway import handover
from dingda.gateway.stream import connection
from dingda.shared.runtime import server
from dingda.worker.engine import concurrent_worker
from tests.chart.rendering import (
    ALL,
    MINIMAL,
    ROOT,
    STREAM_ONLY,
    Object,
    Objects,
    Render,
    component_of,
    strings,
)

LEASE_S = 20
DIGEST = "sha256:" + "a" * 64


def test_each_container_fits_the_restricted_profile_of_pod_security(render: Render) -> None:
    for pod in render(ALL).pods().values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        assert {key for volume in pod["volumes"] for key in volume} == {"name", "emptyDir"}
    for container in render(ALL).containers():
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert "privileged" not in context
        assert all("hostPort" not in port for port in container.get("ports", ()))


def test_the_user_is_that_of_the_image(render: Render) -> None:
    page = (ROOT / "Dockerfile").read_text("utf-8")
    found = re.search(r"useradd --uid (\d+)", page)
    assert found is not None
    users = {pod["securityContext"]["runAsUser"] for pod in render(ALL).pods().values()}
    assert users == {int(found[1])}


def test_no_container_can_write_but_to_a_tmp_of_its_own(render: Render) -> None:
    for container in render(ALL).containers():
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]  # noqa: S108
    for pod in render(ALL).pods().values():
        assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]


def test_no_pod_is_given_a_token_of_the_cluster(render: Render) -> None:
    objects = render(ALL)
    account = objects.one("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    for pod in objects.pods().values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["serviceAccountName"] == account["metadata"]["name"]


def test_each_image_has_a_version_and_none_is_the_latest(render: Render) -> None:
    images = {container["image"] for container in render(MINIMAL).containers()}
    assert images == {f"dingda:{render.metadata['appVersion']}"}
    assert "tag" in render.refusal(MINIMAL, {"image": {"tag": "latest"}})


def test_a_digest_wins_over_a_tag(render: Render) -> None:
    image = {"repository": "registry.example/bot", "tag": "1.0", "digest": DIGEST}
    images = {container["image"] for container in render(MINIMAL, {"image": image}).containers()}
    assert images == {f"registry.example/bot@{DIGEST}"}


def test_each_container_asks_for_what_it_needs_and_may_not_take_all_memory(render: Render) -> None:
    for container in render(ALL).containers():
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}
        # A limit of CPU would stop a process that holds leases.
        assert set(resources["limits"]) == {"memory"}


def test_kubernetes_adds_no_variables_of_services(render: Render) -> None:
    # For a Service called dingda it would set DINGDA_PORT, which is the port that we listen on.
    assert {pod["enableServiceLinks"] for pod in render(ALL).pods().values()} == {False}


def test_the_gateway_is_one_process_and_listens_beyond_loopback(render: Render) -> None:
    data = settings_of(render(ALL))
    assert data["DINGDA_GATEWAY_PROCESSES"] == "1"
    assert data["DINGDA_HOST"] == "0.0.0.0"
    (port,) = [each for each in ports(render(ALL), "gateway") if each["name"] == "http"]
    assert data["DINGDA_PORT"] == str(port["containerPort"])


def test_metrics_are_on_the_port_that_the_settings_name(render: Render) -> None:
    for component in ("gateway", "stream", "worker"):
        (port,) = [each for each in ports(render(ALL), component) if each["name"] == "metrics"]
        assert settings_of(render(ALL))["DINGDA_METRICS_PORT"] == str(port["containerPort"])


def test_each_long_running_pod_is_asked_whether_it_lives(render: Render) -> None:
    for component in ("gateway", "stream", "worker", "exporter"):
        (container,) = render(ALL).pods()[component]["containers"]
        assert {"startupProbe", "livenessProbe"} <= set(container)


def test_a_rollout_waits_until_pods_say_that_they_are_ready(render: Render) -> None:
    for component, port in (("gateway", "http"), ("stream", "metrics"), ("worker", "metrics")):
        (container,) = render(ALL).pods()[component]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": port}


def test_no_probe_starts_an_interpreter(render: Render) -> None:
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    for container in render(ALL).containers():
        assert all("exec" not in container.get(probe, {}) for probe in probes)


def test_each_probe_asks_a_port_that_its_container_has(render: Render) -> None:
    for container in render(ALL).containers():
        named = {port["name"] for port in container.get("ports", ())}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            action = container.get(probe, {})
            asked = action.get("httpGet") or action.get("tcpSocket")
            assert asked is None or asked["port"] in named


def test_a_pod_that_is_slow_is_not_killed_before_its_leases_have_run_out(render: Render) -> None:
    for component in ("gateway", "stream", "worker", "exporter"):
        (container,) = render(ALL).pods()[component]["containers"]
        probe = container["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] > max(30, LEASE_S)


def test_a_worker_has_longer_to_stop_than_its_answers_have_to_end(render: Render) -> None:
    takes_s = (
        concurrent_worker.GRACE_S
        + concurrent_worker._CANCEL_TIMEOUT_S
        + concurrent_worker._CLOSE_TIMEOUT_S
    )
    worker = render(ALL).pods()["worker"]
    assert worker["terminationGracePeriodSeconds"] > takes_s
    # It takes no traffic that would have to be led elsewhere first.
    assert "lifecycle" not in worker["containers"][0]


def test_a_stream_pod_has_longer_to_stop_than_its_last_acknowledgements_take(
    render: Render,
) -> None:
    takes_s = 2 * connection.LAST_ACKS_S + connection.CLOSE_S
    stream = render(ALL).pods()["stream"]
    assert stream["terminationGracePeriodSeconds"] >= takes_s + 10
    # DingTalk gives it nothing more once its connections are closed.
    assert "lifecycle" not in stream["containers"][0]


def test_a_gateway_goes_on_until_others_have_taken_over_and_then_ends_its_requests(
    render: Render,
) -> None:
    gateway = render(ALL).pods()["gateway"]
    sleeps_s = gateway["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert sleeps_s >= 5
    ends_s = max(server._SHUTDOWN_S, handover._END_TIMEOUT_S)
    assert gateway["terminationGracePeriodSeconds"] > sleeps_s + ends_s


@pytest.mark.parametrize("component", ["gateway", "stream"])
def test_a_rollout_takes_no_pod_that_hears_away_before_another_is_ready(
    render: Render, component: str
) -> None:
    strategy = render(ALL).one("Deployment", component)["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxUnavailable": 0, "maxSurge": 1}


def test_pods_are_spread_over_machines_and_zones(render: Render) -> None:
    objects = render(ALL)
    for component in ("gateway", "stream", "worker"):
        template = objects.one("Deployment", component)["spec"]["template"]
        constraints = template["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in constraints} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for each in constraints:
            selector = each["labelSelector"]["matchLabels"]
            assert selector.items() <= template["metadata"]["labels"].items()


def test_another_setting_or_secret_starts_the_pods_again(render: Render) -> None:
    def marks(values: dict[str, Any]) -> set[str]:
        return {
            each["spec"]["template"]["metadata"]["annotations"]["checksum/settings"]
            for each in render(ALL, values).of_kind("Deployment")
        }

    before = marks({})
    assert len(before) == 1
    assert marks({"settings": {"DINGDA_CONCURRENCY": 51}}) != before
    assert marks({"secrets": {"DINGDA_APP_SECRET": "another"}}) != before
    assert marks({"podAnnotations": {"example.com/team": "others"}}) == before


def test_the_test_pod_looks_at_redis_and_at_the_gateway(render: Render) -> None:
    objects = render(ALL)
    pod = objects.one("Pod", "check")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["initContainers"][0]["args"] == ["dingda", "check"]
    service = objects.one("Service")
    where = f"http://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}/"
    assert where in "".join(strings(pod["spec"]["containers"]))


def test_without_a_gateway_nothing_is_left_of_it(render: Render) -> None:
    objects = render(STREAM_ONLY)
    assert set(objects.pods()) == {"stream", "worker", "exporter", "check"}
    assert objects.of_kind("Service", "HorizontalPodAutoscaler") == []
    budgets = objects.of_kind("PodDisruptionBudget")
    assert {component_of(each) for each in budgets} == {"stream", "worker"}
    pod = objects.pods()["check"]
    assert [each["args"] for each in pod["containers"]] == [["dingda", "check"]]
    assert "initContainers" not in pod


def test_stream_mode_is_off_by_default(render: Render) -> None:
    assert "stream" not in render(MINIMAL).pods()


@pytest.mark.parametrize("component", ["gateway", "stream", "worker", "exporter"])
def test_a_pod_runs_a_command_that_dingda_has(
    render: Render, component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = render(ALL).pods()[component]["containers"]
    name, *arguments = container["args"]
    assert name == "dingda"
    monkeypatch.setattr(click.Command, "invoke", lambda *_: None)
    command_line.main(arguments, "dingda", standalone_mode=False)


def test_metrics_are_heard_beyond_loopback(render: Render) -> None:
    assert settings_of(render(ALL))["DINGDA_METRICS_HOST"] == "0.0.0.0"


def settings_of(objects: Objects) -> dict[str, str]:
    """The settings that the chart gives to every pod."""
    (found,) = [
        each["data"] for each in objects.of_kind("ConfigMap") if "DINGDA_HOST" in each["data"]
    ]
    return dict(found)


def ports(objects: Objects, component: str) -> list[Object]:
    (container,) = objects.pods()[component]["containers"]
    return list(container["ports"])
