"""End a worker that has stopped working, so that its supervisor starts another.

A thread checks the event loop once a second. A loop that has been blocked for half a lease is most
likely blocked for good by one message, and delays all the others: their leases are released, so
that only the message to blame counts as one over which a worker died. After a whole lease the
process ends. The worker also ends when every thread for blocking calls is taken by a call whose
time is up, but then the loop still works and can shut the worker down in good order.

The watchdog counts its own checks, not the time: in a process that was stopped (SIGSTOP), or on a
machine that slept, the thread was paused as well as the loop.

A call that holds Python's interpreter lock, such as a slow `re` pattern, blocks the thread as well.
So each check restarts a kernel timer, which counts the CPU time of the process and kills it on
expiry (SIGPROF). A call that holds the lock and sleeps is left to the supervisor, which gets no
more notifications (`notify`).
"""

import asyncio
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dingda.shared.ledger.times import LEASE_MS
from dingda.shared.runtime.logs import stack, trace
from dingda.shared.runtime.notify import WATCHDOG, notify
from dingda.shared.runtime.task_owner import TaskOwner
from dingda.worker.contained import task_owner

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 1.0
BLOCKED_TIMEOUT_S = LEASE_MS / 1000
"""How long the loop may be blocked."""
SIGN_OFF_TIMEOUT_S = 5.0
"""How long each step of the end may take, with Redis away or the log's reader stuck."""
CPU_TIMEOUT_S = BLOCKED_TIMEOUT_S / 2 + 2 * CHECK_INTERVAL_S * (os.cpu_count() or 1)
"""CPU time that the process may use between two checks: half the time that the loop may be blocked,
as a busy machine gives us a part of its time only, and what runs without the lock on all processors
besides."""
GIVE_UP_TIMEOUT_S = 30.0
"""How long the loop may take to end the worker in good order when its threads are stuck."""
_STDERR = 2


class Watched(Protocol):
    """The worker, as the watchdog needs it. A method called from its thread may block."""

    @property
    def are_threads_stuck(self) -> bool:
        """Whether no blocking call can be made any more."""

    def give_up(self, reason: str) -> None:
        """Called on the loop: end in good order, and soon."""

    def release_others(self, culprit_id: str) -> None:
        """Called from a thread: release the leases of all messages but this one."""

    def sign_off(self) -> None:
        """Called from a thread: tell RQ that the worker is gone."""


class Watchdog:
    """Watches the running loop from its construction until `close`.

    Args:
        watched: the worker.
        check_interval_s: seconds between two checks.
        blocked_timeout_s: how long, in seconds, the loop may be blocked until the process ends.
        end_process: ends the process with an exit status.
    """

    def __init__(
        self,
        watched: Watched,
        *,
        check_interval_s: float = CHECK_INTERVAL_S,
        blocked_timeout_s: float = BLOCKED_TIMEOUT_S,
        end_process: Callable[[int], object] = os._exit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._watched = watched
        self._check_interval_s = check_interval_s
        self._blocked_timeout_s = blocked_timeout_s
        self._end_process = end_process
        self._loop_has_run = threading.Event()
        self._loop_has_run.set()
        self._closed = threading.Event()
        # Prints the stacks, then passes the signal on; with no other handler it ends the process.
        faulthandler.register(signal.SIGPROF, file=_STDERR, chain=True)
        _allow_cpu_s(CPU_TIMEOUT_S)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()

    def _watch(self) -> None:
        try:
            self._check_until_closed()
        finally:
            _allow_cpu_s(0)

    def _check_until_closed(self) -> None:
        blocked_s = stuck_s = 0.0
        while not self._closed.wait(self._check_interval_s):
            _allow_cpu_s(CPU_TIMEOUT_S)
            if self._loop_has_run.is_set():
                blocked_s = 0.0
                self._loop_has_run.clear()
                self._call(self._loop_has_run.set)
                notify(WATCHDOG)
            else:
                before_s, blocked_s = blocked_s, blocked_s + self._check_interval_s
                if before_s < self._blocked_timeout_s / 2 <= blocked_s:
                    self._release_others()
            if not self._watched.are_threads_stuck:
                stuck_s = 0.0
            else:
                if not stuck_s:
                    self._call(self._watched.give_up, "its threads hold calls that do not end")
                stuck_s += self._check_interval_s
            if blocked_s >= self._blocked_timeout_s or stuck_s >= GIVE_UP_TIMEOUT_S:
                self._end("its loop is" if blocked_s else "its threads are")
                return

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is about to end
            self._loop.call_soon_threadsafe(function, *arguments)

    def _release_others(self) -> None:
        """Release the messages that are not to blame; none if the culprit is unknown."""
        culprit, frames = self._culprit, self._frames
        about = {"task_owner": culprit}
        words = "the loop is blocked at %s\n%s"
        self._bounded(lambda: logger.error(words, culprit, frames, extra=about))
        if culprit:
            self._bounded(lambda: self._watched.release_others(culprit.message_id))

    def _end(self, what_is: str) -> None:
        culprit, frames = self._culprit, self._frames

        def sign_off() -> None:
            if culprit:
                self._watched.release_others(culprit.message_id)
            self._watched.sign_off()

        about = {"task_owner": culprit}
        words = "the worker ends: %s blocked at %s\n%s"
        self._bounded(lambda: logger.critical(words, what_is, culprit, frames, extra=about))
        self._bounded(sign_off)
        self._end_process(1)

    def _bounded(self, call: Callable[[], object]) -> None:
        """Call a function that may hang, and go on after `SIGN_OFF_TIMEOUT_S` in any case."""

        def run() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - an outage, say
                logger.error("the watchdog failed: %s", trace(error))

        thread = threading.Thread(target=run, name="watchdog-call", daemon=True)
        thread.start()
        thread.join(SIGN_OFF_TIMEOUT_S)

    @property
    def _culprit(self) -> TaskOwner | None:
        """The owner of the task that runs on the loop; None if no task does."""
        task = asyncio.current_task(self._loop)
        return task_owner(task) if task else None

    @property
    def _frames(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - documented, for debuggers
        return stack(frame) if frame else ""


def _allow_cpu_s(seconds: float) -> None:
    """Let the kernel end the process after so much CPU time from now on; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
