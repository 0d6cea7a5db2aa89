"""Who reaches the pods, and what they reach."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.chart.rendering import ALL, MINIMAL, Object, Render

COMPONENTS = ("gateway", "stream", "worker", "exporter", "check")


def policy(render: Render, component: str, **values: Any) -> Object:
    spec = render(ALL, {"networkPolicy": values}).one("NetworkPolicy", component)["spec"]
    return dict(spec)


def ports(rules: list[Object]) -> set[tuple[Any, str]]:
    return {
        (port["port"], port.get("protocol", "TCP"))
        for rule in rules
        for port in rule.get("ports", ())
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_pod_is_under_a_policy_of_both_directions(render: Render, component: str) -> None:
    objects = render(ALL)
    spec = policy(render, component)
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    labels = (
        objects.one("Pod", component)["metadata"]["labels"]
        if component == "check"
        else objects.one("Deployment", component)["spec"]["template"]["metadata"]["labels"]
    )
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert set(objects.pods()) == set(COMPONENTS)


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_pod_reaches_names_redis_and_its_sentinels(render: Render, component: str) -> None:
    reached = ports(policy(render, component)["egress"])
    assert {(53, "UDP"), (53, "TCP"), (6379, "TCP"), (26379, "TCP")} <= reached


def test_redis_is_reached_where_it_is_and_nowhere_else(render: Render) -> None:
    for component in COMPONENTS:
        (rule,) = [r for r in policy(render, component)["egress"] if (6379, "TCP") in ports([r])]
        assert rule["to"] == [{"ipBlock": {"cidr": "10.1.0.0/24"}}]


def test_a_redis_on_another_port_is_named(render: Render) -> None:
    reached = ports(policy(render, "worker", redisPorts=[7000])["egress"])
    assert (7000, "TCP") in reached
    assert (6379, "TCP") not in reached


@pytest.mark.parametrize("component", ["worker", "stream"])
def test_what_calls_dingtalk_reaches_the_internet_on_443_and_no_private_address(
    render: Render, component: str
) -> None:
    (rule,) = [r for r in policy(render, component)["egress"] if (443, "TCP") in ports([r])]
    (peer,) = rule["to"]
    closed = [ip_network(each) for each in peer["ipBlock"]["except"]]
    for address in ("10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.100.100.200"):
        assert any(ip_address(address) in each for each in closed), address
    assert not any(ip_address("203.119.0.1") in each for each in closed)


@pytest.mark.parametrize("component", ["gateway", "exporter", "check"])
def test_nothing_else_reaches_the_internet(render: Render, component: str) -> None:
    egress = policy(render, component)["egress"]
    assert (443, "TCP") not in ports(egress)
    assert "0.0.0.0/0" not in str(egress)


def test_workers_reach_what_is_named_for_their_skills(render: Render) -> None:
    assert ALL["networkPolicy"]["workerTo"][0] in policy(render, "worker")["egress"]
    assert ALL["networkPolicy"]["workerTo"][0] not in policy(render, "gateway")["egress"]


def test_stream_mode_reaches_a_proxy_that_is_named_and_nothing_of_the_skills(
    render: Render,
) -> None:
    egress = policy(render, "stream")["egress"]
    assert ALL["networkPolicy"]["streamTo"][0] in egress
    assert ports(egress) == {
        *((53, "UDP"), (53, "TCP"), (6379, "TCP"), (26379, "TCP")),
        *((443, "TCP"), (3128, "TCP")),
    }
    assert ALL["networkPolicy"]["streamTo"][0] not in policy(render, "worker")["egress"]


def test_the_gateway_hears_the_ingress_controller_and_the_test_pod(render: Render) -> None:
    (rule,) = [r for r in policy(render, "gateway")["ingress"] if ("http", "TCP") in ports([r])]
    assert rule["from"][:-1] == ALL["networkPolicy"]["ingressFrom"]
    check = render(ALL).one("Pod", "check")["metadata"]["labels"]
    assert rule["from"][-1]["podSelector"]["matchLabels"].items() <= check.items()


def test_metrics_are_for_those_that_are_named(render: Render) -> None:
    for component in ("gateway", "stream", "worker", "exporter"):
        rules = policy(render, component)["ingress"]
        (rule,) = [each for each in rules if ("metrics", "TCP") in ports([each])]
        assert rule["from"] == ALL["networkPolicy"]["metricsFrom"]
        without = policy(render, component, metricsFrom=[])["ingress"]
        assert ("metrics", "TCP") not in ports(without)


@pytest.mark.parametrize("component", ["worker", "stream"])
def test_nobody_reaches_what_only_calls_others_but_for_its_metrics(
    render: Render, component: str
) -> None:
    assert ports(policy(render, component)["ingress"]) == {("metrics", "TCP")}
    assert policy(render, component, metricsFrom=[])["ingress"] == []


def test_the_ingress_lets_in_the_callback_and_no_other_path(render: Render) -> None:
    ingress = render(ALL).one("Ingress")
    (rule,) = ingress["spec"]["rules"]
    paths = {(each["path"], each["pathType"]) for each in rule["http"]["paths"]}
    assert paths == {("/dd_robot", "Exact"), ("/dd_robot/", "Exact")}
    assert ingress["spec"]["tls"] == [{"hosts": ["bot.example.com"], "secretName": "bot-tls"}]


@pytest.mark.parametrize(
    "values",
    [
        {"settings": {"DINGDA_CARD_TEMPLATE": "t.schema"}},
        {"secrets": {"DINGDA_ROBOTS": "[]"}},
    ],
    ids=["a template", "robots that may have one"],
)
def test_it_lets_in_presses_of_cards_where_there_may_be_some(
    render: Render, values: dict[str, Any]
) -> None:
    (rule,) = render(ALL, values).one("Ingress")["spec"]["rules"]
    assert "/card" in {each["path"] for each in rule["http"]["paths"]}


@pytest.mark.parametrize(
    ("path", "let_in"),
    [("/bot", {"/bot", "/bot/"}), ("/a/b/", {"/a/b", "/a/b/"}), ("/", {"/"})],
)
def test_it_lets_in_the_path_that_the_gateway_has(
    render: Render, path: str, let_in: set[str]
) -> None:
    ingress = render(ALL, {"settings": {"DINGDA_CALLBACK_PATH": path}}).one("Ingress")
    (rule,) = ingress["spec"]["rules"]
    assert {each["path"] for each in rule["http"]["paths"]} == let_in


def test_the_ingress_leads_to_the_service_and_that_to_the_gateway(render: Render) -> None:
    objects = render(ALL)
    service = objects.one("Service")
    (rule,) = objects.one("Ingress")["spec"]["rules"]
    for path in rule["http"]["paths"]:
        backend = path["backend"]["service"]
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] in {each["name"] for each in service["spec"]["ports"]}
    (container,) = objects.pods()["gateway"]["containers"]
    targets = {each["targetPort"] for each in service["spec"]["ports"]}
    assert targets <= {each["name"] for each in container["ports"]}


def test_metrics_are_not_on_the_service(render: Render) -> None:
    assert [each["name"] for each in render(ALL).one("Service")["spec"]["ports"]] == ["http"]


def test_nothing_is_let_in_from_outside_by_default(render: Render) -> None:
    objects = render(MINIMAL)
    assert objects.of_kind("Ingress") == []
    assert "type" not in objects.one("Service")["spec"]
