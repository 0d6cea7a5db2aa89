"""How much is measured: everything in earnest, or a little of each target within three minutes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of a run."""

    name: str
    everyone: bool
    """Whether baselines are measured with which no target compares."""
    rounds: int
    slow_rounds: int
    """Rounds of what takes long: replies, fairness and backlogs."""
    gateway_s: float
    """Seconds of load on each gateway in each round."""
    jobs: float
    """How many jobs a worker gets, as a factor on what its question says."""
    replies_s: float
    """Seconds of replies for each client and number in flight."""
    in_flight: tuple[int, ...]
    """How many replies are in flight at once."""
    replies_a_place: int
    """How many replies go to a distant DingTalk, as a multiple of those in flight."""
    lookups_a_place: int
    """How many look-ups each worker has to make, as a multiple of what it has in flight."""
    calls_s: float
    """Seconds of look-ups for each client, scheme and number in flight."""
    calls_in_flight: tuple[int, ...]
    """How many of them are in flight at once."""
    fairness_s: float
    """Seconds in which quick questions are asked beside others."""
    stream_s: float
    """Seconds of load on each Stream bot in each round."""
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
    everyone=True,
    rounds=3,
    slow_rounds=2,
    gateway_s=2.5,
    jobs=1.0,
    replies_s=1.2,
    in_flight=(1, 100),
    replies_a_place=30,
    lookups_a_place=4,
    calls_s=2.0,
    calls_in_flight=(500,),
    fairness_s=8.0,
    stream_s=3.0,
    messages=30,
    backlogs=(1_000, 100_000, 1_000_000),
    passing=4_000,
    kept=5_000,
    profile_s=6.0,
)
QUICK = Plan(
    name="quick",
    everyone=False,
    rounds=1,
    slow_rounds=1,
    gateway_s=0.5,
    jobs=0.1,
    replies_s=0.5,
    in_flight=(100,),
    replies_a_place=15,
    lookups_a_place=2,
    calls_s=1.0,
    calls_in_flight=(500,),
    fairness_s=2.0,
    stream_s=1.0,
    messages=6,
    backlogs=(1_000, 5_000),
    passing=1_000,
    kept=500,
    profile_s=1.0,
)
