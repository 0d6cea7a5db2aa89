"""`dingda status` and `dingda worker alive`: the totals, the queue and the workers."""

from dataclasses import asdict, dataclass

from redis.asyncio import Redis

from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.worker_report import WorkerReport, read_worker_reports
from dingda.shared.queue import JobQueue, message_of_job
from dingda.shared.runtime.command_line import to_json
from dingda.shared.runtime.logs import printable

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
    workers: int
    workers_alive: tuple[WorkerReport, ...]


async def read_status(redis: Redis, admin: LedgerAdmin, queue: JobQueue) -> Status:
    """Read the totals, the queue and the workers.

    Args:
        redis: a client that decodes responses.
        admin: the operators' view of the ledger.
        queue: the RQ queue.
    """
    counts = await admin.counts()
    _, queue_key = queue.keys
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.llen(queue_key)
        pipeline.lindex(queue_key, 0)
        pipeline.zcard(LedgerKeys(queue.name).due)
        queued, head, due = await pipeline.execute()
    reports = await read_worker_reports(redis, queue)
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
        queued=queued,
        oldest_s=await admin.age_s(message_of_job(head)) if head else 0.0,
        in_flight=due,
        workers=len(reports),
        workers_alive=tuple(reports),
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
    lines = []
    for name, value in facts.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{printable(k)} {n}" for k, n in value.items()) or 0
        lines.append(f"{name:10} {shown}")
    lines += [f"  {_show_worker(report)}" for report in status.workers_alive]
    return "\n".join(lines)


def _show_worker(report: WorkerReport) -> str:
    shown = f"{printable(report.host)}  pid {report.pid}"
    if report.slots:
        shown += f"  version {printable(report.version)}"
        shown += f"  {report.slots_used} of {report.slots} slots used"
    if report.open_circuits:
        shown += f"  does not call: {', '.join(map(printable, report.open_circuits))}"
    return shown
