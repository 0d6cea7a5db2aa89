"""What a developer's workers tell the simulator about their work on each message.

It holds arguments and log lines, which are people's data. So it never goes to Redis or into the
log, only into a private file that a developer names (`inspection_file.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter, ValidationError

MAX_CALLS = 50
MAX_LINES = 200


@dataclass(frozen=True, slots=True)
class InspectedCall:
    """A call that the skill made to a backend."""

    at_ms: int
    """When it ended, in ms since 1970."""
    host: str
    """The backend's host; a database's name as users know it."""
    status: str
    """The HTTP status, such as `200`; else why there was no response, such as `TimeoutError`."""
    took_ms: int


@dataclass(frozen=True, slots=True)
class InspectedLine:
    """A line of the worker's log about the message."""

    at_ms: int
    level: str
    """As Python names it, such as `INFO`."""
    text: str
    """What the line says, without tokens, and where the exception of the line was raised."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What workers did for one message; all of it is empty where no worker reports.

    >>> inspection = dingtalk.ask("咖啡").inspection
    >>> inspection.command, dict(inspection.arguments)
    ('咖啡', {})
    """

    skill: str = ""
    """The skill's name; "" if no skill wanted the message."""
    command: str = ""
    """The first of the words that the command was declared with; a step's function."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """What the function was called with besides the context and settings: the values by the
    parameters' names, as `repr` shows them."""
    calls: tuple[InspectedCall, ...] = ()
    """The latest, `MAX_CALLS` at the most, in the order in which they ended."""
    log: tuple[InspectedLine, ...] = ()
    """The latest, `MAX_LINES` at the most."""
    traceback: str = ""
    """Of the latest failure, as Python shows it."""
    is_answer: bool = False
    """Whether the message answered a question of the bot."""

    def followed_by(self, later: "Inspection") -> "Inspection":
        """This one with what was reported later."""
        return replace(
            self,
            skill=later.skill or self.skill,
            command=later.command or self.command,
            is_answer=later.is_answer or self.is_answer,
            # A command without arguments must not show those of the command before it.
            arguments=later.arguments if later.command else {**self.arguments, **later.arguments},
            calls=(*self.calls, *later.calls)[-MAX_CALLS:],
            log=(*self.log, *later.log)[-MAX_LINES:],
            traceback=later.traceback or self.traceback,
        )


@dataclass(frozen=True, slots=True)
class OfferedCommand:
    """A command of a skill that a worker has loaded."""

    text: str
    """The first of the words that it was declared with."""
    usage: str
    """How to type it: `天气 <城市> [日期]`."""
    complete: bool
    """Whether `text` is enough: nothing more has to be typed, or sent with it."""


@dataclass(frozen=True, slots=True)
class OfferedSkill:
    """A skill that a worker has loaded."""

    name: str
    summary: str
    robots: tuple[str, ...]
    """The labels of the robots that have it."""
    commands: tuple[OfferedCommand, ...]


@dataclass(frozen=True, slots=True)
class OfferedSkills:
    """The skills of the worker that started last."""

    skills: tuple[OfferedSkill, ...] = ()

    def to_json(self) -> bytes:
        """One JSON object, its keys being the attributes."""
        return _OFFERED.dump_json(self)


@dataclass(frozen=True, slots=True)
class Report:
    """One line of the file: something about a message, or which skills there are."""

    message_id: str = ""
    """The ledger's id of the message."""
    inspection: Inspection = field(default_factory=Inspection)
    """What is new."""
    offered: OfferedSkills | None = None

    def to_json(self) -> bytes:
        """One JSON object without what is empty, and without a line break."""
        return _REPORT.dump_json(self, exclude_defaults=True)


def read_report(line: bytes) -> Report | None:
    """Read what `Report.to_json` wrote; None where it can't be read."""
    try:
        return _REPORT.validate_json(line)
    except ValidationError:
        return None


_OFFERED = TypeAdapter(OfferedSkills)
_REPORT = TypeAdapter(Report)
