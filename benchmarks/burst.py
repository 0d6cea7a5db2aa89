"""Many people at one moment, and a slow or hanging service behind the skill.

Everything is as shipped: callbacks to a real gateway, one `python -m worker` with a hundred places,
the weather skill with its own HTTP client, and a weather service on this machine that takes a
second for each call (`benchmarks.backend`), or does not answer at all.

`python -m benchmarks.burst --code DIR` measures another checkout, too, and shows both in one table.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import uvloop

from benchmarks import backend
from benchmarks.callbacks import SECRET
from benchmarks.candidates import DINGDA, Server, a_server
from benchmarks.errors import BenchmarkError
from benchmarks.plan import Plan
from benchmarks.processes import OURS, ROOT, served
from benchmarks.report import section
from benchmarks.samples import Column, Sample, Samples, Table, percentile
from benchmarks.sink import Sink, Taken
from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.sample import a_callback, signed_headers

CITIES, SAME, WAITING = 120, 100, 500
_PLACES = 100
_TAKES_S, _HANGS_S = 1.0, 3600.0
_QUICK = "帮助"
_QUICK_EVERY_S = 0.2
_QUICK_FOR_S = 15.0
_WITHIN_S = 120.0
_PREFECTURE = 1
_EARLIER_MS = 600_000

TABLE = Table(
    question="burst",
    title="Burst: many ask at one moment, and the weather service takes a second or hangs",
    note=f"One worker process with {_PLACES} places. *{CITIES} cities*: so many people ask for "
    "different cities; the service takes a second a call. *The same*: "
    f"{SAME} people ask for one city. *Hanging*: the service answers nobody, {WAITING} people ask "
    f"for different weather, and meanwhile others ask for 「{_QUICK}」; *heard after* is when the "
    "last of the former had a reply.",
    columns=(
        Column("answered", f"{CITIES} cities: answered"),
        Column("apologies", "apologies"),
        Column("per_s", "answers/s", 1),
        Column("last_s", "last after s", 1),
        Column("same_calls", "the same: calls"),
        Column("quick_p50_ms", f"hanging: {_QUICK} p50 ms"),
        Column("quick_p99_ms", "p99 ms"),
        Column("quick_max_ms", "max ms"),
        Column("heard", f"of {WAITING} heard"),
        Column("heard_s", "heard after s", 1),
    ),
)


class Bot:
    """The whole bot on real processes, and what it replied.

    Args:
        address: the gateway's callback.
        origin: where replies go.
        backend_port: the weather service's.
    """

    def __init__(self, address: str, origin: str, backend_port: int) -> None:
        self._address = address
        self._origin = origin
        self._signed_ms = time.time_ns() // 1_000_000 - _EARLIER_MS
        self.backend_port = backend_port
        self.asked_s: dict[str, float] = {}
        """Session → when it was asked."""
        self.replies: dict[str, tuple[float, str]] = {}
        """Session → when its reply came, and the reply."""
        self._came = asyncio.Event()

    def heard(self, path: bytes, body: bytes) -> None:
        """Take a reply."""
        (session,) = parse_qs(urlsplit(path.decode()).query)["session"]
        text = json.dumps(json.loads(body), ensure_ascii=False)
        self.replies.setdefault(session, (time.perf_counter(), text))
        self._came.set()

    async def ask(self, client: aiohttp.ClientSession, session: str, text: str) -> None:
        """Ask something as a new person in a new group."""
        self._signed_ms += 1
        body = a_callback(
            text,
            msgId=f"msg-{session}",
            senderStaffId=f"staff-{session}",
            senderId=f"$:LWCP_v1:${session}",
            conversationId=f"cid-{session}",
            sessionWebhook=f"{self._origin}/robot/sendBySession?session={session}",
        )
        headers = signed_headers(SECRET, timestamp_ms=self._signed_ms)
        self.asked_s[session] = time.perf_counter()
        async with client.post(self._address, data=body, headers=headers) as response:
            acknowledged = await response.json()
        if acknowledged != {"msgtype": "empty"}:
            raise BenchmarkError(f"the gateway refuses: {acknowledged}")

    async def ask_all(self, texts: Sequence[str], name: str) -> list[str]:
        """Ask every text at one moment, each as a new person; returns their sessions."""
        sessions = [f"{name}{number}" for number in range(len(texts))]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as client:
            asking = (self.ask(client, *each) for each in zip(sessions, texts, strict=True))
            await asyncio.gather(*asking)
        return sessions

    async def wait_for(self, sessions: Sequence[str]) -> list[str]:
        """Wait until all have a reply, or for two minutes; returns those that have one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN_S):
                while not self.replies.keys() >= set(sessions):
                    self._came.clear()
                    await self._came.wait()
        return [session for session in sessions if session in self.replies]


@asynccontextmanager
async def _a_bot(server: Server, code: Path, takes_s: float) -> AsyncIterator[Bot]:
    """A bot of some checkout's code; the weather service takes `takes_s` seconds for each call."""
    server.clear()
    backend_port, gateway_port, sink_port = (free_port() for _ in range(3))
    origin, weather = (f"http://127.0.0.1:{port}" for port in (sink_port, backend_port))
    env = {
        **server.env,
        "PYTHONPATH": str(code),
        "DINGDA_PORT": str(gateway_port),
        "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
        # Names that older checkouts know as well (`--code`).
        "DINGDA_SKILLS": "worker.skills.weather,worker.skills.demo",
        "DINGDA_CONCURRENCY": str(_PLACES),
        "DINGDA_OPEN_METEO_URL": weather,
        "DINGDA_OPEN_METEO_GEOCODING_URL": weather,
        "DINGDA_LOG_LEVEL": "INFO",
    }
    bot = Bot(f"http://127.0.0.1:{gateway_port}/dd_robot/", origin, backend_port)
    sink = await asyncio.get_running_loop().create_server(
        lambda: Sink(Taken(), bot.heard), "127.0.0.1", sink_port, backlog=2048
    )
    slow = ("-m", "benchmarks.backend", str(backend_port), str(takes_s))
    with ExitStack() as stack:
        stack.enter_context(served(OURS, *slow, env={}, ready="ready"))
        for module, ready in (("gateway", "listening on"), ("worker", "takes up to")):
            stack.enter_context(served(OURS, "-m", module, env=env, ready=ready, folder=code))
        try:
            yield bot
        finally:
            sink.close()


async def _burst(server: Server, code: Path) -> dict[str, float]:
    async with _a_bot(server, code, _TAKES_S) as bot:
        began_s = time.perf_counter()
        sessions = await bot.ask_all(questions(CITIES), "city")
        heard = await bot.wait_for(sessions)
        answered = [session for session in heard if "℃" in bot.replies[session][1]]
        last_s = max((bot.replies[session][0] for session in heard), default=began_s) - began_s
        return {
            "answered": len(answered),
            "apologies": len(heard) - len(answered),
            "per_s": len(answered) / last_s if last_s else 0.0,
            "last_s": last_s,
        }


async def _same(server: Server, code: Path) -> dict[str, float]:
    async with _a_bot(server, code, _TAKES_S) as bot:
        await bot.wait_for(await bot.ask_all(["天气 北京"] * SAME, "same"))
        return {"same_calls": backend.ask(bot.backend_port).calls}


async def _hanging(server: Server, code: Path) -> dict[str, float]:
    async with _a_bot(server, code, _HANGS_S) as bot:
        began_s = time.perf_counter()
        sessions = await bot.ask_all(questions(WAITING), "hang")
        quick: list[str] = []
        async with aiohttp.ClientSession() as client:
            while time.perf_counter() - began_s < _QUICK_FOR_S:
                quick.append(f"quick{len(quick)}")
                await bot.ask(client, quick[-1], _QUICK)
                await asyncio.sleep(_QUICK_EVERY_S)
        heard = await bot.wait_for([*sessions, *quick])
        ended_s = time.perf_counter()
        # A message without a reply has waited for at least as long as this.
        waits_ms = [
            (bot.replies.get(session, (ended_s,))[0] - bot.asked_s[session]) * 1000
            for session in quick
        ]
        told_s = [bot.replies[session][0] for session in sessions if session in heard]
        return {
            "quick_p50_ms": percentile(waits_ms, 50),
            "quick_p99_ms": percentile(waits_ms, 99),
            "quick_max_ms": max(waits_ms),
            "heard": len(told_s),
            "heard_s": max(told_s, default=ended_s) - began_s,
        }


def questions(count: int) -> list[str]:
    """So many questions that differ in what the service is asked: cities, today and tomorrow."""
    rows: list[list[Any]] = json.loads(
        (ROOT / "worker" / "language" / "data" / "places.json").read_text("utf-8")
    )
    cities = [row[2] for row in rows if row[0] == _PREFECTURE]
    questions = [f"天气 {city}{day}" for day in ("", " 明天") for city in cities]
    if len(questions) < count:
        raise BenchmarkError(f"the lexicon has only {len(questions)} questions")
    return questions[:count]


async def _measure(server: Server, code: Path) -> dict[str, float]:
    parts = [await scenario(server, code) for scenario in (_burst, _same, _hanging)]
    return {name: value for part in parts for name, value in part.items()}


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Measure this checkout, round after round."""
    with a_server(folder / "burst") as server:
        for number in range(plan.slow_rounds):
            values = uvloop.run(_measure(server, ROOT))
            yield Sample("burst", DINGDA, number, values)


def main() -> int:
    """`python -m benchmarks.burst`: print the table, one row for each checkout."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--code", type=Path, action="append", default=[], help="another checkout, to compare with"
    )
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    codes = {path.resolve().name: path.resolve() for path in arguments.code} | {DINGDA: ROOT}
    samples = []
    with (
        tempfile.TemporaryDirectory(prefix="dingda-burst-") as folder,
        a_server(Path(folder) / "valkey") as server,
    ):
        for number in range(arguments.rounds):
            for name, code in codes.items():
                print(f"round {number + 1}: {name}", file=sys.stderr, flush=True)
                values = uvloop.run(_measure(server, code))
                samples.append(Sample("burst", name, number, values))
    print(section(Samples(tuple(samples)), TABLE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
