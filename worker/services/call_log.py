"""The calls to backends that are made for one message, noted for the ledger's journal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from dingda.shared.ledger.facts import BackendCall
from dingda.shared.runtime.logs import class_name
from dingda.worker.errors import BackendError

_MAX_RESULT_CHARS = 100

NoteCall = Callable[[BackendCall], None]
_note: ContextVar[NoteCall | None] = ContextVar("note_call", default=None)


@contextmanager
def logging_calls(note: NoteCall) -> Iterator[None]:
    """Note the calls that the running task, and the tasks that it starts, make meanwhile."""
    token = _note.set(note)
    try:
        yield
    finally:
        _note.reset(token)


@dataclass(slots=True)
class CallResult:
    """What came of a call, to be set once it is known; of one that raises it is the error."""

    text: str = ""


@contextmanager
def logged_call(host: str) -> Iterator[CallResult]:
    """Note one call, with the time that it takes.

    Args:
        host: the backend's host, or a database's name.
    """
    result, began_s = CallResult(), time.monotonic()
    try:
        yield result
    except BaseException as error:
        result.text = error.reason if isinstance(error, BackendError) else class_name(error)
        raise
    finally:
        note = _note.get()
        if note is not None:
            took_ms = round((time.monotonic() - began_s) * 1000)
            note(BackendCall(host, result.text[:_MAX_RESULT_CHARS], took_ms))
