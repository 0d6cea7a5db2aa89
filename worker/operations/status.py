"""`dingda status` and `dingda worker alive`: the totals, the queue and the workers."""

from collections import Counter
from dataclasses import asdict, dataclass

from redis.asyncio import Redis

from dingda.shared.ledger.worker_report import WorkerReport, read_worker_reports
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable
from dingda.worker.operations.cluster_state import ClusterState

PAUSED = "workers take no messages until rq resume, or Resume on the dashboard"
NO_WORKERS = "No worker is alive, so nothing is answered: start one with dingda worker."


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the bot; ages are in seconds, the rest are counts."""

    accepted: int
    answered: int
    unmatched: int
    refused: int
    dead: dict[str, int]
    ignored: dict[str, int]
    revived: int
    unreplicated: int
    open: int
    queued: int
    oldest_s: float
    in_flight: int
    paused: bool
    """Whether an operator has suspended the workers: they are alive, and take no messages."""
    openapi_calls: int
    """Calls of DingTalk's OpenAPI in this month."""
    openapi_monthly_calls: int
    """How many DingTalk allows, as the settings have it; 0: they do not say."""
    workers: int
    workers_alive: tuple[WorkerReport, ...]


def status_of(state: ClusterState, *, monthly_calls: int = 0) -> Status:
    """What `dingda status` shows of a state.

    Args:
        state: the state.
        monthly_calls: how many calls of the OpenAPI there are in a month.
    """
    counts = state.counts
    return Status(
        accepted=counts.accepted,
        answered=counts.answered,
        unmatched=counts.unmatched,
        refused=counts.declined,
        dead=counts.dead,
        ignored=counts.ignored,
        revived=counts.revived,
        unreplicated=counts.unreplicated,
        open=counts.open,
        queued=state.queued,
        oldest_s=state.oldest_s,
        in_flight=state.due,
        paused=state.is_suspended,
        openapi_calls=state.openapi_calls,
        openapi_monthly_calls=monthly_calls,
        workers=len(state.workers),
        workers_alive=state.workers,
    )


async def is_working(redis: Redis, queue: JobQueue, *, host: str) -> bool:
    """Whether a worker on this host is alive; one whose loop is blocked is not.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue.
        host: the host's name.
    """
    return any(report.host == host for report in await read_worker_reports(redis, queue))


def show_status(status: Status, *, as_json: bool) -> str:
    """A line for each figure and for each worker, or one JSON object."""
    facts = asdict(status)
    if as_json:
        return to_json(facts)
    del facts["workers_alive"]
    monthly = facts.pop("openapi_monthly_calls")
    of_monthly = f" of {monthly}" if monthly else ""
    facts["openapi"] = f"{facts.pop('openapi_calls')}{of_monthly} calls this month"
    facts["paused"] = PAUSED if status.paused else "no"
    lines = []
    for name, value in facts.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{printable(k)} {n}" for k, n in value.items()) or 0
        elif isinstance(value, float):
            shown = f"{value:.1f}"
        lines.append(f"{name:10} {shown}")
    lines += [f"  {_show_worker(report)}" for report in status.workers_alive]
    return "\n".join(lines)


def _show_worker(report: WorkerReport) -> str:
    shown = f"{printable(report.host)}  pid {report.pid}"
    if report.slots:
        shown += f"  version {printable(report.version)}"
        shown += f"  {report.slots_used} of {report.slots} slots used"
    if report.doing:
        skills = Counter(held.skill or "no skill" for held in report.doing)
        shown += f"  doing: {', '.join(f'{printable(k)} {n}' for k, n in skills.items())}"
    if report.open_circuits:
        shown += f"  does not call: {', '.join(map(printable, report.open_circuits))}"
    if report.missing_skills:
        shown += f"  cannot load: {', '.join(map(printable, report.missing_skills))}"
    return shown
