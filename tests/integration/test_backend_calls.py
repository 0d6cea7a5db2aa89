"""Backends are called on real sockets and by real workers: at full width, once for equal calls.

The service takes a second for each call, as those do that the bot exists for.
"""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks import backend
from benchmarks.bot import weather_questions
from dingda.simulator.testing.processes import free_port
from dingda.worker.errors import BackendUnavailableError
from dingda.worker.services.backend import Backend
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http
from tests.support.builders import a_callback
from tests.support.processes import (
    ROOT,
    SessionWebhook,
    Valkey,
    gateway,
    process,
    signed,
    valkey,
    wait_until,
    worker,
)

HANGS_S = 3600.0
EMPTY = {"msgtype": "empty"}


@contextmanager
def a_backend(takes_s: float) -> Iterator[tuple[str, int]]:
    """A weather service in a process of its own: its address and its port."""
    port = free_port()
    with process("-m", "benchmarks.backend", str(port), str(takes_s), env={}) as started:
        started.wait_for("ready")
        yield f"http://127.0.0.1:{port}", port


async def call(http: Http, target: Backend | str, url: str, count: int) -> list[Any]:
    asked = (http.json(target, "GET", f"{url}/{number}") for number in range(count))
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_a_hundred_and_twenty_calls_are_under_way_at_once_and_none_fails() -> None:
    with a_backend(1.0) as (url, port):
        async with BackendClient() as client:
            answers = await call(Http(client), "天气", url, 120)
        assert [answer.status for answer in answers] == [200] * 120
        assert backend.ask(port).most == 120


async def test_a_name_that_cannot_be_looked_up_is_not_called_a_time_out() -> None:
    async with BackendClient() as client:
        with pytest.raises(BackendUnavailableError) as failed:
            await Http(client).json("天气", "GET", "http://nobody.invalid/")
    assert failed.value.reason == "ClientConnectorDNSError"


async def test_a_service_that_hangs_is_heard_of_in_time_and_touches_no_other() -> None:
    hanging = Backend("天气", at_once=100, timeout_s=1.0)
    with a_backend(HANGS_S) as (hung_url, hung_port), a_backend(0.0) as (url, _):
        async with BackendClient() as client:
            http = Http(client)
            waiting = asyncio.create_task(call(http, hanging, hung_url, 500))
            await asyncio.sleep(0.1)
            assert (await http.json("别的", "GET", url)).status == 200
            async with asyncio.timeout(30):
                answers = await waiting
        assert all(isinstance(answer, BackendUnavailableError) for answer in answers)
        # Those under way when the breaker opened, and no more.
        assert backend.ask(hung_port).calls <= 110


class OnePlace(BaseHTTPRequestHandler):
    """Python's own server, in whose queue five connections fit; it sets a cookie, too."""

    def do_GET(self) -> None:
        self.server.cookies.add(self.headers["cookie"])  # type: ignore[attr-defined]
        time.sleep(0.5)
        self.send_response(200)
        self.send_header("set-cookie", "who=canary")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def small_server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OnePlace) as started:
        started.daemon_threads = True
        started.cookies = set()  # type: ignore[attr-defined]
        threading.Thread(target=started.serve_forever, daemon=True).start()
        yield started
        started.shutdown()


async def test_a_server_with_a_short_queue_is_not_overrun_and_no_cookie_of_its_is_kept(
    small_server: ThreadingHTTPServer,
) -> None:
    url = f"http://127.0.0.1:{small_server.server_port}"
    async with BackendClient() as client:
        http = Http(client)
        for _ in range(2):
            answers = await call(http, Backend("小", timeout_s=60), url, 60)
            assert [answer.status for answer in answers] == [200] * 60
    assert small_server.cookies == {None}  # type: ignore[attr-defined]


_REMEMBER = """
import asyncio, sys
from redis.asyncio import Redis
from dingda.worker.services.cache import RedisCache
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http

async def main(redis_url, url):
    redis = Redis.from_url(redis_url, decode_responses=True)
    async with BackendClient() as client, redis:
        http, cache = Http(client), RedisCache(redis, prefix="dingda")
        await redis.ping()
        print("ready", flush=True)
        sys.stdin.readline()

        async def fetch():
            return (await http.json("天气", "GET", url)).data

        wanted = (cache.remember("k", fetch, ttl_s=60) for _ in range(50))
        print(len([each for each in await asyncio.gather(*wanted) if each["current"]]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    with valkey(tmp_path / "valkey") as started:
        yield started


def a_rememberer(server: Valkey, url: str) -> "subprocess.Popen[str]":
    """A process that wants one thing fifty times when it is told to."""
    started = subprocess.Popen(
        [sys.executable, "-c", _REMEMBER, server.url, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


def test_what_two_processes_want_at_one_moment_is_fetched_once(server: Valkey) -> None:
    with a_backend(1.0) as (url, port):
        both = [a_rememberer(server, url) for _ in range(2)]
        for each in both:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        assert [each.communicate(timeout=30)[0] for each in both] == ["50\n", "50\n"]
        assert backend.ask(port).calls == 1


@pytest.mark.slow
def test_a_process_that_dies_while_fetching_keeps_no_other_from_a_value(server: Valkey) -> None:
    with a_backend(2.0) as (url, port):
        dies, lives = (a_rememberer(server, url) for _ in range(2))
        assert dies.stdin is not None
        dies.stdin.write("\n")
        dies.stdin.flush()
        wait_until(lambda: backend.ask(port).calls == 1)
        dies.kill()
        dies.communicate()
        assert lives.communicate("\n", timeout=60)[0] == "50\n"
        assert backend.ask(port).calls == 2


# The whole bot.


class Bot:
    """A gateway, whose workers get the weather from a service of ours."""

    def __init__(self, server: Valkey, address: str, webhook: SessionWebhook) -> None:
        self._server = server
        self._address = address
        self._webhook = webhook

    def ask_all(self, texts: list[str]) -> None:
        """Let one person each ask, each in a group of their own.

        Before there is a worker, so that to it they all come at one moment.
        """

        def ask(number: int) -> httpx.Response:
            own = {name: f"{name}{number}" for name in ("msgId", "senderStaffId", "conversationId")}
            own["sessionWebhook"] = self._webhook.url(f"s{number}")
            body = a_callback(texts[number], **own)
            return httpx.post(self._address, content=body, headers=signed(), timeout=30)

        with ThreadPoolExecutor(8) as pool:
            assert all(ack.json() == EMPTY for ack in pool.map(ask, range(len(texts))))

    @contextmanager
    def workers(self, count: int, weather_url: str) -> Iterator[None]:
        """So many workers with a hundred places each."""
        settings = {
            "DINGDA_SKILLS": "dingda.worker.skills.weather,dingda.worker.skills.demo",
            "DINGDA_OPEN_METEO_URL": weather_url,
            "DINGDA_OPEN_METEO_GEOCODING_URL": weather_url,
        }
        with ExitStack() as stack:
            for _ in range(count):
                started = worker(self._server.url, self._webhook.origin, **settings)
                stack.enter_context(started)
            yield

    def wait_for(self, count: int, *, within_s: float) -> list[str]:
        """Wait for so many replies, and return what they say."""
        posts = self._webhook.wait_for(count, within_s=within_s)
        return [json.dumps(post.payload, ensure_ascii=False) for post in posts]


@pytest.fixture
def bot(server: Valkey) -> Iterator[Bot]:
    with SessionWebhook() as webhook, gateway(server.url) as (_, address):
        yield Bot(server, address, webhook)


@pytest.mark.slow
def test_a_hundred_and_twenty_people_ask_for_as_many_cities_and_all_are_told(bot: Bot) -> None:
    bot.ask_all(weather_questions(120))
    with a_backend(1.0) as (url, port), bot.workers(1, url):
        replies = bot.wait_for(120, within_s=60)
        assert [reply for reply in replies if "℃" not in reply] == []
        asked = backend.ask(port)
    assert asked.calls == 120
    # As many as there are places: it was asked at full width.
    assert asked.most >= 90


@pytest.mark.slow
def test_the_same_question_to_two_workers_is_one_call(bot: Bot) -> None:
    bot.ask_all(["天气 北京"] * 100)
    with a_backend(1.0) as (url, port), bot.workers(2, url):
        replies = bot.wait_for(100, within_s=60)
        assert [reply for reply in replies if "℃" not in reply] == []
        assert backend.ask(port).calls == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_while_the_service_hangs_everybody_hears_something_in_time(bot: Bot) -> None:
    bot.ask_all(weather_questions(300))
    with a_backend(HANGS_S) as (url, port), bot.workers(1, url):
        replies = bot.wait_for(300, within_s=90)
        assert [reply for reply in replies if "Open-Meteo暂时连不上" not in reply] == []
        asked = backend.ask(port)
        # Those of the worker's places, and a try now and then.
        assert asked.most <= 110
        assert asked.calls - asked.most <= 2
