"""What is noted of a skill's work while it is done, for the journal and for dead letters."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dingda.shared.ledger.facts import MAX_CALLS, BackendCall
from dingda.shared.runtime.error_place import place_of
from dingda.shared.runtime.logs import class_name
from dingda.worker.sdk.skill import Command, Skill


def _latest_calls() -> deque[BackendCall]:
    return deque(maxlen=MAX_CALLS)


@dataclass(slots=True)
class AttemptNotes:
    """The notes of one attempt at answering a message: no words, and no values."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """The types of the arguments by their names; never a value."""
    calls: deque[BackendCall] = field(default_factory=_latest_calls)
    error: str = ""
    place: str = ""

    def note_command(self, skill: Skill, command: Command, *, is_answer: bool) -> None:
        """Note which command is to be called, or which step; the attempt knows its skill."""

    def note_arguments(self, command: Command, arguments: Mapping[str, Any]) -> None:
        """Note the types of the arguments that a command is called with."""
        self.arguments = command.signature.types_of(arguments)

    def note_call(self, call: BackendCall) -> None:
        """Note a call to a backend."""
        self.calls.append(call)

    def note_error(self, error: BaseException, function: object) -> None:
        """Note an error's class, and its innermost place in Dingda or the skill of a function."""
        module = getattr(function, "__module__", "")
        self.error = class_name(error)
        self.place = place_of(error, {"dingda", str(module).partition(".")[0]})
