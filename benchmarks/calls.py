"""The look-up alone: the HTTP client that skills use, beside the library beneath it.

Each measurement is a process of its own: `python -m benchmarks.calls <client> ...` prints JSON.
"""

import argparse
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop

from benchmarks.candidates import SERVICE_TAKES_S, a_slow_service
from benchmarks.certificate import a_certificate, client_context
from benchmarks.plan import FULL, Plan
from benchmarks.processes import OURS, run
from benchmarks.rate import measure_rate
from benchmarks.samples import Column, Sample, Table
from dingda.worker.services.backend import Backend
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http

DINGDA = "Dingda's HTTP client, as skills have it"
AIOHTTP = "aiohttp alone"
SCHEMES = ("http", "https")

_SERVICE = Backend("慢服务")
_TIMEOUT = aiohttp.ClientTimeout(total=_SERVICE.timeout_s)

_Call = Callable[[str, int], Awaitable[object]]
"""Asks a URL for the thing of a number, and returns the JSON of the response."""

TABLE = Table(
    question="calls",
    title="A look-up alone: the skills' HTTP client beside aiohttp",
    note=f"A service on this machine takes {SERVICE_TAKES_S:g} s for each GET of JSON; all calls "
    "differ, begin evenly spread, and follow one another on connections that are kept. Dingda's "
    "client also limits calls, shares those that are equal, opens breakers, and bounds what it "
    "reads. *CPU* is the process's own.",
    columns=tuple(
        column
        for scheme in SCHEMES
        for n in FULL.calls_in_flight
        for column in (
            Column(f"per_s_{scheme}_{n}", f"look-ups/s, {n} by {scheme}"),
            Column(f"cpu_us_{scheme}_{n}", f"CPU µs, {n} by {scheme}"),
        )
    ),
    yardstick=AIOHTTP,
    compared=f"cpu_us_https_{FULL.calls_in_flight[-1]}",
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Let each client call in turn, round after round."""
    certificate = a_certificate(folder)
    with a_slow_service(SERVICE_TAKES_S, certificate) as service:
        for number in range(plan.rounds):
            for client in _CLIENTS:
                values: dict[str, float] = {}
                for scheme, url in service.urls.items():
                    words = (client, url, str(plan.calls_s), *map(str, plan.calls_in_flight))
                    printed = run(OURS, *certificate.trusted("benchmarks.calls"), *words)
                    values |= {
                        f"{name}_{scheme}_{n}": value
                        for n, found in json.loads(printed).items()
                        for name, value in found.items()
                    }
                yield Sample("calls", client, number, values)


@asynccontextmanager
async def _dingda() -> AsyncIterator[_Call]:
    async with BackendClient() as client:
        http = Http(client)

        async def call(url: str, number: int) -> object:
            return (await http.json(_SERVICE, "GET", url, params={"of": number})).data

        yield call


@asynccontextmanager
async def _aiohttp() -> AsyncIterator[_Call]:
    connector = aiohttp.TCPConnector(limit=0, ssl=client_context())
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:

        async def call(url: str, number: int) -> object:
            async with session.get(url, params={"of": number}) as response:
                response.raise_for_status()
                return await response.json()

        yield call


_CLIENTS: dict[str, Callable[[], AbstractAsyncContextManager[_Call]]] = {
    DINGDA: _dingda,
    AIOHTTP: _aiohttp,
}


async def _call_all(
    client: str, url: str, seconds: float, in_flight: list[int]
) -> dict[int, dict[str, float]]:
    return {n: await _call_for(client, url, n, seconds) for n in in_flight}


async def _call_for(client: str, url: str, in_flight: int, seconds: float) -> dict[str, float]:
    numbers = itertools.count()
    async with _CLIENTS[client]() as call:
        return await measure_rate(
            lambda: call(url, next(numbers)),
            in_flight=in_flight,
            # By then each has had an answer, and has its connection.
            warm_up_s=2.2 * SERVICE_TAKES_S,
            seconds=seconds,
            spread_s=SERVICE_TAKES_S,
        )


def main() -> None:
    """`python -m benchmarks.calls`: call for some seconds each, print the rates as JSON."""
    parser = argparse.ArgumentParser(description="Call a slow service.")
    parser.add_argument("client", choices=_CLIENTS)
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("in_flight", type=int, nargs="+")
    print(json.dumps(uvloop.run(_call_all(**vars(parser.parse_args())))))


if __name__ == "__main__":
    main()
