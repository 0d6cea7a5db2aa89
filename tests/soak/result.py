"""What a soak found."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.result import ChaosResult, percentile
from tests.soak.growth import Growth
from tests.soak.keys import MOST_OTHERS, others
from tests.soak.views import Views


@dataclass(frozen=True)
class SoakResult:
    """The figures of one run."""

    messages: ChaosResult
    growth: Mapping[str, Growth]
    """Of each process that lived as long as the run."""
    views: Views
    keys: Counter[str]
    """In Redis, once nothing was open."""
    tasks: tuple[int, int]
    """On the event loop of worker 1, before and after the load, idle both times."""
    restarts: int
    kills: int

    def faults(self, *, is_long: bool) -> Iterator[str]:
        """What misses its target.

        Args:
            is_long: whether the run was long enough to tell a leak from a warm-up.
        """
        messages = self.messages
        targets = {
            "messages were answered twice": messages.twice == 0,
            "messages have no end": messages.open == 0,
            "acknowledged messages are not in the ledger": messages.lost == 0,
            "answered messages were never shown": messages.answered_unseen == 0,
            "the ledger's sum does not add up": messages.sums_up,
            "keys are left in Redis": others(self.keys) <= MOST_OTHERS,
            "tasks are left in a worker": self.tasks[1] <= self.tasks[0],
        }
        yield from (fault for fault, met in targets.items() if not met)
        for view, ends in self.views.items():
            if +ends != +messages.ends:
                yield f"{view} tells other ends than the messages' own: {dict(ends)}"
        for name, growth in self.growth.items() if is_long else ():
            yield from (f"{name} leaks {what}: {growth}" for what in growth.leaks())


def table(result: SoakResult) -> str:
    """The one table that a run prints."""
    messages = result.messages
    ends = ", ".join(f"{kind} {count}" for kind, count in sorted(messages.ends.items()))
    kinds = ", ".join(f"`{kind}` {count}" for kind, count in result.keys.most_common(6))
    rows = {
        "asked": f"{messages.asked}: {messages.stored} acknowledged as stored, {messages.busy} "
        f"told that the bot is busy, {messages.unheard} heard nothing in five deliveries",
        "workers": f"{result.restarts} restarted by SIGTERM, {result.kills} by `kill -9`",
        "Redis": "the primary was killed once, and came back as a replica",
        "ends, by the messages' own records": ends,
        **{
            f"the same by {view}": "equal" if +ends_seen == +messages.ends else str(dict(ends_seen))
            for view, ends_seen in result.views.items()
        },
        "**acknowledged and lost**": str(messages.lost),
        "**answered twice**": str(messages.twice),
        "**open**": str(messages.open),
        "ack p50, p99": f"{percentile(messages.acks_s, 0.5) * 1000:.0f} ms, "
        f"{percentile(messages.acks_s, 0.99) * 1000:.0f} ms",
        "keys at the end": f"{sum(result.keys.values())}: {kinds}; {others(result.keys)} of no "
        "ended message",
        "tasks in worker 1, idle before and after": " → ".join(map(str, result.tasks)),
        **{name: str(growth) for name, growth in result.growth.items()},
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(("| what | figure |", "|---|---|", *lines))
