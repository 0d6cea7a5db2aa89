"""How much is measured: everything in earnest, or a little of everything within three minutes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of a run."""

    name: str
    rounds: int
    slow_rounds: int
    """Rounds of what takes long: lookups, replies and backlogs."""
    gateway_s: float
    """Seconds of load on each gateway in each round."""
    jobs: float
    """How many jobs a worker gets, as a factor on what its question says."""
    replies_s: float
    """Seconds of replies for each client and number in flight."""
    in_flight: tuple[int, ...]
    """How many replies are in flight at once."""
    messages: int
    """Messages sent to an idle machine, for each variant in each round."""
    backlogs: tuple[int, ...]
    """How many messages wait while others come and go."""
    passing: int
    """How many messages come and go in each round at each backlog."""
    kept: int
    """Messages whose memory is weighed."""
    profile_s: float
    """Seconds of each profile."""


FULL = Plan(
    name="full",
    rounds=3,
    slow_rounds=2,
    gateway_s=3.0,
    jobs=1.0,
    replies_s=2.0,
    in_flight=(1, 100, 500),
    messages=40,
    backlogs=(1_000, 100_000, 1_000_000),
    passing=6_000,
    kept=5_000,
    profile_s=8.0,
)
QUICK = Plan(
    name="quick",
    rounds=2,
    slow_rounds=1,
    gateway_s=0.8,
    jobs=0.15,
    replies_s=0.5,
    in_flight=(1, 100),
    messages=6,
    backlogs=(1_000, 20_000),
    passing=2_000,
    kept=1_000,
    profile_s=2.0,
)
