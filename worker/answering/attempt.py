"""One attempt at answering a message: the value that is passed from the lease to the outcome."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.states import Lease
from dingda.shared.runtime.error_place import place_of
from dingda.shared.runtime.logs import class_name
from dingda.worker.answering.routing import Route
from dingda.worker.services.call_log import CallLog, new_call_log


@dataclass(slots=True)
class AttemptNotes:
    """What is noted of a skill's work while it is done, for the journal and for dead letters."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """The types of the arguments by their names; never a value."""
    calls: CallLog = field(default_factory=new_call_log)
    error: str = ""
    place: str = ""

    def note_error(self, error: BaseException, route: Route | None) -> None:
        """Note an error's class, and its innermost place in the skill or in Dingda."""
        module = getattr(route.command.function, "__module__", "") if route else ""
        self.error = class_name(error)
        self.place = place_of(error, {"dingda", str(module).partition(".")[0]})


@dataclass(frozen=True, slots=True)
class Attempt:
    """A message, the lease on it, the way to its skill, and the deadline for its answer."""

    lease: Lease
    message: Message
    route: Route | None
    """To the skill; None where no skill wants the message."""
    deadline_s: float
    """The last moment at which an answer may be sent, in seconds of the event loop's clock."""
    notes: AttemptNotes = field(default_factory=AttemptNotes)

    @property
    def skill(self) -> str:
        """The skill's name; "" where no skill wants the message."""
        return self.route.skill.name if self.route else ""

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it. Read it on the event loop."""
        return self.deadline_s - asyncio.get_running_loop().time()

    @property
    def since_s(self) -> float:
        """When the lease was taken, in seconds of the event loop's clock."""
        return self.deadline_s - self.lease.remaining_ms / 1000

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
