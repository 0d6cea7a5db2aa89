"""Logging: one line an event, and in it no session token and nothing that an exception says."""

import logging
import re
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from traceback import walk_stack
from types import CodeType, FrameType, TracebackType

_SESSION = re.compile(r"(session=)[^&\s\"'<>]+")
_PLAIN_ID = re.compile(r"[\w.@:$+/=-]{1,64}")
_MAX_MESSAGE_CHARS = 2000
_MAX_FRAMES = 20
_MAX_CHAINED = 10
_MAX_NAME_CHARS = 100


class RedactingFormatter(logging.Formatter):
    """Blanks the token of a sessionWebhook, and shows of an exception where it was raised.

    Ours never log a token; libraries put whole URLs into their messages. A message is one line
    whatever is in it, so nobody forges another by the name of a group, or a nickname.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format as the base class does, then redact."""
        return redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Escape and cut the message; the traceback that may follow has lines of its own."""
        record.message = printable(record.message.rstrip(), _MAX_MESSAGE_CHARS)
        return super().formatMessage(record)

    def formatException(  # noqa: N802 - logging's own name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, ...]
    ) -> str:
        """Show where an exception was raised, without its words."""
        return trace(ei[1]) if ei[1] else ""


def redact(text: str) -> str:
    """Blank the token of every sessionWebhook in a text."""
    return _SESSION.sub(r"\1***", text)


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


def trace(error: BaseException) -> str:
    """An exception's class and where it was raised, and the same of those that it came from.

    Never its own words, notes or values: `int(text)` says what somebody typed, and libraries name
    URLs and keys. Never fails, whatever the exception is.
    """
    try:
        return "\n".join(_lines(error))
    except BaseException:  # noqa: BLE001 - an exception's attributes may be properties that raise
        return class_name(error)


def stack(frame: FrameType) -> str:
    """A thread's stack: a line for each of its innermost frames, the innermost last."""
    frames = ((each.f_code, line) for each, line in walk_stack(frame))
    return "\n".join(reversed([_place(code, line) for code, line in islice(frames, _MAX_FRAMES)]))


def class_name(error: object) -> str:
    """The name of an object's class, cut and cleaned, as a class may have any name."""
    # `type(error).__name__` asks the metaclass, which may answer differently or raise.
    name: str = type.__dict__["__name__"].__get__(type(error))
    return re.sub(r"\W", "?", name[:_MAX_NAME_CHARS])


def configure_logging(level: str) -> None:
    """Send everything from `level` up to standard error, one process's whole logging set-up."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What no line shows: looking it up is a third of a line's cost (logging HOWTO, Optimization).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    for chatty in ("httpx", "httpcore", "rq.worker", "rq.job"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    # It says that something is tried again, and not what; the call that failed has its own line.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    # Python would print what an exception says where nobody catches it.
    threading.excepthook = _log_thread_failure
    sys.unraisablehook = _log_unraisable


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
        found.append(_place(traceback.tb_frame.f_code, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found[-_MAX_FRAMES:]


def _place(code: CodeType, line: int | None) -> str:
    return f"  {code.co_filename}:{line} in {code.co_name}"


def _log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    thread = failure.thread.name if failure.thread else "a thread"
    error = failure.exc_value or failure.exc_type()
    logging.getLogger("thread").error("%s failed: %s", thread, class_name(error), exc_info=error)


def _log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    where = class_name(failure.object)
    error = failure.exc_value or failure.exc_type()
    logging.getLogger("python").error(
        "nobody hears what %s raises: %s", where, class_name(error), exc_info=error
    )
