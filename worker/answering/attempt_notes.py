"""What is noted of a skill's work while it is done, for the journal and for dead letters."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from dingda.shared.runtime.error_place import place_of
from dingda.shared.runtime.logs import class_name
from dingda.worker.services.call_log import CallLog, new_call_log


@dataclass(slots=True)
class AttemptNotes:
    """The notes of one attempt at answering a message: no words, and no values."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """The types of the arguments by their names; never a value."""
    calls: CallLog = field(default_factory=new_call_log)
    error: str = ""
    place: str = ""

    def note_error(self, error: BaseException, function: object) -> None:
        """Note an error's class, and its innermost place in Dingda or the skill of a function."""
        module = getattr(function, "__module__", "")
        self.error = class_name(error)
        self.place = place_of(error, {"dingda", str(module).partition(".")[0]})
