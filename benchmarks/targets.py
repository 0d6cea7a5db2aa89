"""What we set out to reach: ratios within one run, and figures with a unit."""

from dataclasses import dataclass
from functools import partial

from benchmarks import (
    backlog,
    calls,
    gateway,
    lookups,
    memory,
    replies,
    startup,
    worker,
)
from benchmarks.candidates import (
    DINGDA,
    SIMPLE_WORKER,
    STOCK_SIMPLE_WORKER,
    WORKER_POOL,
)
from benchmarks.plan import Plan
from benchmarks.samples import Samples, Summary


@dataclass(frozen=True, slots=True)
class Target:
    """A figure and its bound; where `theirs` is given, the figure is `ours / theirs`.

    Args:
        name: what the history calls it; it stays.
        what: what the report calls it.
        question: where it is measured.
        value: which of the question's values it is.
        ours: the variant.
        bound: for the median.
        theirs: the variant to compare with.
        at_most: whether the bound is an upper one.
        unit: of a figure that is no ratio.
        profile: the question that shows where the rest goes, if another than its own.
    """

    name: str
    what: str
    question: str
    value: str
    ours: str
    bound: float
    theirs: str = ""
    at_most: bool = False
    unit: str = ""
    profile: str = ""

    def reached(self, samples: Samples) -> Summary | None:
        """The figure; None if it was not measured."""
        if self.theirs:
            return samples.ratio(self.question, self.value, self.ours, self.theirs)
        return samples.summary(self.question, self.ours, self.value)

    def is_met_by(self, figure: float) -> bool:
        """Whether a figure is good enough."""
        return figure <= self.bound if self.at_most else figure >= self.bound

    @property
    def bound_text(self) -> str:
        """The bound as it is written."""
        return f"{'≤' if self.at_most else '≥'} {self.bound:,g}{self.unit and ' ' + self.unit}"


_gateway = partial(Target, question="gateway", ours=DINGDA, profile="profile-gateway")
_jobs = partial(
    Target, question="worker", value="per_cpu_s", ours=DINGDA, profile="profile-nothing"
)
_messages = partial(Target, question="worker", ours=worker.ANSWERS, profile="profile-answer")
_lookups = partial(Target, question="lookups", profile="profile-lookup")
_calls = partial(
    Target, question="calls", ours=calls.DINGDA, theirs=calls.AIOHTTP, profile="profile-lookup"
)
_replies = partial(Target, question="replies", ours=replies.DINGDA, profile="profile-answer")
_stream = partial(Target, question="stream", ours=DINGDA, at_most=True, unit="ms")
_memory = partial(Target, question="memory", at_most=True)
_startup = partial(Target, question="startup", value="first_s", at_most=True, unit="s")


def targets(plan: Plan) -> tuple[Target, ...]:
    """All targets; the backlog's compares the largest of the plan with the smallest."""
    small, large = (backlog.variant(waiting) for waiting in (plan.backlogs[0], plan.backlogs[-1]))
    most = max(plan.calls_in_flight)
    return (
        _gateway(
            name="gateway-clock",
            what="gateway, durable and deduplicated, against a bare Starlette route, by the clock",
            value="per_s",
            theirs=gateway.BARE,
            bound=0.8,
        ),
        _gateway(
            name="gateway-cpu",
            what="the same by the process's CPU",
            value="per_cpu_s",
            theirs=gateway.BARE,
            bound=0.8,
        ),
        _gateway(
            name="gateway-redis",
            what="Redis's CPU for an accepted message",
            value="redis_us",
            bound=14,
            at_most=True,
            unit="µs",
        ),
        _gateway(
            name="gateway-enqueue",
            what="gateway against `Queue.enqueue(unique=True)` in the thread pool",
            value="per_s",
            theirs=gateway.ENQUEUE,
            bound=10,
        ),
        _gateway(
            name="gateway-seed",
            what="gateway against the seed's Django view, same number of processes",
            value="per_s",
            theirs=gateway.SEED,
            bound=5,
        ),
        _jobs(
            name="jobs-simple-worker",
            what="jobs that do nothing, per CPU-second, against SimpleWorker",
            theirs=SIMPLE_WORKER.name,
            bound=10,
        ),
        _jobs(
            name="jobs-dramatiq",
            what="jobs that do nothing, per CPU-second, against dramatiq",
            theirs=worker.DRAMATIQ.name,
            bound=1,
        ),
        _messages(
            name="message-worker",
            what="a whole message (ledger, routing, skill, POST), the worker's CPU",
            value="cpu_us",
            bound=500,
            at_most=True,
            unit="µs",
        ),
        _messages(
            name="message-redis",
            what="the same, Redis's CPU",
            value="redis_us",
            bound=100,
            at_most=True,
            unit="µs",
        ),
        _messages(
            name="message-simple-worker",
            what="replies/s of one worker process against a stock SimpleWorker",
            value="per_s",
            theirs=STOCK_SIMPLE_WORKER.name,
            bound=30,
        ),
        Target(
            name="idle-latency",
            what="callback to reply on an idle machine, p50, against SimpleWorker",
            question="latency",
            value="p50_ms",
            ours=DINGDA,
            theirs=SIMPLE_WORKER.name,
            bound=1,
            at_most=True,
            profile="profile-answer",
        ),
        *(
            _lookups(
                name=f"lookups-{places}-{scheme}",
                what=f"look-ups of a second through the skills' client, {places} at once, {scheme}",
                value="per_s",
                ours=lookups.variant(places, scheme),
                bound=bound,
                unit="answers/s",
            )
            for places, bound in ((100, 90), (500, 400))
            for scheme in lookups.SCHEMES
        ),
        *(
            _calls(
                name=f"calls-{scheme}",
                what=f"CPU of a look-up against aiohttp alone, {most} in flight, {scheme}",
                value=f"cpu_us_{scheme}_{most}",
                bound=2,
                at_most=True,
            )
            for scheme in lookups.SCHEMES
        ),
        _lookups(
            name="lookups-worker-pool",
            what="one-second look-ups, replies/s per MB, against `rq worker-pool` preloaded",
            value="per_100_mb",
            ours=lookups.variant(500, "http"),
            theirs=WORKER_POOL.name,
            bound=50,
        ),
        Target(
            name="same-question",
            what="the same question asked by 100 people at one moment",
            question="burst",
            value="same_calls",
            ours=DINGDA,
            bound=1,
            at_most=True,
            unit="call",
        ),
        _replies(
            name="reply-cpu",
            what="a reply over TLS, CPU",
            value="cpu_us_https_100",
            bound=600,
            at_most=True,
            unit="µs",
        ),
        Target(
            name="reply-round-trips",
            what="a reply over TLS after a skill of 150 ms, round trips with its own, p50",
            question="distance",
            value="round_trips",
            ours=DINGDA,
            bound=1,
            at_most=True,
            profile="profile-answer",
        ),
        *(
            _replies(
                name=f"replies-{scheme}",
                what=f"replies/s from one process, {scheme}",
                value=f"per_s_{scheme}_100",
                bound=1_000,
                unit="/s",
            )
            for scheme in lookups.SCHEMES
        ),
        _stream(
            name="stream-ack-idle",
            what="a Stream frame's acknowledgement, stored first, on an idle machine, p99",
            value="idle_p99_ms",
            bound=50,
        ),
        _stream(
            name="stream-ack-load",
            what="the same under load, the slowest",
            value="load_max_ms",
            bound=1_000,
        ),
        _memory(
            name="memory-finished",
            what="Redis memory of a message that has just ended",
            value="bytes",
            ours=memory.FINISHED,
            bound=500,
            unit="bytes",
        ),
        _memory(
            name="memory-later",
            what="the same some minutes later",
            value="bytes",
            ours=memory.LATER,
            bound=150,
            unit="bytes",
        ),
        _memory(
            name="memory-steady",
            what="Redis memory of 100 messages a second, for three hours and more",
            value="steady_mb",
            ours=memory.LATER,
            bound=150,
            unit="MB",
        ),
        _startup(
            name="start-worker",
            what="a worker's start to its first answer",
            ours=startup.WORKER,
            bound=1,
        ),
        _startup(
            name="start-bot",
            what="gateway's and worker's start, nothing in Redis, to the first answer",
            ours=startup.BOT,
            bound=2,
        ),
        Target(
            name="backlog",
            what=f"cost of a message, {large} against {small}",
            question="backlog",
            value="cost_us",
            ours=large,
            theirs=small,
            bound=1.2,
            at_most=True,
        ),
    )
