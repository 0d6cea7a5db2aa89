"""What a process holds, sampled over a long run, and whether it grows."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import psutil

MB = 1024 * 1024
WARM_UP_SHARE = 0.25
"""Of a run: caches, pools and the allocator fill up meanwhile."""
_WINDOW_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process and its children held at one moment."""

    at_s: float
    """Monotonic, in seconds."""
    memory: int
    """Resident, in bytes."""
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much more a process may hold at the end than after the warm-up."""

    memory_share: float = 0.05
    descriptors: int = 8
    threads: int = 2


LIMITS = Limits()


def take_sample(pid: int) -> Sample | None:
    """Sample a process with its children; None if it is gone."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return Sample(
            at_s=time.monotonic(),
            memory=sum(each.memory_info().rss for each in family),
            descriptors=sum(each.num_fds() for each in family),
            threads=sum(each.num_threads() for each in family),
        )
    except psutil.Error:
        return None


@dataclass(frozen=True, slots=True)
class Growth:
    """What one process held after the warm-up and at the end: medians of some minutes each."""

    early: Sample
    late: Sample

    @classmethod
    def of(cls, samples: list[Sample]) -> "Growth":
        """Compare the windows of a process's samples, which are in order."""
        began_s, ended_s = samples[0].at_s, samples[-1].at_s
        window_s = (ended_s - began_s) * _WINDOW_SHARE
        warm_s = began_s + (ended_s - began_s) * WARM_UP_SHARE
        return cls(
            early=_median(each for each in samples if warm_s <= each.at_s <= warm_s + window_s),
            late=_median(each for each in samples if each.at_s >= ended_s - window_s),
        )

    def leaks(self, limits: Limits = LIMITS) -> list[str]:
        """What has grown beyond its limit, in words."""
        early, late = self.early, self.late
        grown = {
            "memory": late.memory > early.memory * (1 + limits.memory_share),
            "descriptors": late.descriptors > early.descriptors + limits.descriptors,
            "threads": late.threads > early.threads + limits.threads,
        }
        return [what for what, has_grown in grown.items() if has_grown]

    def __str__(self) -> str:
        early, late = self.early, self.late
        return (
            f"{early.memory / MB:.1f} → {late.memory / MB:.1f} MB, "
            f"{early.descriptors} → {late.descriptors} descriptors, "
            f"{early.threads} → {late.threads} threads"
        )


class Sampler:
    """Keeps the samples of named processes; a name whose process is replaced begins again."""

    def __init__(self) -> None:
        self._samples: defaultdict[tuple[str, int], list[Sample]] = defaultdict(list)

    def sample(self, pids: Mapping[str, int]) -> None:
        """Sample every process once."""
        for name, pid in pids.items():
            if found := take_sample(pid):
                self._samples[name, pid].append(found)

    def growth_of(self, pids: Mapping[str, int]) -> dict[str, Growth]:
        """How the processes that were sampled from the start to the end have grown."""
        return {name: Growth.of(self._samples[name, pid]) for name, pid in pids.items()}


def _median(samples: Iterable[Sample]) -> Sample:
    found = list(samples)
    return Sample(
        at_s=found[-1].at_s,
        memory=int(median(each.memory for each in found)),
        descriptors=int(median(each.descriptors for each in found)),
        threads=int(median(each.threads for each in found)),
    )
