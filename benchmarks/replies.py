"""Reply POSTs a second from one process to a local sink, by client and by how many are in flight.

Each measurement is a process of its own: `python -m benchmarks.replies <client> ...` prints JSON.
"""

import argparse
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aiohttp
import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from benchmarks.candidates import a_tls_sink
from benchmarks.certificate import a_certificate, client_context
from benchmarks.plan import FULL, Plan
from benchmarks.processes import OURS, run
from benchmarks.rate import measure_rate
from benchmarks.samples import Column, Sample, Table
from dingda.worker.delivery.post import PostResponse, create_reply_transport
from dingda.worker.delivery.post import post as post_once

DINGDA = "Dingda's: a connection for each reply"
POOLED = "httpx over httpx-aiohttp, pooled"
DEFAULT = "httpx with its own transport, pooled"
AIOHTTP = "aiohttp, pooled"

_BODY = json.dumps({"msgtype": "text", "text": {"content": "查好了"}}).encode()
_HEADERS = {"content-type": "application/json; charset=utf-8"}

_Post = Callable[[str], Awaitable[None]]

TABLE = Table(
    question="replies",
    title="Replies: POSTs a second from one process",
    note="To a sink on the same machine. Dingda opens a connection for each reply on purpose (on "
    "one that is reused, a broken line leaves open whether the reply was read); the others keep "
    "theirs.",
    columns=tuple(
        column
        for scheme in ("http", "https")
        for n in FULL.in_flight
        for column in (
            Column(f"per_s_{scheme}_{n}", f"POSTs/s, {n} by {scheme}"),
            Column(f"cpu_us_{scheme}_{n}", f"CPU µs, {n} by {scheme}"),
        )
    ),
    yardstick=AIOHTTP,
    compared="cpu_us_https_100",
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Let each client POST in turn, round after round."""
    certificate = a_certificate(folder)
    with a_tls_sink(certificate) as (port, tls_origin):
        origins = {"http": f"http://127.0.0.1:{port}", "https": tls_origin}
        for number in range(plan.rounds):
            for client in _CLIENTS if plan.everyone else (DINGDA, AIOHTTP):
                values: dict[str, float] = {}
                for scheme, origin in origins.items():
                    url = f"{origin}/robot/sendBySession?session=1"
                    words = (client, url, str(plan.replies_s), *map(str, plan.in_flight))
                    printed = run(OURS, *certificate.trusted("benchmarks.replies"), *words)
                    values |= {
                        f"{name}_{scheme}_{n}": value
                        for n, found in json.loads(printed).items()
                        for name, value in found.items()
                    }
                yield Sample("replies", client, number, values)


@asynccontextmanager
async def _dingda() -> AsyncIterator[_Post]:
    async def claim() -> None:
        """Claim nothing: here is no ledger."""

    async with create_reply_transport() as transport:

        async def post(url: str) -> None:
            response = await post_once(transport, url, _BODY, before_send=claim, timeout_s=60)
            if not isinstance(response, PostResponse):
                raise TypeError(f"a reply was not taken: {response}")

        yield post


@asynccontextmanager
async def _httpx(transport: httpx.AsyncBaseTransport) -> AsyncIterator[_Post]:
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:

        async def post(url: str) -> None:
            (await client.post(url, content=_BODY, headers=_HEADERS)).raise_for_status()

        yield post


@asynccontextmanager
async def _aiohttp() -> AsyncIterator[_Post]:
    connector = aiohttp.TCPConnector(limit=0, ssl=client_context())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def post(url: str) -> None:
            async with session.post(url, data=_BODY, headers=_HEADERS) as response:
                response.raise_for_status()
                await response.read()

        yield post


_UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=None)
_CLIENTS: dict[str, Callable[[], AbstractAsyncContextManager[_Post]]] = {
    DINGDA: _dingda,
    POOLED: lambda: _httpx(
        AiohttpTransport(verify=client_context(), limits=httpx.Limits(max_connections=0))
    ),
    DEFAULT: lambda: _httpx(httpx.AsyncHTTPTransport(verify=client_context(), limits=_UNLIMITED)),
    AIOHTTP: _aiohttp,
}


async def _post_all(
    client: str, url: str, seconds: float, in_flight: list[int]
) -> dict[int, dict[str, float]]:
    return {n: await _post_for(client, url, n, seconds) for n in in_flight}


async def _post_for(client: str, url: str, in_flight: int, seconds: float) -> dict[str, float]:
    async with _CLIENTS[client]() as post:
        return await measure_rate(
            lambda: post(url),
            in_flight=in_flight,
            warm_up_s=min(1.0, seconds / 4),
            seconds=seconds,
        )


def main() -> None:
    """`python -m benchmarks.replies`: POST for some seconds each, print the rates as JSON."""
    parser = argparse.ArgumentParser(description="POST replies to a sink.")
    parser.add_argument("client", choices=_CLIENTS)
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("in_flight", type=int, nargs="+")
    print(json.dumps(uvloop.run(_post_all(**vars(parser.parse_args())))))


if __name__ == "__main__":
    main()
