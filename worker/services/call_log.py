"""The calls to backends that are made for one message, noted for the ledger's journal."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from dingda.shared.ledger.facts import MAX_CALLS, BackendCall
from dingda.shared.runtime.logs import class_name
from dingda.worker.errors import BackendError

_MAX_RESULT_CHARS = 100

CallLog = deque[BackendCall]
_log: ContextVar[CallLog | None] = ContextVar("call_log", default=None)


def new_call_log() -> CallLog:
    """An empty log, which keeps the last `MAX_CALLS` calls."""
    return deque(maxlen=MAX_CALLS)


@contextmanager
def logging_calls(log: CallLog) -> Iterator[None]:
    """Note the calls that the running task, and the tasks that it starts, make meanwhile."""
    token = _log.set(log)
    try:
        yield
    finally:
        _log.reset(token)


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
        log = _log.get()
        if log is not None:
            took_ms = round((time.monotonic() - began_s) * 1000)
            log.append(BackendCall(host, result.text[:_MAX_RESULT_CHARS], took_ms))
