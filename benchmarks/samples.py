"""What was measured, and the sums that are done with it."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sample:
    """One variant measured once; values are named with their unit."""

    question: str
    variant: str
    round: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Summary:
    """The median of some rounds, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Summarise at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Column:
    """One value of a table: its name in the samples, its heading, and how it is written."""

    value: str
    heading: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """How the report shows one question.

    `yardstick` is the variant that the others are compared with in `compared`, where there is one.
    """

    question: str
    title: str
    note: str
    columns: tuple[Column, ...]
    yardstick: str = ""
    compared: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """All samples of a run."""

    all: tuple[Sample, ...] = field(repr=False)

    def variants(self, question: str) -> list[str]:
        """The variants of a question, in the order in which they were first measured."""
        return list(dict.fromkeys(s.variant for s in self.all if s.question == question))

    def summary(self, question: str, variant: str, value: str) -> Summary | None:
        """Summarise one value over the rounds; None if it was not measured."""
        found = self._by_round(question, variant, value)
        return Summary.of(list(found.values())) if found else None

    def ratio(self, question: str, value: str, ours: str, theirs: str) -> Summary | None:
        """Summarise `ours / theirs`, each pair taken from one round: what disturbs hits both."""
        above = self._by_round(question, ours, value)
        below = self._by_round(question, theirs, value)
        ratios = [above[r] / below[r] for r in above if below.get(r)]
        return Summary.of(ratios) if ratios else None

    def _by_round(self, question: str, variant: str, value: str) -> dict[int, float]:
        return {
            s.round: s.values[value]
            for s in self.all
            if (s.question, s.variant) == (question, variant) and value in s.values
        }


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest-rank percentile of at least one value."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]
