"""A fake DingTalk over TLS at the end of a long line, in a process of its own.

`python -m benchmarks.distant <port> <report port> <certificate> <round trip in s>`. What is sent
takes half a round trip; what a client sends first a whole one more, as TCP's handshake would. A
reply says when its skill ended (`benchmarks.baselines.lookup_skill`), so that it is known how long
it was under way, and how many round trips were begun meanwhile. It reports that as JSON to a GET
at the report port.
"""

import asyncio
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop

from benchmarks.certificate import Certificate, server_context
from benchmarks.processes import OURS, served
from benchmarks.sink import Sink, Taken
from dingda.simulator.testing.processes import free_port

_HOST = "127.0.0.1"
_ENDED = re.compile(rb"[0-9]+\.[0-9]{6}")


@dataclass(slots=True)
class Arrivals(Taken):
    """The replies so far, in the order in which they came."""

    delays_s: list[float] = field(default_factory=list)
    """From the end of the skill to the reply's arrival."""
    round_trips: list[int] = field(default_factory=list)
    """Begun in that time: for TCP, for TLS, and for the request itself."""
    connections: int = 0


class _End(asyncio.Protocol):
    """One end of a line: what comes in leaves at the other end, in order and later."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._under_way: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._carry(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._carry(b"")

    def send(self, data: bytes) -> None:
        """Let data out; none closes the connection."""
        if self._transport and data:
            self._transport.write(data)
        elif self._transport:
            self._transport.close()

    def _carry(self, data: bytes, *, later_s: float = 0.0) -> None:
        self._under_way.append(data)
        # Timers of one moment may end in any order, so each takes what is next.
        asyncio.get_running_loop().call_later(self._delay_s + later_s, self._leave)

    def _leave(self) -> None:
        data = self._under_way.popleft()
        if self.other:
            self.other.send(data)


class _ClientEnd(_End):
    """The client's end, which knows when the client began a round trip."""

    def __init__(self, round_trip_s: float) -> None:
        super().__init__(round_trip_s / 2)
        # The first one is TCP's handshake.
        self.began_s = [time.monotonic()]
        self._connected_s = self.began_s[0] + round_trip_s
        self._has_heard = True

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        if self._has_heard:
            self.began_s.append(now_s)
        self._has_heard = False
        self._carry(data, later_s=max(0.0, self._connected_s - now_s))

    def send(self, data: bytes) -> None:
        self._has_heard = True
        super().send(data)


class _DistantSink(Sink):
    """Takes replies at the other end of a line."""

    def __init__(self, arrivals: Arrivals, clients: dict[int, _ClientEnd]) -> None:
        super().__init__(arrivals, self._arrived)
        self._arrivals = arrivals
        self._clients = clients

    def _arrived(self, _: bytes, body: bytes) -> None:
        ended = _ENDED.search(body)
        if not ended:
            raise ValueError(f"no skill's reply: {body!r}")
        ended_s = float(ended[0])
        client = self._clients[self._transport.get_extra_info("peername")[1]]
        self._arrivals.delays_s.append(time.monotonic() - ended_s)
        self._arrivals.round_trips.append(sum(began > ended_s for began in client.began_s))


@contextmanager
def a_distant_sink(certificate: Certificate, round_trip_s: float) -> Iterator[tuple[str, int]]:
    """Run one as long as the context is open: its origin, and its report port."""
    port, report_port = free_port(), free_port()
    words = (str(port), str(report_port), str(certificate.server), str(round_trip_s))
    with served(OURS, "-m", "benchmarks.distant", *words, env={}, ready="ready"):
        yield f"https://{_HOST}:{port}", report_port


async def _serve(port: int, report_port: int, certificate: Path, round_trip_s: float) -> None:
    loop = asyncio.get_running_loop()
    arrivals = Arrivals()
    clients: dict[int, _ClientEnd] = {}
    tls_port = free_port()

    async def join(client: _ClientEnd) -> None:
        transport, server = await loop.create_connection(
            lambda: _End(round_trip_s / 2), _HOST, tls_port
        )
        client.other, server.other = server, client
        clients[transport.get_extra_info("sockname")[1]] = client

    joining = set[asyncio.Task[None]]()

    def accept() -> _ClientEnd:
        arrivals.connections += 1
        client = _ClientEnd(round_trip_s)
        joining.add(task := asyncio.create_task(join(client)))
        task.add_done_callback(joining.discard)
        return client

    await loop.create_server(
        lambda: _DistantSink(arrivals, clients), _HOST, tls_port, ssl=server_context(certificate)
    )
    await loop.create_server(lambda: Sink(arrivals), _HOST, report_port)
    server = await loop.create_server(accept, _HOST, port, backlog=2048)
    print("ready", flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until told to stop."""
    port, report_port, certificate, round_trip_s = sys.argv[1:]
    uvloop.run(_serve(int(port), int(report_port), Path(certificate), float(round_trip_s)))


if __name__ == "__main__":
    main()
