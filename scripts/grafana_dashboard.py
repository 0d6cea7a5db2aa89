"""Write Grafana's dashboard, `deploy/grafana/dingda.json`.

    python -m scripts.grafana_dashboard

Grafana has no format that is pleasant to write. So the panels are a table here, and a test compares
the file with it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[1] / "deploy" / "grafana" / "dingda.json"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH, _HEIGHT = 24, 7
_ONCE = "max without (instance, pod)"
"""Exporters that read the same Redis tell the same."""


@dataclass(frozen=True)
class Panel:
    """One panel: its queries, each with the legend of its lines."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    note: str = ""


def _stage(quantile: float) -> tuple[str, str]:
    query = (
        f"histogram_quantile({quantile}, "
        "sum by (stage, le) (dingda:stage_duration_seconds_bucket:rate5m))"
    )
    return query, f"p{quantile * 100:g} {{{{stage}}}}"


def _quantile(quantile: float, metric: str, *labels: str) -> tuple[str, str]:
    kept = ", ".join((*labels, "le"))
    query = f"histogram_quantile({quantile}, sum by ({kept}) (rate({metric}_bucket[5m])))"
    return query, " ".join((f"p{quantile * 100:g}", *(f"{{{{{label}}}}}" for label in labels)))


def _stored(quantile: float) -> tuple[str, str]:
    buckets = 'dingda_callback_duration_seconds_bucket{outcome="stored"}'
    query = f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[5m])))"
    return query, f"p{quantile * 100:g}"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Now": (
        Panel("Workers", ((f"{_ONCE} (dingda_workers)", ""),), kind="stat", width=4),
        Panel("Open messages", ((f"{_ONCE} (dingda_messages_open)", ""),), kind="stat", width=4),
        Panel("On the queue", ((f"{_ONCE} (dingda_queue_messages)", ""),), kind="stat", width=4),
        Panel(
            "Age of the next",
            ((f"{_ONCE} (dingda_queue_oldest_age_seconds)", ""),),
            unit="s",
            kind="stat",
            width=4,
        ),
        Panel("Dead letters", ((f"{_ONCE} (dingda_dead_letters)", ""),), kind="stat", width=4),
        Panel("Redis answers", ((f"{_ONCE} (dingda_up)", ""),), kind="stat", width=4),
    ),
    "Messages": (
        Panel(
            "Accepted and ended",
            (
                ("sum(dingda:accepted:rate5m)", "accepted"),
                ("sum by (end) (dingda:ended:rate5m)", "{{end}}"),
            ),
            unit="reqps",
        ),
        Panel(
            "Dead letters by reason",
            (('sum by (reason) (dingda:ended:rate5m{end="dead"})', "{{reason}}"),),
            unit="reqps",
        ),
        Panel(
            "Revived, and nothing to answer",
            (
                (f"sum({_ONCE} (rate(dingda_messages_revived_total[5m])))", "revived"),
                (f"sum by (kind) ({_ONCE} (rate(dingda_messages_ignored_total[5m])))", "{{kind}}"),
            ),
            unit="reqps",
        ),
        Panel("Stages, median", (_stage(0.5),), unit="s"),
        Panel("Stages, p95", (_stage(0.95),), unit="s"),
        Panel("Stages, p99", (_stage(0.99),), unit="s"),
        Panel(
            "Waiting",
            (
                (f"{_ONCE} (dingda_queue_messages)", "on the queue"),
                (f"{_ONCE} (dingda_due_messages)", "leased, on their way, or resting"),
            ),
            width=12,
        ),
        Panel(
            "Slots",
            (
                (f"{_ONCE} (dingda_cluster_slots)", "slots"),
                (f"{_ONCE} (dingda_cluster_slots_used)", "used"),
            ),
            width=12,
        ),
    ),
    "Gateway": (
        Panel(
            "Callbacks by outcome",
            (
                (
                    "sum by (outcome) (rate(dingda_callback_duration_seconds_count[5m]))",
                    "{{outcome}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            "Time of a stored callback",
            (_stored(0.5), _stored(0.99)),
            unit="s",
        ),
        Panel(
            "Late or failed callbacks",
            (
                ("dingda:callbacks_bad:ratio_rate5m", "5 minutes"),
                ("dingda:callbacks_bad:ratio_rate1h", "1 hour"),
            ),
            unit="percentunit",
        ),
        Panel(
            "Messages a round trip",
            (
                _quantile(0.5, "dingda_intake_batch_size"),
                _quantile(0.99, "dingda_intake_batch_size"),
            ),
            width=12,
        ),
        Panel(
            "Round trip to Redis",
            (
                _quantile(0.5, "dingda_redis_trip_duration_seconds"),
                _quantile(0.99, "dingda_redis_trip_duration_seconds"),
            ),
            unit="s",
            width=12,
        ),
    ),
    "Stream": (
        Panel("Connections", (("dingda_stream_connections", "{{robot}} {{instance}}"),)),
        Panel(
            "Frames",
            (
                (
                    "sum by (topic, outcome) (rate(dingda_stream_frames_total[5m]))",
                    "{{topic}} {{outcome}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            "Time to the acknowledgement",
            (
                _quantile(0.5, "dingda_stream_ack_duration_seconds"),
                _quantile(0.99, "dingda_stream_ack_duration_seconds"),
            ),
            unit="s",
        ),
        Panel(
            "Late acknowledgements",
            (("dingda:stream_acks_late:ratio_rate5m", ""),),
            unit="percentunit",
            note="Later than a second after the frame had arrived.",
        ),
        Panel(
            "Connecting",
            (
                (
                    "sum by (result) (increase(dingda_stream_connects_total[5m]))",
                    "{{result}}",
                ),
            ),
        ),
        Panel(
            "Connections that ended",
            (
                (
                    "sum by (reason) (increase(dingda_stream_disconnects_total[5m]))",
                    "{{reason}}",
                ),
            ),
        ),
    ),
    "Workers": (
        Panel("Skills, p95", (_quantile(0.95, "dingda_skill_duration_seconds", "skill"),), "s"),
        Panel(
            "Skills by outcome",
            (
                (
                    "sum by (skill, outcome) (rate(dingda_skill_duration_seconds_count[5m]))",
                    "{{skill}} {{outcome}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            "Deliveries by outcome",
            (
                (
                    "sum by (outcome) (rate(dingda_delivery_attempts_total[5m]))",
                    "{{outcome}}",
                ),
            ),
            unit="reqps",
        ),
        Panel(
            "Slots in use",
            (("dingda_worker_slots_used / dingda_worker_slots", "{{instance}}"),),
            unit="percentunit",
        ),
        Panel(
            "Loop lag, p99",
            (_quantile(0.99, "dingda_loop_lag_seconds", "job", "instance"),),
            unit="s",
        ),
        Panel(
            "Backends that are not called",
            (("sum by (service) (dingda_backend_circuit_open)", "{{service}}"),),
            note="Workers whose circuit breaker is open.",
        ),
        Panel(
            "Leases lost, messages handed on",
            (
                ("sum(increase(dingda_leases_lost_total[5m]))", "leases lost"),
                ("sum(increase(dingda_sweeper_requeued_total[5m]))", "enqueued again"),
            ),
            width=12,
        ),
        Panel(
            "Versions",
            (("count by (process, version) (dingda_build_info)", "{{process}} {{version}}"),),
            width=12,
        ),
    ),
    "Redis": (
        Panel(
            "Memory",
            (
                (f"{_ONCE} (dingda_redis_memory_bytes)", "used"),
                (f"{_ONCE} (dingda_redis_max_memory_bytes)", "may be used"),
            ),
            unit="bytes",
        ),
        Panel(
            "CPU of its one core",
            ((f"{_ONCE} (rate(dingda_redis_cpu_seconds_total[5m]))", ""),),
            unit="percentunit",
        ),
        Panel(
            "Replicas",
            (
                (f"{_ONCE} (dingda_redis_replicas)", "connected"),
                (f"{_ONCE} (dingda_redis_replicas_wanted)", "wanted"),
                (f"{_ONCE} (increase(dingda_redis_unreplicated_total[5m]))", "steps without"),
            ),
        ),
        Panel(
            "Lag of the slowest replica",
            ((f"{_ONCE} (dingda_redis_replica_lag_seconds)", ""),),
            unit="s",
            width=12,
        ),
        Panel(
            "Append-only file",
            (
                (f"{_ONCE} (dingda_redis_aof_enabled)", "is on"),
                (f"{_ONCE} (dingda_redis_aof_write_ok)", "is written"),
            ),
            width=12,
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "dingda",
        "title": "Dingda",
        "description": "docs/operations.md says what each metric means.",
        "tags": ["dingda"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": _panels(),
    }


def _panels() -> list[dict[str, Any]]:
    """All panels, from left to right, with a row of its own before those of a group."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, group in ROWS.items():
        place = {"x": 0, "y": y, "w": _WIDTH, "h": 1}
        panels.append({"type": "row", "title": title, "gridPos": place, "collapsed": False})
        y, x = y + 1, 0
        for panel in group:
            if x + panel.width > _WIDTH:
                y, x = y + _HEIGHT, 0
            panels.append(_panel(panel, {"x": x, "y": y, "w": panel.width, "h": _HEIGHT}))
            x += panel.width
        y += _HEIGHT
    return [{"id": number, **panel} for number, panel in enumerate(panels, 1)]


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.note,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend or "__auto",
            }
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }


def main() -> None:
    """Write the file."""
    DASHBOARD.parent.mkdir(exist_ok=True)
    DASHBOARD.write_text(json.dumps(dashboard(), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
