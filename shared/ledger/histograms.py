"""How long messages took that have ended, by stage, as histograms that the ledger keeps.

A message's times are added in the step that ends it (`lua/parts/histograms.lua`), so they survive
every restart, and metrics, dashboard and commands read the same figures. Pure: no Redis here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from dingda.shared.ledger.stored import whole_number

BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""The upper bounds of the buckets, in seconds; one more bucket is for what exceeds them all."""


class Stage(StrEnum):
    """A stretch of a message's way, between two of the times that its record holds.

    A message that was leased more than once (it was parked, its delivery was tried again, its
    worker died) is measured by its last lease and its last claim: `queue`, `skill` and `delivery`
    then add up to `total`. A stage that a message never came through is not counted.
    """

    QUEUE = "queue"
    """From the acceptance to the last lease: waiting for a worker, its turn or another attempt."""
    SKILL = "skill"
    """From the last lease to the last claim to send: the skill, and the parts sent before."""
    DELIVERY = "delivery"
    """From the last claim to send to the end: DingTalk's answer, or the wait for one."""
    TOTAL = "total"
    """From the acceptance to the end. Of a dead letter that was retried, to its last end."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many messages took how long in one stage.

    >>> histogram = Histogram((0, 2, 4, *[4] * 10), sum_s=0.5)
    >>> histogram.count, histogram.quantile(0.5)
    (4, 0.1)
    """

    cumulative: tuple[int, ...] = (0,) * (len(BUCKETS_S) + 1)
    """How many took no longer than each of `BUCKETS_S`; at last all of them."""
    sum_s: float = 0.0
    """What they took together, in seconds."""

    @property
    def count(self) -> int:
        """How many messages came through the stage."""
        return self.cumulative[-1]

    @classmethod
    def from_fields(cls, stage: Stage, stored: Mapping[str, str]) -> "Histogram":
        """Read one stage from the ledger's hash; a field that a foreign hand has spoilt is 0."""
        buckets = range(len(BUCKETS_S) + 1)
        counts = [whole_number(stored.get(f"{stage}:{n}")) or 0 for n in buckets]
        sum_ms = whole_number(stored.get(f"{stage}:sum_ms")) or 0
        return cls(tuple(accumulate(counts)), sum_ms / 1000)

    def quantile(self, q: float) -> float | None:
        """Estimate a quantile in seconds, as Prometheus's `histogram_quantile` does.

        Within a bucket durations count as evenly spread; beyond the last bound the bound is all
        that is known.

        Args:
            q: which one, from 0 to 1.

        Returns:
            The estimate; None where no message came through.
        """
        if not self.count:
            return None
        rank = q * self.count
        lowers, belows = (0, *BUCKETS_S), (0, *self.cumulative)
        for lower, upper, below, reached in zip(
            lowers, BUCKETS_S, belows, self.cumulative, strict=False
        ):
            if reached >= rank and reached > below:
                return lower + (upper - lower) * (rank - below) / (reached - below)
        return float(BUCKETS_S[-1])


def read_histograms(stored: Mapping[str, str]) -> dict[Stage, Histogram]:
    """Read the histograms of all stages from the ledger's hash."""
    return {stage: Histogram.from_fields(stage, stored) for stage in Stage}
