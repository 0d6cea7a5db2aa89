"""Logging: one line an event, and in it no session token and nothing that an exception says.

A line about a message carries the message's id, skill and attempt, and how long it has been worked
on, whoever writes the line: `task_owner.current_owner` says which message that is.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from traceback import walk_stack
from types import CodeType, FrameType, TracebackType
from typing import Literal, TextIO

from dingda.shared.runtime.task_owner import SHORT_ID_CHARS, TaskOwner, current_owner

LogFormat = Literal["text", "json"]

_TOKEN = re.compile(r"((?:session|access_token|ticket)(?:=|%3[Dd]))[^&\s\"'<>]+")
_PLAIN_ID = re.compile(r"[\w.@:$+/=-]{1,64}")
_MAX_MESSAGE_CHARS = 2000
_MAX_FRAMES = 20
_IMPORT_SYSTEM = "<frozen importlib"
_MAX_CHAINED = 10
_MAX_NAME_CHARS = 100


Event = Literal["message.ended", "message.retried", "message.put_back", "message.taken_over"]
"""The steps of a message's life that a line of the log tells of."""


def event(name: Event, **facts: str | float | None) -> dict[str, object]:
    """What logging's `extra` takes for a line that tells of a step: facts for its JSON form."""
    return {"line_facts": {"event": name, **facts}}


class Trace(str):
    """An exception's class and where it was raised; see `trace`.

    As an argument of a line it is shown by its class, and in full where the line's traceback is.
    """

    __slots__ = ()

    @property
    def error_type(self) -> str:
        """The name of the exception's class."""
        return self.partition("\n")[0]


class RedactingFormatter(logging.Formatter):
    """Formats a line for people.

    Blanks the token of a URL, and shows of an exception where it was raised. Ours never
    log a token; libraries put whole URLs into their messages. A message is one line whatever is in
    it, so nobody forges another by the name of a group, or a nickname.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format as the base class does, then redact."""
        lines = [super().format(record), *_traces(record)]
        return redact("\n".join(lines))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Escape and cut the message; the traceback that may follow has lines of its own."""
        message = printable(_message(record), _MAX_MESSAGE_CHARS)
        owner = owner_of(record)
        record.message = f"{_described(owner)}: {message}" if owner else message
        return super().formatMessage(record)

    def formatException(  # noqa: N802 - logging's own name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, ...]
    ) -> str:
        """Show where an exception was raised, without its words."""
        return "" if ei[1] is None else trace(ei[1])


class JSONFormatter(logging.Formatter):
    """Formats a line for machines: a JSON object, its strings cut and redacted before.

    Its names follow OpenTelemetry's log data model and semantic conventions where those have one
    (`error.type`). Facts of a single line come from `event`.
    """

    worker = ""
    """The name of the worker whose process this is; "" in another."""

    def format(self, record: logging.LogRecord) -> str:
        """Format all of a record as one line."""
        owner, failed = owner_of(record), _failure(record)
        facts = {
            "timestamp": f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "severity": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "worker": self.worker or None,
            **(_facts(owner) if owner else {}),
            **getattr(record, "line_facts", {}),
            "error.type": failed.error_type if failed else None,
        }
        shown = {name: _shown(value) for name, value in facts.items() if value is not None}
        if stack := failed or record.stack_info:
            shown["stack"] = "\n".join(map(_shown_text, stack.splitlines()))
        return json.dumps(shown, ensure_ascii=False)


class _StandardError(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Say where a line could not be made; logging itself would print its arguments."""
        where = f"a line of {record.pathname}:{record.lineno} could not be logged"
        failed = logging.LogRecord(record.name, logging.ERROR, "", 0, where, None, sys.exc_info())
        with suppress(Exception):  # nobody reads standard error any more
            self.stream.write(self.format(failed) + self.terminator)


def words_of(record: logging.LogRecord) -> str:
    """What a line says, redacted; of an exception its class and where it was raised."""
    said = printable(_message(record), _MAX_MESSAGE_CHARS)
    failed = _failure(record)
    return redact(f"{said}\n{failed}" if failed else said)


def redact(text: str) -> str:
    """Blank the token of every webhook and of every Stream connection in a text."""
    return _TOKEN.sub(r"\1***", text)


def printable(text: str, most: int = 200) -> str:
    """Make a text from outside fit for a log or a terminal: one line, no sequences, no tricks.

    Control characters, line breaks and what turns the direction of writing around are written as
    Python would escape them; beyond `most` characters an ellipsis replaces the rest. A wide
    blank (U+3000), which Chinese titles hold, stays.
    """
    cut = text if len(text) <= most else f"{text[:most]}…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() or c == "\u3000" else _escaped(c) for c in cut)


def identifier(text: str) -> str:
    """An id as a log line shows it: quoted unless it is plain, so that it passes for no more.

    >>> identifier("0001"), identifier("0001, allowed")
    ('0001', "'0001, allowed'")
    """
    return text if _PLAIN_ID.fullmatch(text) else repr(text[:64])


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def trace(error: BaseException) -> Trace:
    """An exception's class and where it was raised, and the same of those that it came from.

    Never its own words, notes or values: `int(text)` says what somebody typed, and libraries name
    URLs and keys. Never fails, whatever the exception is.
    """
    try:
        return Trace("\n".join(_lines(error)))
    except BaseException:  # noqa: BLE001 - an exception's attributes may be properties that raise
        return Trace(class_name(error))


def stack(frame: FrameType) -> str:
    """A thread's stack: a line for each of its innermost frames, the innermost last."""
    frames = ((each.f_code, line) for each, line in walk_stack(frame))
    return "\n".join(reversed([_place(code, line) for code, line in islice(frames, _MAX_FRAMES)]))


def class_name(error: object) -> str:
    """The name of an object's class, cut and cleaned, as a class may have any name."""
    # `type(error).__name__` asks the metaclass, which may answer differently or raise.
    name: str = type.__dict__["__name__"].__get__(type(error))
    return re.sub(r"\W", "?", name[:_MAX_NAME_CHARS])


def configure_logging(level: str, log_format: LogFormat = "text") -> None:
    """Send everything from `level` up to standard error, one process's whole logging set-up."""
    handler = _StandardError()
    text = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(JSONFormatter() if log_format == "json" else RedactingFormatter(text))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What no line shows: looking it up is a third of a line's cost (logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for chatty in ("httpx", "httpcore", "rq.worker", "rq.job"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # It says that something is tried again, and not what; the call that failed has its own line.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    logging.getLogger("asyncio").addFilter(_without_objects)
    # Python would print these itself, and what an exception says with them.
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_end
    threading.excepthook = _log_thread_failure
    sys.unraisablehook = _log_unraisable


def _without_objects(record: logging.LogRecord) -> bool:
    """Cut what asyncio shows of objects: a callback's arguments, what a task's exception says."""
    record.msg = record.getMessage().partition("\n")[0].partition("(")[0]
    record.args = ()
    return True


def name_worker(name: str) -> None:
    """Let every JSON line of this process carry the name of its worker."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, JSONFormatter):
            handler.formatter.worker = name


def owner_of(record: logging.LogRecord) -> TaskOwner | None:
    """The message that a line is about: the one that the line names, else the running task's."""
    owner: TaskOwner | None = getattr(record, "task_owner", None)
    return owner or current_owner.get()


def _message(record: logging.LogRecord) -> str:
    """A line's own words, in which an exception is its class."""
    traces = _traces(record)
    if not traces:
        return record.getMessage().rstrip()
    arguments = (each.error_type if type(each) is Trace else each for each in record.args or ())
    return (str(record.msg) % tuple(arguments)).rstrip()


def _traces(record: logging.LogRecord) -> list[Trace]:
    """The exceptions among a line's arguments."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return [each for each in arguments if type(each) is Trace]


def _failure(record: logging.LogRecord) -> Trace | None:
    """The exception that a line tells of: ours among its arguments, a library's as `exc_info`."""
    error = record.exc_info[1] if record.exc_info else None
    return next(iter(_traces(record)), None if error is None else trace(error))


def _described(owner: TaskOwner) -> str:
    details = [
        owner.skill,
        f"attempt {owner.attempt}" if owner.attempt else "",
        f"{owner.duration_s:.3f} s" if owner.since_s else "",
    ]
    in_brackets = ", ".join(filter(None, details))
    name = printable(f"message {owner.message_id[:SHORT_ID_CHARS]}")
    return f"{name} ({printable(in_brackets)})" if in_brackets else name


def _facts(owner: TaskOwner) -> dict[str, object]:
    return {
        "message_id": owner.message_id,
        "skill": owner.skill or None,
        "attempt": owner.attempt or None,
        "duration_s": round(owner.duration_s, 6) if owner.since_s else None,
        "trace_id": owner.trace_id or None,
        "span_id": owner.span_id or None,
    }


def _shown(value: object) -> object:
    """A fact as JSON takes it: a number, or a text without tokens and control characters."""
    return value if isinstance(value, int | float) else _shown_text(str(value))


def _shown_text(text: str) -> str:
    return redact(printable(text, _MAX_MESSAGE_CHARS))


def _lines(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    waiting = [("", error)]
    while waiting and len(seen) < _MAX_CHAINED:
        relation, each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield f"{relation}{class_name(each)}"
        yield from _frames(each.__traceback__)
        if each.__cause__:
            waiting.append(("caused by ", each.__cause__))
        elif each.__context__ and not each.__suppress_context__:
            waiting.append(("while handling ", each.__context__))
        if isinstance(each, BaseExceptionGroup):
            waiting += [("one of them: ", member) for member in each.exceptions]


def _frames(traceback: TracebackType | None) -> list[str]:
    """A line for each frame; of a deep recursion the innermost."""
    found: list[str] = []
    while traceback:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(_IMPORT_SYSTEM):
            found.append(_place(code, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found[-_MAX_FRAMES:]


def _place(code: CodeType, line: int | None) -> str:
    return f"  {code.co_filename}:{line} in {code.co_name}"


def _log_end(_: object, error: BaseException, __: object) -> None:
    if not isinstance(error, KeyboardInterrupt):
        logging.getLogger("python").critical("the process ends: %s", trace(error))


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    thread = failure.thread.name if failure.thread else "a thread"
    error = failure.exc_value or failure.exc_type()
    logging.getLogger("thread").error("%s failed: %s", thread, trace(error))


def _log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    where = class_name(failure.object)
    error = failure.exc_value or failure.exc_type()
    logging.getLogger("python").error("nobody hears what %s raises: %s", where, trace(error))
