"""The load: callbacks in a closed loop over connections that stay open, one at a time on each.

Raw sockets, because an HTTP client costs more than the gateway and would measure itself. It runs
in a process of its own, and reports its own CPU time, which is the ceiling of what it can measure.
"""

import argparse
import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.baselines.jobs import AT_ONCE
from benchmarks.callbacks import Callbacks
from benchmarks.processes import OURS, run
from benchmarks.samples import percentile
from benchmarks.wire import content_length

_CLOSES = b"connection: close"


@dataclass(frozen=True, slots=True)
class Load:
    """What the load saw."""

    answered: int
    """All requests that were answered, those of the warm-up included."""
    refused: int
    """Those among them whose response did not hold what was expected."""
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    own_cpu_s: float


@dataclass(slots=True)
class _Tally:
    """What the connections of one load count together."""

    expected: bytes
    requests: Iterator[bytes]
    latencies_s: list[float] = field(default_factory=list)
    answered: int = 0
    refused: int = 0


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its response, sends the next."""

    def __init__(self, tally: _Tally, ended: "asyncio.Future[None]") -> None:
        self._tally = tally
        self._ended = ended
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < content_length(head):
            return
        tally = self._tally
        tally.latencies_s.append(time.perf_counter() - self._sent_at)
        tally.answered += 1
        if tally.expected not in self._received:
            tally.refused += 1
        self._received = b""
        if _CLOSES in head.lower():
            self._close()
        else:
            self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _send(self) -> None:
        request = next(self._tally.requests, None)
        if request is None:
            self._close()
        elif self._transport:
            self._sent_at = time.perf_counter()
            self._transport.write(request)

    def _close(self) -> None:
        if self._transport:
            self._transport.close()


async def generate(
    url: str,
    *,
    connections: int,
    callbacks: Callbacks,
    seconds: float = 0.0,
    requests: int = 0,
    warm_up_s: float = 0.0,
    expected: str = '"empty"',
) -> Load:
    """Send callbacks for some seconds, or a number of them.

    Args:
        url: the callback's address.
        connections: how many are open, each with one request under way.
        callbacks: makes the requests.
        seconds: how long, after the warm-up; 0: until `requests` are answered.
        requests: how many, warm-up included; 0: as many as fit into `seconds`.
        warm_up_s: seconds at the beginning that do not count for rate and latency.
        expected: what an acknowledgement holds; a response without it counts as refused.
    """
    going = True

    def stream() -> Iterator[bytes]:
        for number in range(requests) if requests else itertools.count():
            if not going:
                return
            yield callbacks.request(number)

    tally = _Tally(expected.encode(), stream())
    address = urlsplit(url)
    cpu_began_s = time.process_time()
    loops = [
        asyncio.create_task(_keep_connected(address.hostname or "", address.port or 80, tally))
        for _ in range(connections)
    ]
    await asyncio.sleep(warm_up_s)
    tally.latencies_s.clear()
    began = time.perf_counter()
    if seconds:
        await asyncio.sleep(seconds)
        latencies_s, took_s = tally.latencies_s[:], time.perf_counter() - began
        going = False
        await asyncio.gather(*loops)
    else:
        await asyncio.gather(*loops)
        latencies_s, took_s = tally.latencies_s, time.perf_counter() - began
    return Load(
        answered=tally.answered,
        refused=tally.refused,
        per_s=len(latencies_s) / took_s,
        p50_ms=percentile(latencies_s, 50) * 1000,
        p99_ms=percentile(latencies_s, 99) * 1000,
        max_ms=max(latencies_s) * 1000,
        own_cpu_s=time.process_time() - cpu_began_s,
    )


async def _keep_connected(host: str, port: int, tally: _Tally) -> None:
    """Connect, and again if the server closes after a response, until nothing is to be sent."""
    loop = asyncio.get_running_loop()
    while True:
        ended = loop.create_future()
        answered = tally.answered
        await loop.create_connection(lambda: _Connection(tally, ended), host, port)  # noqa: B023
        await ended
        if tally.answered == answered:
            return


def send(url: str, **options: str | float) -> Load:
    """Run `generate` in a process of its own.

    Args:
        url: the callback's address.
        options: those of `python -m benchmarks.load`.
    """
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    return Load(**json.loads(run(OURS, "-m", "benchmarks.load", url, *flags)))


def main() -> None:
    """`python -m benchmarks.load`: print what the load saw, as JSON."""
    parser = argparse.ArgumentParser(description="Send signed callbacks in a closed loop.")
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--requests", type=int, default=0)
    parser.add_argument("--warm-up-s", type=float, default=0.0)
    parser.add_argument("--expected", default='"empty"')
    parser.add_argument("--text", default=AT_ONCE)
    parser.add_argument("--origin", default="http://127.0.0.1:9")
    options = vars(parser.parse_args())
    callbacks = Callbacks(
        urlsplit(options["url"]).netloc, text=options.pop("text"), origin=options.pop("origin")
    )
    print(json.dumps(asdict(uvloop.run(generate(**options, callbacks=callbacks)))))


if __name__ == "__main__":
    main()
