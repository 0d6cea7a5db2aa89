"""A fake DingTalk that takes replies and says `errcode` 0: as little as HTTP can be.

In a process of its own (`python -m benchmarks.sink <port> [<TLS port> <certificate>]`) it also
reports how many it took, as JSON to a GET. It costs about as much as a constant response can, so it
doubles as the load's ceiling.
"""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks.certificate import server_context
from benchmarks.wire import content_length

_RESPONSE = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n"
    b'{"errcode":0,"errmsg":"ok"}'
)


@dataclass(slots=True)
class Taken:
    """How many replies came, and when: seconds of `time.monotonic`, one clock for all processes."""

    count: int = 0
    first_s: float = 0.0
    last_s: float = 0.0


class Sink(asyncio.Protocol):
    """Responds to the requests on one connection.

    Args:
        taken: what all connections count together.
        on_reply: called with the path and the body of each reply as it arrives.
    """

    def __init__(
        self, taken: Taken, on_reply: Callable[[bytes, bytes], None] | None = None
    ) -> None:
        self._taken = taken
        self._on_reply = on_reply
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio has it."""
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Respond to every request that is complete."""
        self._received += data
        while self._received:
            head, blank, rest = self._received.partition(b"\r\n\r\n")
            length = content_length(head)
            if not blank or len(rest) < length:
                return
            body, self._received = rest[:length], rest[length:]
            method, path, _ = head.split(b" ", 2)
            response = self._report() if method == b"GET" else self._take(path, body)
            self._transport.write(response)

    def close(self) -> None:
        """Close the connection: its client, which may keep it, learns that nobody reads there."""
        self._transport.close()

    def _take(self, path: bytes, body: bytes) -> bytes:
        taken = self._taken
        taken.last_s = time.monotonic()
        taken.first_s = taken.first_s or taken.last_s
        taken.count += 1
        if self._on_reply:
            self._on_reply(path, body)
        return _RESPONSE

    def _report(self) -> bytes:
        body = json.dumps(asdict(self._taken)).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def ask(port: int) -> Taken:
    """Ask a sink what it has taken."""
    return Taken(**report(port))


def report(port: int) -> dict[str, Any]:
    """Ask a sink for the fields of its `Taken`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
        fields: dict[str, Any] = json.load(response)
        return fields


async def _serve(port: str, tls_port: str = "", certificate: str = "") -> None:
    taken = Taken()
    listen = partial(
        asyncio.get_running_loop().create_server, lambda: Sink(taken), "127.0.0.1", backlog=2048
    )
    server = await listen(port=int(port))
    if tls_port:
        await listen(port=int(tls_port), ssl=server_context(Path(certificate)))
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:]))
