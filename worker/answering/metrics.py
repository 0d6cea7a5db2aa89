"""What is counted of answering messages, as this room tells it."""

from dingda.shared.ledger.states import Outcome
from dingda.worker.delivery.outcome import DeliveryOutcome, OutOfTime


class AnsweringMetrics:
    """Counts nothing: the form that is used where metrics are off."""

    def of_robot(self, label: str) -> "AnsweringMetrics":  # noqa: ARG002 - it counts nothing
        """The same, for the calls and deliveries of one robot.

        Args:
            label: the robot's, from the settings (`Robot.label`).
        """
        return self

    def skill_ended(self, skill: str, outcome: Outcome, duration_s: float) -> None:
        """Count a call of a skill.

        Args:
            skill: its name.
            outcome: what its message is to end as, once the reply is delivered.
            duration_s: how long it took, in seconds, from when it had a place.
        """

    def delivery_ended(self, outcome: DeliveryOutcome | OutOfTime) -> None:
        """Count an attempt to deliver a reply, or a part of one."""

    def robot_unknown(self) -> None:
        """Count a message that was put back, because this worker does not know its robot."""

    def lease_lost(self) -> None:
        """Count a message that another worker had taken over."""
