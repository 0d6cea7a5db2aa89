"""A steady load of callbacks from another thread, and how each was acknowledged."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import httpx

from tests.faults.environment import BUSY, EMPTY, FaultEnvironment
from tests.support.processes import signed, wait_until

Deliver = Callable[[httpx.Client, bytes], str]
"""Delivers a callback, and returns its outcome as `Ack` has it."""

_GIVE_UP_S = 5.0


@dataclass(frozen=True)
class Ack:
    """How one callback was acknowledged, and after how long."""

    outcome: str
    """`stored`, `busy`, the HTTP status, or whatever else."""
    took_s: float
    heard_s: float
    """When, by this process's own clock."""
    body: bytes = field(repr=False)


class Load:
    """What has been sent and heard so far."""

    def __init__(self) -> None:
        self.acks: list[Ack] = []
        self.stop = threading.Event()

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(ack.outcome for ack in self.acks)

    @property
    def longest_s(self) -> float:
        return max(ack.took_s for ack in self.acks)

    @property
    def stored(self) -> list[Ack]:
        """Those who were told that their message is stored, in the order in which they heard."""
        return [ack for ack in self.acks if ack.outcome == "stored"]

    @property
    def longest_pause_s(self) -> float:
        """The longest time in which nothing was stored."""
        heard_s = [ack.heard_s for ack in self.stored]
        return max(after - before for before, after in pairwise(sorted(heard_s)))

    def wait_for_stored(self, count: int, *, within_s: float = 60.0) -> None:
        """Wait until so many more have been stored."""
        before = len(self.stored)
        wait_until(lambda: len(self.stored) >= before + count, within_s=within_s)

    def percentile_s(self, share: float) -> float:
        ranked = sorted(ack.took_s for ack in self.acks)
        return ranked[min(int(len(ranked) * share), len(ranked) - 1)]


@contextmanager
def load(
    env: FaultEnvironment,
    text: str,
    *,
    per_s: float,
    headers: Callable[[], dict[str, str]] = signed,
    senders: int = 16,
    deliver: Deliver | None = None,
    **fields: Any,
) -> Iterator[Load]:
    """Say something so many times a second for as long as the context is open.

    Each by somebody else, unless `fields` of the callback say otherwise; over HTTP, unless
    `deliver` does it some other way.
    """
    sent = Load()
    # One client each: threads that share one may be handed a connection that is just being closed.
    idle: SimpleQueue[httpx.Client] = SimpleQueue()

    def post(client: httpx.Client, body: bytes) -> str:
        return _outcome(client.post(env.address, content=body, headers=headers()))

    def send(body: bytes) -> None:
        client = idle.get()
        began = time.monotonic()
        try:
            outcome = (deliver or post)(client, body)
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        idle.put(client)
        now = time.monotonic()
        sent.acks.append(Ack(outcome, now - began, now, body))

    def run() -> None:
        with ExitStack() as stack:
            for _ in range(senders):
                idle.put(stack.enter_context(_client()))
            pool = stack.enter_context(ThreadPoolExecutor(senders))
            while not sent.stop.wait(1 / per_s):
                pool.submit(send, env.body(text, **fields))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield sent
    finally:
        sent.stop.set()
        thread.join()


def _client() -> httpx.Client:
    # The gateway closes what idles for five seconds; reusing it just then gets no response.
    return httpx.Client(timeout=_GIVE_UP_S, limits=httpx.Limits(keepalive_expiry=1.0))


def _outcome(response: httpx.Response) -> str:
    if response.status_code != 200:
        return str(response.status_code)
    if response.json() == EMPTY:
        return "stored"
    return "busy" if BUSY in response.text else response.text
