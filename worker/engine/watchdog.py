"""Ends a worker that has stopped working, so that its supervisor starts another.

A thread looks at the event loop once a turn. A loop that has not turned for half a lease holds one
message up for good, most likely, and all the others with it: those are handed back, so that only
the one that holds the loop is taken for one over which a worker died. When it has not turned for a
lease the process ends. So it does when every thread for blocking calls is taken by one whose time
is up, but then the loop can still end it in good order.

What is counted is the thread's own turns, not the time: of a process that was stopped (SIGSTOP) or
a machine that slept neither has turned.

A call that keeps Python's interpreter lock, such as a slow pattern of `re`, stops the thread as
well. So each turn winds up a timer of the kernel's, which counts the CPU time of the process and at
its end kills it (SIGPROF). Only a call that keeps the lock and sleeps is left to the supervisor,
who hears nothing any more (`notify`).
"""

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dingda.shared.ledger.ledger import LEASE_MS
from dingda.shared.runtime.logs import stack, trace
from dingda.worker.contained import Subject, subject_of

logger = logging.getLogger(__name__)

TURN_S = 1.0
PATIENCE_S = LEASE_MS / 1000
"""How long the loop may stand still."""
SIGN_OFF_S = 5.0
"""How long ending may take, with Redis away or the log's reader stuck."""
CPU_S = PATIENCE_S / 2 + 2 * TURN_S * (os.cpu_count() or 1)
"""How much CPU time the process may take between two turns of the thread: half of that on a machine
that is busy with other things, and what runs without the lock, on all processors, besides."""
_STDERR = 2
ORDERLY_S = 30.0
"""How long the loop may take to end the worker in good order when its threads are stuck."""


class Watched(Protocol):
    """The worker, as the watchdog needs it. What its thread calls may block for a while."""

    @property
    def are_threads_stuck(self) -> bool:
        """Whether no blocking call can be made any more."""

    def give_up(self, reason: str) -> None:
        """Called on the loop: end in good order, and soon."""

    def hand_back(self, *, but: str) -> None:
        """Called from a thread: hand all messages back but this one."""

    def sign_off(self) -> None:
        """Called from a thread: tell RQ that the worker is gone."""


class Watchdog:
    """Watches the running loop from its construction until `close`.

    Args:
        watched: the worker.
        turn_s, patience_s: seconds between two looks, and until the process ends.
        leave: ends the process.
    """

    def __init__(
        self,
        watched: Watched,
        *,
        turn_s: float = TURN_S,
        patience_s: float = PATIENCE_S,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._watched = watched
        self._turn_s = turn_s
        self._patience_s = patience_s
        self._leave = leave
        self._turned = threading.Event()
        self._turned.set()
        self._closed = threading.Event()
        # Tells where, too; then comes what a signal does that nobody handles: the end.
        faulthandler.register(signal.SIGPROF, file=_STDERR, chain=True)
        _allow_cpu_s(CPU_S)
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _watch(self) -> None:
        try:
            self._turn_until_closed()
        finally:
            _allow_cpu_s(0)

    def _turn_until_closed(self) -> None:
        silent_s = stuck_s = 0.0
        while not self._closed.wait(self._turn_s):
            _allow_cpu_s(CPU_S)
            if self._turned.is_set():
                silent_s = 0.0
                self._turned.clear()
                self._call(self._turned.set)
                notify("WATCHDOG=1")
            else:
                silent_s += self._turn_s
                if silent_s - self._turn_s < self._patience_s / 2 <= silent_s:
                    self._rescue()
            if not self._watched.are_threads_stuck:
                stuck_s = 0.0
            else:
                if not stuck_s:
                    self._call(self._watched.give_up, "its threads hold calls that do not end")
                stuck_s += self._turn_s
            if silent_s >= self._patience_s or stuck_s >= ORDERLY_S:
                self._end("its loop" if silent_s else "what its threads hold")
                return

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process is about to end
            self._loop.call_soon_threadsafe(function, *arguments)

    def _rescue(self) -> None:
        """Hand back what is not to blame. Without a culprit everything may be."""
        subject, frames = self._subject, self._frames
        self._bounded(lambda: logger.error("the loop stands still at %s\n%s", subject, frames))
        if subject:
            self._bounded(lambda: self._watched.hand_back(but=subject.message_id))

    def _end(self, what: str) -> None:
        subject, frames = self._subject, self._frames

        def sign_off() -> None:
            if subject:
                self._watched.hand_back(but=subject.message_id)
            self._watched.sign_off()

        self._bounded(
            lambda: logger.critical(
                "the worker ends: %s stands still at %s\n%s", what, subject, frames
            )
        )
        self._bounded(sign_off)
        self._leave(1)

    def _bounded(self, call: Callable[[], object]) -> None:
        """Call something that may hang, and go on after a while in any case."""

        def run() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - an outage, say
                logger.error("the watchdog failed: %s", trace(error))

        thread = threading.Thread(target=run, name="watchdog-call", daemon=True)
        thread.start()
        thread.join(SIGN_OFF_S)

    @property
    def _subject(self) -> Subject | None:
        """Whom the loop works for: the message whose task runs. None if no task does."""
        task = asyncio.current_task(self._loop)
        return subject_of(task) if task else None

    @property
    def _frames(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - documented, for debuggers
        return stack(frame) if frame else ""


def _allow_cpu_s(seconds: float) -> None:
    """Let the kernel end the process when it has taken so much CPU time from now on; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def notify(state: str) -> None:
    """Tell systemd how things stand (`sd_notify(3)`: one datagram), where it wants to know."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to_systemd:
            to_systemd.sendto(state.encode(), address.replace("@", "\0", 1))
