"""The whole bot on real processes, and people that ask it.

Everything is as shipped: callbacks to a real gateway, one `python -m worker`, the weather skill
with its own HTTP client, and a weather service on this machine that takes a while for each call
(`benchmarks.backend`), or does not answer at all.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from benchmarks.callbacks import SECRET
from benchmarks.candidates import Server, a_slow_service, dingda
from benchmarks.errors import BenchmarkError
from benchmarks.processes import OURS, ROOT, served
from benchmarks.sink import Sink, Taken
from dingda.simulator.testing.processes import free_port
from dingda.simulator.testing.sample import a_callback, signed_headers

_PREFECTURE = 1
_EARLIER_MS = 600_000
_WITHIN_S = 180.0


class Bot:
    """The bot, and what it was asked and replied.

    Args:
        address: the gateway's callback.
        origin: where replies go.
        service_port: the weather service's.
    """

    def __init__(self, address: str, origin: str, service_port: int) -> None:
        self._address = address
        self._origin = origin
        self._signed_ms = time.time_ns() // 1_000_000 - _EARLIER_MS
        self.service_port = service_port
        self.asked_s: dict[str, float] = {}
        """Session → when it was asked."""
        self.replies: dict[str, tuple[float, str]] = {}
        """Session → when its reply came, and the reply."""
        self._came = asyncio.Event()

    def take(self, path: bytes, body: bytes) -> None:
        """Take a reply."""
        (session,) = parse_qs(urlsplit(path.decode()).query)["session"]
        text = json.dumps(json.loads(body), ensure_ascii=False)
        self.replies.setdefault(session, (time.perf_counter(), text))
        self._came.set()

    async def ask(
        self, client: aiohttp.ClientSession, session: str, text: str, *, person: str = ""
    ) -> None:
        """Ask something in a new session, as a new person in a new group unless one is named."""
        person = person or session
        self._signed_ms += 1
        body = a_callback(
            text,
            msgId=f"msg-{session}",
            senderStaffId=f"staff-{person}",
            senderId=f"$:LWCP_v1:${person}",
            conversationId=f"cid-{person}",
            sessionWebhook=f"{self._origin}/robot/sendBySession?session={session}",
        )
        headers = signed_headers(SECRET, timestamp_ms=self._signed_ms)
        self.asked_s[session] = time.perf_counter()
        async with client.post(self._address, data=body, headers=headers) as response:
            acknowledged = await response.json()
        if acknowledged != {"msgtype": "empty"}:
            raise BenchmarkError(f"the gateway refuses: {acknowledged}")

    async def ask_all(self, texts: Sequence[str], name: str, *, person: str = "") -> list[str]:
        """Ask every text at one moment, each as a new person unless one is named.

        Returns:
            Their sessions.
        """
        sessions = [f"{name}{number}" for number in range(len(texts))]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as client:
            asking = (
                self.ask(client, session, text, person=person)
                for session, text in zip(sessions, texts, strict=True)
            )
            await asyncio.gather(*asking)
        return sessions

    async def wait_for(self, sessions: Sequence[str]) -> list[str]:
        """Wait until all have a reply, or for three minutes; returns those that have one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_WITHIN_S):
                while not self.replies.keys() >= set(sessions):
                    self._came.clear()
                    await self._came.wait()
        return [session for session in sessions if session in self.replies]

    def waited_ms(self, sessions: Sequence[str]) -> list[float]:
        """How long each waited for its reply; those without one, until now."""
        now_s = time.perf_counter()
        return [
            (self.replies.get(session, (now_s,))[0] - self.asked_s[session]) * 1000
            for session in sessions
        ]


@asynccontextmanager
async def a_bot(
    server: Server, *, takes_s: float, places: int = 100, code: Path = ROOT, waiting: int = 0
) -> AsyncIterator[Bot]:
    """Run a bot as long as the context is open.

    Args:
        server: is emptied.
        takes_s: seconds that the weather service takes for each call.
        places: messages that its worker answers at once.
        code: a checkout; this one, or an older one.
        waiting: messages of so many people that wait when the worker starts, and take no time.
    """
    server.clear()
    gateway_port, sink_port = free_port(), free_port()
    origin = f"http://127.0.0.1:{sink_port}"
    async with AsyncExitStack() as stack:
        service = stack.enter_context(a_slow_service(takes_s))
        env = {
            **server.env,
            "PYTHONPATH": str(code),
            "DINGDA_PORT": str(gateway_port),
            "DINGDA_SESSION_WEBHOOK_ORIGINS": origin,
            # Names that older checkouts know as well.
            "DINGDA_SKILLS": "worker.skills.weather,worker.skills.demo",
            "DINGDA_CONCURRENCY": str(places),
            "DINGDA_OPEN_METEO_URL": service.urls["http"],
            "DINGDA_OPEN_METEO_GEOCODING_URL": service.urls["http"],
            "DINGDA_LOG_LEVEL": "INFO",
        }
        if waiting:
            env["DINGDA_SKILLS"] = server.env["DINGDA_SKILLS"]
            dingda(places).fill(server, waiting, origin)
        bot = Bot(f"http://127.0.0.1:{gateway_port}/dd_robot/", origin, service.port)
        sink = await asyncio.get_running_loop().create_server(
            lambda: Sink(Taken(), bot.take), "127.0.0.1", sink_port, backlog=2048
        )
        stack.callback(sink.close)
        for module, ready in (("gateway", "listening on"), ("worker", "takes up to")):
            stack.enter_context(served(OURS, "-m", module, env=env, ready=ready, folder=code))
        yield bot


def weather_questions(count: int) -> list[str]:
    """So many questions that differ in what the service is asked: cities, today and tomorrow."""
    rows: list[list[Any]] = json.loads(
        (ROOT / "worker" / "language" / "data" / "places.json").read_text("utf-8")
    )
    cities = [row[2] for row in rows if row[0] == _PREFECTURE]
    questions = [f"天气 {city}{day}" for day in ("", " 明天") for city in cities]
    if len(questions) < count:
        raise BenchmarkError(f"the lexicon has only {len(questions)} questions")
    return questions[:count]
