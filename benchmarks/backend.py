"""A fake of a slow weather service: Open-Meteo's responses, each after so many seconds.

In a process of its own (`python -m benchmarks.backend <port> <seconds> [<TLS port> <certificate>]`)
it also reports what it was asked, as JSON at `GET /report`.
"""

import asyncio
import json
import sys
import urllib.request
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import uvloop

from benchmarks.certificate import server_context

_DAYS = 8
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


@dataclass(slots=True)
class Asked:
    """How many calls came, and the most that were under way at once."""

    calls: int = 0
    now: int = 0
    most: int = 0


class SlowBackend(asyncio.Protocol):
    """Responds to the calls on one connection, which come one after another.

    Args:
        asked: what all connections count together.
        takes_s: seconds that each response takes.
    """

    def __init__(self, asked: Asked, takes_s: float) -> None:
        self._asked = asked
        self._takes_s = takes_s
        self._received = b""
        self._pending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio has it."""
        # uvloop's transports don't inherit from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Respond to a call when it is complete."""
        self._received += data
        if b"\r\n\r\n" not in self._received:
            return
        path = self._received.split(b" ", 2)[1]
        self._received = b""
        if path == b"/report":
            self._write(json.dumps(asdict(self._asked)).encode())
            return
        asked = self._asked
        asked.calls += 1
        asked.now += 1
        asked.most = max(asked.most, asked.now)
        self._pending = asyncio.get_running_loop().call_later(self._takes_s, self._respond)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget a call whose caller has hung up."""
        if self._pending:
            self._pending.cancel()
            self._asked.now -= 1

    def _respond(self) -> None:
        self._pending = None
        self._asked.now -= 1
        self._write(_forecast())

    def _write(self, body: bytes) -> None:
        self._transport.write(_HEAD % (len(body), body))


def _forecast() -> bytes:
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    return json.dumps(
        {
            "current": {
                "temperature_2m": 9.0,
                "relative_humidity_2m": 40,
                "apparent_temperature": 7.5,
                "weather_code": 1,
                "wind_speed_10m": 3.0,
            },
            "daily": {
                "time": [(today + timedelta(days=n)).isoformat() for n in range(_DAYS)],
                "weather_code": [3] * _DAYS,
                "temperature_2m_min": [1.0] * _DAYS,
                "temperature_2m_max": [9.0] * _DAYS,
                "precipitation_probability_max": [10] * _DAYS,
            },
        }
    ).encode()


def ask(port: int) -> Asked:
    """Ask a backend what it was asked."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/report", timeout=10) as response:
        fields: dict[str, Any] = json.load(response)
        return Asked(**fields)


async def _serve(port: str, takes_s: str, tls_port: str = "", certificate: str = "") -> None:
    asked = Asked()
    listen = partial(
        asyncio.get_running_loop().create_server,
        lambda: SlowBackend(asked, float(takes_s)),
        "127.0.0.1",
        backlog=2048,
    )
    server = await listen(port=int(port))
    if tls_port:
        await listen(port=int(tls_port), ssl=server_context(Path(certificate)))
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:]))
