"""The totals as operators see them: by `dingda status`, the exporter and the dashboard."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from dingda.shared.ledger.states import MessageState
from dingda.simulator.testing.processes import clean_environment
from tests.support.processes import ROOT

_ROW = re.compile(
    r'<tr><th scope="row">\s*<span[^>]*>([^<]+)</span></th>.*?<td class="n">([\d\s]+)</td></tr>',
    re.DOTALL,
)


async def read_views(settings: Mapping[str, str], *, exporter: str, dashboard: str) -> "Views":
    """Read the ends of messages from each view.

    Args:
        settings: what the command `dingda status` is run with.
        exporter: the address of the exporter.
        dashboard: the address of the dashboard.
    """
    async with httpx.AsyncClient(headers={"Accept-Language": "en"}, timeout=10.0) as client:
        metrics = await client.get(f"{exporter}/metrics")
        page = await client.get(f"{dashboard}/")
    return {
        "dingda status": _ends_of_status(await _status(settings)),
        "exporter": _ends_of_metrics(metrics.text),
        "dashboard": _ends_of_page(page.text),
    }


async def read_tasks(worker: str) -> int:
    """How many tasks are on a worker's event loop, by its own port."""
    async with httpx.AsyncClient() as client:
        metrics = await client.get(f"{worker}/metrics")
    for family in text_string_to_metric_families(metrics.text):
        if family.name == "dingda_loop_tasks":
            return int(family.samples[0].value)
    raise AssertionError("the worker does not tell its tasks")


Views = dict[str, Counter[str]]
"""By view: how many messages have ended in each way; dead letters are `dead: ` and their reason."""


async def _status(settings: Mapping[str, str]) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(".venv/bin/python", "-m", "dingda", "status", "--json"),
        cwd=ROOT,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)} | dict(settings),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return json.loads(output)


def _ends_of_status(status: Any) -> Counter[str]:
    dead = {f"dead: {reason}": count for reason, count in status["dead"].items()}
    return Counter({name: status[name] for name in ("answered", "unmatched", "refused")} | dead)


def _ends_of_metrics(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "dingda_messages_ended_total":
                found[_kind(sample.labels["end"], sample.labels["reason"])] += int(sample.value)
    return found


def _ends_of_page(page: str) -> Counter[str]:
    ends = page.partition('data-part="ends"')[2].partition("</table>")[0]
    return Counter({kind: int(re.sub(r"\s", "", total)) for kind, total in _ROW.findall(ends)})


def _kind(end: str, reason: str) -> str:
    """The labels of a metric as the ledger's records have it."""
    return f"{end}: {reason}" if reason else end.replace("declined", MessageState.DECLINED)
