"""A steady load of callbacks from another thread, and how each was acknowledged."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import httpx

from tests.faults.environment import BUSY, EMPTY, FaultEnvironment
from tests.support.processes import signed

_GIVE_UP_S = 5.0


@dataclass(frozen=True)
class Ack:
    """How one callback was acknowledged, and after how long."""

    outcome: str
    """`stored`, `busy`, the HTTP status, or what went wrong instead."""
    took_s: float


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
    **fields: Any,
) -> Iterator[Load]:
    """Say something so many times a second for as long as the context is open.

    Each by somebody else, unless `fields` of the callback say otherwise.
    """
    sent = Load()
    # One client each: threads that share one may be handed a connection that is just being closed.
    idle: SimpleQueue[httpx.Client] = SimpleQueue()

    def send(body: bytes) -> None:
        client = idle.get()
        began = time.monotonic()
        try:
            response = client.post(env.address, content=body, headers=headers())
            outcome = _outcome(response)
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        idle.put(client)
        sent.acks.append(Ack(outcome, time.monotonic() - began))

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
