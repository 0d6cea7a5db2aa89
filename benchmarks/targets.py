"""What we set out to reach, as ratios within one run."""

from dataclasses import dataclass

from benchmarks import backlog, gateway, worker
from benchmarks.candidates import DINGDA, SIMPLE_WORKER, WORKER_POOL
from benchmarks.plan import Plan
from benchmarks.samples import Samples, Summary


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio `ours / theirs` and its bound."""

    what: str
    question: str
    value: str
    ours: str
    theirs: str
    bound: float
    at_most: bool = False

    def reached(self, samples: Samples) -> Summary | None:
        """The ratio; None if it was not measured."""
        return samples.ratio(self.question, self.value, self.ours, self.theirs)

    def is_met_by(self, ratio: float) -> bool:
        """Whether a ratio is good enough."""
        return ratio <= self.bound if self.at_most else ratio >= self.bound


def targets(plan: Plan) -> tuple[Target, ...]:
    """All targets; the backlog's compares the largest of the plan with the smallest."""
    small, large = (backlog.variant(waiting) for waiting in (plan.backlogs[0], plan.backlogs[-1]))
    asked = ("gateway", "per_s", DINGDA)
    jobs = ("worker", "per_cpu_s", DINGDA)
    return (
        Target(
            "gateway, durable and deduplicated, against a bare Starlette route",
            *asked,
            gateway.BARE,
            0.8,
        ),
        Target(
            "gateway against `Queue.enqueue(unique=True)` in the thread pool",
            *asked,
            gateway.ENQUEUE,
            10,
        ),
        Target(
            "gateway against the seed's Django view, same number of processes",
            *asked,
            gateway.SEED,
            5,
        ),
        Target(
            "jobs that do nothing, per CPU-second, against SimpleWorker",
            *jobs,
            SIMPLE_WORKER.name,
            10,
        ),
        Target(
            "jobs that do nothing, per CPU-second, against dramatiq", *jobs, worker.DRAMATIQ.name, 1
        ),
        Target(
            "one-second lookups, replies/s per MB, against `rq worker-pool` preloaded",
            "lookups",
            "per_100_mb",
            DINGDA,
            WORKER_POOL.name,
            50,
        ),
        Target(
            "callback to reply on an idle machine, p50, against SimpleWorker",
            "latency",
            "p50_ms",
            DINGDA,
            SIMPLE_WORKER.name,
            1.2,
            at_most=True,
        ),
        Target(
            f"cost of a message, {large} against {small}",
            "backlog",
            "cost_us",
            large,
            small,
            1.2,
            at_most=True,
        ),
    )
