"""What is counted of answering messages, as this room tells it."""

from dingda.shared.ledger.states import Outcome
from dingda.worker.delivery.outcome import DeliveryOutcome, OutOfTime


class AnsweringMetrics:
    """Counts nothing: the form that is used where metrics are off."""

    def skill_ended(self, skill: str, outcome: Outcome, duration_s: float) -> None:
        """Count a call of a skill.

        Args:
            skill: its name.
            outcome: what its message is to end as, once the reply is delivered.
            duration_s: how long it took, in seconds, from when it had a place.
        """

    def delivery_ended(self, outcome: DeliveryOutcome | OutOfTime) -> None:
        """Count an attempt to deliver a reply, or a part of one."""

    def lease_lost(self) -> None:
        """Count a message that another worker had taken over."""
