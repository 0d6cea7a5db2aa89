"""One attempt at answering a message, or at a push: passed on from the lease to the outcome."""

from dataclasses import dataclass, field

from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.push import Push
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.states import Lease
from dingda.worker.answering.attempt_notes import AttemptNotes
from dingda.worker.answering.continuing import dialogue_after
from dingda.worker.answering.growing_card import GrowingCard
from dingda.worker.answering.leased import Leased
from dingda.worker.answering.robots import AnsweringRobot
from dingda.worker.answering.routing import Route


@dataclass(frozen=True, slots=True)
class Attempt(Leased):
    """A message, the lease on it, its robot, the way to its skill, and the deadline."""

    lease: Lease
    message: Message
    robot: AnsweringRobot
    """The robot that was spoken to, and answers."""
    route: Route | None
    """To the skill; None where no skill wants the message."""
    deadline_s: float
    """The last moment at which an answer may be sent, in seconds of the event loop's clock."""
    card: GrowingCard | None = None
    """That its answer may grow on; None where there is none."""
    notes: AttemptNotes = field(default_factory=AttemptNotes)

    @property
    def skill(self) -> str:
        """The skill's name; "" where no skill wants the message."""
        return self.route.skill.name if self.route else ""

    @property
    def session_s(self) -> float:
        """Seconds until the message's session closes; negative after that."""
        return self.remaining_s - self.lease.late_ms / 1000

    @property
    def dialogue_after_silence(self) -> str:
        """What it does to the dialogue of its sender that its skill stays silent."""
        return dialogue_after(None, self.route)

    @property
    def facts(self) -> str:
        """What the ledger is told of it, as JSON.

        "" where an earlier attempt made the reply: what that one noted is with the ledger, and says
        more.
        """
        if self.lease.prepared:
            return ""
        notes = self.notes
        return MessageFacts.of(
            self.message,
            skill=self.skill,
            arguments=notes.arguments,
            calls=tuple(notes.calls),
            error=notes.error,
            place=notes.place,
        ).to_json()


@dataclass(frozen=True, slots=True)
class PushAttempt(Leased):
    """A push, the lease on it, the robot that speaks, and the deadline."""

    lease: Lease
    push: Push
    robot: AnsweringRobot
    deadline_s: float
    """As of an `Attempt`."""

    skill = ""
    """No skill is called."""

    @property
    def facts(self) -> str:
        """What the ledger is told of it, as JSON."""
        return MessageFacts.of_payload(self.lease.payload).to_json()
