"""What one call of a skill's function can do besides the services that all calls share."""

from dataclasses import dataclass, field

from dingda.worker.sdk.growing import GrowingAnswer


@dataclass(frozen=True, slots=True)
class Abilities:
    """The abilities of one call, handed over by what runs the attempt."""

    answer: GrowingAnswer = field(default_factory=GrowingAnswer)
    """The answer that the skill writes; it is shown while it grows where there is a card."""
