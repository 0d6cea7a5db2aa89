"""Tells the author of a skill more of an attempt: in the simulator, in a test, in a terminal.

The worker reports what it does to the simulator on a developer's machine, where a file is named.

Everywhere else an attempt has the notes of `AttemptNotes`, and nothing is reported.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from dingda.shared.errors import DingdaError, SettingsError
from dingda.shared.ledger.facts import BackendCall
from dingda.shared.runtime.clock import wall_clock_ms
from dingda.shared.runtime.environment import value_set
from dingda.shared.runtime.inspection import (
    InspectedCall,
    InspectedLine,
    Inspection,
    OfferedCommand,
    OfferedSkill,
    OfferedSkills,
    Report,
)
from dingda.shared.runtime.inspection_file import INSPECTION_FILE, InspectionWriter
from dingda.shared.runtime.logs import class_name, owner_of, redact, trace, words_of
from dingda.worker.answering.attempt_notes import AttemptNotes
from dingda.worker.answering.help import help_skill
from dingda.worker.sdk.skill import Command, Skill

logger = logging.getLogger(__name__)

NewNotes = Callable[[str], AttemptNotes]
"""Makes the notes of an attempt at answering a message, by the message's id."""

_MAX_ARGUMENTS = 20
_MAX_ARGUMENT_CHARS = 500
_MAX_TRACEBACK_CHARS = 20_000


def only_notes(_: str) -> AttemptNotes:
    """Notes that are not reported."""
    return AttemptNotes()


@contextmanager
def inspected(skills: Mapping[str, Sequence[Skill]]) -> Iterator[NewNotes]:
    """Report what attempts do in the `with` block, by the notes that it yields, and the log.

    Args:
        skills: those of each robot, by the robots' labels.

    Raises:
        SettingsError: if the file can't be written.
    """
    named = value_set(INSPECTION_FILE)
    if not named:
        yield only_notes
        return
    path = Path(named)
    try:
        writer = InspectionWriter(path, Report(offered=_offered(skills)))
    except OSError as error:
        why = f"{INSPECTION_FILE}: {path} can't be written: {error.strerror}"
        raise SettingsError(why) from None
    handler = _LineReporter(writer)
    with writer:
        logger.warning("%s: what people write is shown in %s", INSPECTION_FILE, path.absolute())
        logging.getLogger().addHandler(handler)
        try:
            yield partial(_ReportedNotes, writer)
        finally:
            logging.getLogger().removeHandler(handler)


class _ReportedNotes(AttemptNotes):
    """Notes that are reported, with the values that the others leave out."""

    def __init__(self, writer: InspectionWriter, message_id: str) -> None:
        super().__init__()
        self._report = partial(_report, writer, message_id)

    def note_command(self, skill: Skill, command: Command, *, is_answer: bool) -> None:
        """Note the command as well."""
        self._report(Inspection(skill=skill.name, command=_name(command), is_answer=is_answer))

    def note_arguments(self, command: Command, arguments: Mapping[str, Any]) -> None:
        """Note the values as well."""
        super().note_arguments(command, arguments)
        shown = {name: _shown(arguments[name]) for name in islice(self.arguments, _MAX_ARGUMENTS)}
        self._report(Inspection(arguments=shown))

    def note_call(self, call: BackendCall) -> None:
        """Note when it was as well."""
        super().note_call(call)
        inspected = InspectedCall(wall_clock_ms(), call.host, call.result, call.took_ms)
        self._report(Inspection(calls=(inspected,)))

    def note_error(self, error: BaseException, function: object) -> None:
        """Note what it says, and the way to it from the skill on, as well."""
        super().note_error(error, function)
        self._report(Inspection(traceback=_traceback(error, function)))


class AuthorsNotes(AttemptNotes):
    """Notes of an attempt in its author's own process, which shows what an error says as well."""

    def note_error(self, error: BaseException, function: object) -> None:
        """Write the error to standard error, as the log leaves its words out."""
        super().note_error(error, function)
        if not issubclass(type(error), DingdaError):
            sys.stderr.write(_traceback(error, function))


class _LineReporter(logging.Handler):
    """Reports the log's lines that are about a message."""

    def __init__(self, writer: InspectionWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Report a line; of one that can't be formatted the log itself complains."""
        owner = owner_of(record)
        if owner is None:
            return
        with suppress(Exception):
            line = InspectedLine(round(record.created * 1000), record.levelname, words_of(record))
            _report(self._writer, owner.message_id, Inspection(log=(line,)))


def _report(writer: InspectionWriter, message_id: str, inspection: Inspection) -> None:
    """Report if possible: a full disk, or a text that is not Unicode, must not stop an answer."""
    with suppress(OSError, ValueError):
        writer.write(Report(message_id, inspection))


def _name(command: Command) -> str:
    return command.names[0] if command.names else command.function.__name__


def _traceback(error: BaseException, function: object) -> str:
    try:
        way = _way_from(function, error)
        lines = "".join(traceback.format_exception(type(error), error, way))
    except BaseException:  # noqa: BLE001 - an exception's attributes may be properties that raise
        lines = trace(error)
    return redact(lines[-_MAX_TRACEBACK_CHARS:].encode("utf-8", "backslashreplace").decode())


def _way_from(function: object, error: BaseException) -> TracebackType | None:
    """The way to an error from a function's module on; all of it where that is not on it."""
    module = getattr(function, "__module__", None)
    way = error.__traceback__
    while way and way.tb_frame.f_globals.get("__name__") != module:
        way = way.tb_next
    return way or error.__traceback__


def _shown(value: object) -> str:
    try:
        shown = redact(repr(value))
    except Exception:  # noqa: BLE001 - it may be an author's own class, and need not be shown
        return f"<{class_name(value)}, whose repr raises>"
    is_long = len(shown) > _MAX_ARGUMENT_CHARS
    return f"{shown[:_MAX_ARGUMENT_CHARS]}…" if is_long else shown


def _offered(skills: Mapping[str, Sequence[Skill]]) -> OfferedSkills:
    robots: dict[str, list[str]] = {}
    by_name: dict[str, Skill] = {}
    for robot, loaded in skills.items():
        for skill in (*loaded, help_skill(loaded)):
            robots.setdefault(skill.name, []).append(robot)
            by_name.setdefault(skill.name, skill)
    return OfferedSkills(
        tuple(
            OfferedSkill(
                name,
                skill.summary,
                tuple(robots[name]),
                tuple(map(_offered_command, skill.commands)),
            )
            for name, skill in by_name.items()
        )
    )


def _offered_command(command: Command) -> OfferedCommand:
    signature = command.signature
    needed = (each.required for each in (*signature.parameters, *signature.sent_parameters))
    return OfferedCommand(_name(command), command.usage, complete=not any(needed))
