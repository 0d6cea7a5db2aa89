"""What Helm makes of the chart, as objects."""

import json
from collections.abc import Iterable
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "dingda"
MINIMAL: dict[str, Any] = {"existingSecret": "bot-secrets"}
"""The least that an operator sets."""
ALL: dict[str, Any] = {
    **MINIMAL,
    "secrets": {"DINGDA_APP_SECRET": "wordless", "DINGDA_REDIS_URL": "redis://:pass@redis/0"},
    "settings": {"DINGDA_CONCURRENCY": 50},
    "imagePullSecrets": [{"name": "registry"}],
    "worker": {
        "autoscaling": {
            "enabled": True,
            "redis": {"address": "redis:6379", "existingSecret": "keda", "sentinelAuth": True},
        }
    },
    "stream": {"enabled": True},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "bot.example.com",
        "tlsSecret": "bot-tls",
        "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "256k"},
    },
    "networkPolicy": {
        "enabled": True,
        "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        "redisTo": [{"ipBlock": {"cidr": "10.1.0.0/24"}}],
        "workerTo": [{"ports": [{"port": 5432}], "to": [{"ipBlock": {"cidr": "10.2.0.7/32"}}]}],
        "streamTo": [{"ports": [{"port": 3128}], "to": [{"ipBlock": {"cidr": "10.2.0.8/32"}}]}],
    },
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True},
    "grafanaDashboard": {"enabled": True},
    "podAnnotations": {"example.com/team": "bots"},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "bots", "operator": "Exists"}],
}
"""Everything that the chart can make."""
STREAM_ONLY: dict[str, Any] = {
    **MINIMAL,
    "gateway": {"enabled": False},
    "stream": {"enabled": True},
}
"""No public address."""

Object = dict[str, Any]


class Objects(list[Object]):
    """The objects of a release."""

    def of_kind(self, *kinds: str) -> list[Object]:
        return [each for each in self if each["kind"] in kinds]

    def one(self, kind: str, component: str = "") -> Object:
        """The only object of a kind, or of a kind and a component."""
        (found,) = [
            each for each in self.of_kind(kind) if not component or component_of(each) == component
        ]
        return found

    def pods(self) -> dict[str, Object]:
        """The pods' specs, by component."""
        deployed = {
            component_of(each): each["spec"]["template"]["spec"]
            for each in self.of_kind("Deployment")
        }
        return deployed | {component_of(each): each["spec"] for each in self.of_kind("Pod")}

    def containers(self) -> list[Object]:
        return [
            container
            for pod in self.pods().values()
            for container in [*pod["containers"], *pod.get("initContainers", ())]
        ]


class Render:
    """Renders the chart; what was rendered once is kept."""

    def __init__(self) -> None:
        self._helm: Any = import_module("helm_python")
        self._yaml: Any = import_module("yaml")
        self._chart = self._helm.Chart.load(CHART)
        self._rendered: dict[str, Objects] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._chart.close()

    def __call__(
        self, *values: dict[str, Any], release: str = "bot", namespace: str = "chat"
    ) -> Objects:
        """The objects of a release with these values, merged from left to right.

        Raises:
            HelmError: if Helm refuses the values.
        """
        merged = merge(*values)
        key = json.dumps([merged, release, namespace], sort_keys=True)
        if key not in self._rendered:
            pages = self._chart.render(merged, name=release, namespace=namespace)
            self._rendered[key] = Objects(
                each
                for path, page in pages.items()
                if path.endswith(".yaml")
                for each in self._yaml.safe_load_all(page)
                if each is not None
            )
        return Objects(deepcopy(self._rendered[key]))

    def refusal(self, *values: dict[str, Any]) -> str:
        """What Helm says of values that it refuses."""
        try:
            self(*values)
        except self._helm.HelmError as error:
            return str(error)
        raise AssertionError(f"rendered: {values}")

    def notes(self, *values: dict[str, Any]) -> str:
        """What the operator reads after the installation."""
        pages = self._chart.render(merge(*values), name="bot", namespace="chat")
        return str(pages["dingda/templates/NOTES.txt"])

    @property
    def values(self) -> dict[str, Any]:
        """The default values."""
        return dict(self._chart.values)

    @property
    def metadata(self) -> dict[str, Any]:
        """What Chart.yaml says."""
        return dict(self._chart.metadata)

    def read_yaml(self, path: Path) -> Any:
        return self._yaml.safe_load(path.read_text("utf-8"))


def merge(*values: dict[str, Any]) -> dict[str, Any]:
    """Values laid over each other as Helm does it: maps are merged, all else is replaced."""
    merged: dict[str, Any] = {}
    for each in values:
        for name, value in each.items():
            below = merged.get(name)
            if isinstance(below, dict) and isinstance(value, dict):
                merged[name] = merge(below, value)
            else:
                merged[name] = value
    return merged


def component_of(each: Object) -> str:
    return str(each["metadata"]["labels"].get("app.kubernetes.io/component", ""))


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def strings(value: Any) -> Iterable[str]:
    """Every string within an object."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value
