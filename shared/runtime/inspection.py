"""What a developer's processes tell the simulator about the work on one message.

It holds arguments and log lines, which are people's data. So it never goes to Redis or to a log,
only to the private file that a developer names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class InspectedCall:
    """A call that the skill made to a backend."""

    at_ms: int
    """When it ended, in ms since 1970."""
    attempt: int
    """Which lease of the message it was made in; the first is 1."""
    host: str
    """The backend's host; a database's name as users know it."""
    status: str
    """The HTTP status, such as `200`; else why there was no response, such as `TimeoutError`."""
    took_ms: int


@dataclass(frozen=True, slots=True)
class InspectedLine:
    """A line of the worker's log about the message."""

    at_ms: int
    attempt: int
    level: str
    """As Python names it, such as `INFO`."""
    text: str
    """Without the time and the message's id, and without tokens."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the worker did for one message; all of it is empty where nothing tells.

    >>> inspection = dingtalk.ask("咖啡").inspection
    >>> inspection.command, dict(inspection.arguments)
    ('咖啡', {})
    """

    skill: str = ""
    """The skill's name, "" if no skill wanted the message."""
    command: str = ""
    """The first of the words that the command was declared with."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """What the function was called with: the values by the parameters' names, as `repr` shows
    them."""
    calls: tuple[InspectedCall, ...] = ()
    """In the order in which they ended, of all attempts."""
    log: tuple[InspectedLine, ...] = ()
    traceback: str = ""
    """Of the failure of the latest attempt that failed, as Python shows it."""
