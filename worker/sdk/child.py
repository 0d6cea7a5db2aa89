"""The child process of `Context.in_process`, which ends when its worker ends.

Otherwise the computation of a killed worker could go on for ever: after `kill -9` nothing is left
to end it.
"""

import ctypes
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl(2)."""
_LOOK_EVERY_S = 1.0


def pack(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[int, bytes]:
    """The arguments of `run`: this process's id, and the call, which `run` unpickles."""
    return os.getpid(), pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)


def run(parent: int, call: bytes) -> Any:
    """Call a function in this process, which from now on ends with its parent."""
    _end_with(parent)
    function, arguments = pickle.loads(call)  # noqa: S301 - the worker's own
    return function(*arguments)


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # the parent died before
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
