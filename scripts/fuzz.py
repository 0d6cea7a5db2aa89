"""`make fuzz`: strange requests, texts and responses for ten minutes (MINUTES=), half each.

The gateway is a real one on a real server. It gets requests signed and unsigned, with bodies and
headers mutated from a real callback's. No answer may be a 5xx, none may be missing, and the gateway
must still store a good message at the end. What the worker gets, see `scripts.fuzz_worker`.
"""

import argparse
import asyncio
import json
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from dingda.simulator.testing.processes import (
    a_running_process,
    a_running_valkey,
    clean_environment,
    free_port,
    is_ready,
)
from dingda.simulator.testing.sample import a_callback, callback_fields, signed_headers
from scripts.fuzz_worker import Findings, fuzz_worker

_STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**400, "", "\ud800", "\x00", "a" * 70_000, [], {}, [[]], {"a": {}},
)  # fmt: skip
_SECRET = "only-the-fuzzing-uses-this"  # noqa: S105 - it protects nothing
_TIMEOUT_S = 10.0
_SAY_EVERY_S = 30.0
_ENOUGH_WRONG = 100


def main() -> int:
    """Try both sides, and count the results; returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.fuzz")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    half_s = arguments.minutes * 30
    failed = [_fuzz_gateway(arguments.seed, half_s), _fuzz_worker(arguments.seed, half_s)]
    print(f"seed {arguments.seed}: {'something is wrong' if any(failed) else 'all is well'}")
    return int(any(failed))


def _fuzz_worker(seed: int, for_s: float) -> bool:
    """Try texts and responses; returns whether something went wrong."""
    until_s = time.monotonic() + for_s
    say_at_s = 0.0

    def is_enough(findings: Findings) -> bool:
        nonlocal say_at_s
        if time.monotonic() > say_at_s:
            say_at_s = time.monotonic() + _SAY_EVERY_S
            print(f"worker  {dict(findings.tried)}, wrong: {len(findings.wrong)}", flush=True)
        return time.monotonic() > until_s or len(findings.wrong) >= _ENOUGH_WRONG

    findings = asyncio.run(fuzz_worker(seed, until=is_enough))
    print(f"worker  {dict(findings.tried)}, wrong: {len(findings.wrong)}")
    for wrong in findings.wrong:
        print(f"  {wrong}")
    return bool(findings.wrong)


def _fuzz_gateway(seed: int, for_s: float) -> bool:
    """Send strange requests; returns whether something went wrong."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    statuses: Counter[int] = Counter()
    port = free_port()
    address = f"http://127.0.0.1:{port}/dd_robot/"
    with (
        tempfile.TemporaryDirectory() as folder,
        a_running_valkey(Path(folder, "valkey"), appendonly="yes") as redis_url,
        a_running_process(
            "gateway", Path(folder), clean_environment() | _settings(redis_url, port)
        ) as (process, log),
    ):
        if not is_ready(f"http://127.0.0.1:{port}/readyz", [process]):
            raise RuntimeError(f"the gateway is not ready:\n{log.read_text('utf-8', 'replace')}")
        until_s = time.monotonic() + for_s
        say_at_s = 0.0
        while time.monotonic() < until_s:
            statuses[_send(address, *_request(rng))] += 1
            if time.monotonic() > say_at_s:
                say_at_s = time.monotonic() + _SAY_EVERY_S
                print(f"gateway {statuses.total()} requests  {dict(statuses)}", flush=True)
        last = httpx.post(
            address, content=a_callback(), headers=signed_headers(_SECRET), timeout=_TIMEOUT_S
        )
        alive = process.poll() is None and last.json() == {"msgtype": "empty"}
        traceback = "Traceback" in log.read_text("utf-8", "replace")
    bad = {status: n for status, n in statuses.items() if not 200 <= status < 500}  # noqa: PLR2004
    print(f"gateway {statuses.total()} requests  {dict(sorted(statuses.items()))}")
    print(f"gateway not 2xx-4xx: {bad or 'none'}; still alive: {alive}")
    return bool(bad) or traceback or not alive


def _settings(redis_url: str, port: int) -> dict[str, str]:
    return {
        "DINGDA_APP_SECRET": _SECRET,
        "DINGDA_NO_WORKERS": "wait",
        "DINGDA_REDIS_URL": redis_url,
        "DINGDA_PORT": str(port),
        "DINGDA_BACKLOG_LIMIT": "1000000",
    }


def _request(rng: random.Random) -> tuple[dict[str, bytes], bytes]:
    """Headers and a body; most are signed, so that they get past the signature."""
    headers = {name: value.encode() for name, value in signed_headers(_SECRET).items()}
    body = rng.choice(_BODIES)(rng)
    if rng.random() < 0.3:  # noqa: PLR2004 - a share
        name = rng.choice([*headers, "content-length", "content-encoding", "x"])
        headers[name] = _bytes(rng, 40).translate(None, b"\r\n\0")
    return headers, body


def _mutated(rng: random.Random) -> bytes:
    """A callback with some of its fields replaced or taken away."""
    fields = callback_fields(msgId=f"m{rng.random()}")
    for name in rng.sample(list(fields), rng.randint(1, 6)):
        if rng.random() < 0.3:  # noqa: PLR2004 - a share
            del fields[name]
        else:
            fields[name] = rng.choice(_STRANGE)
    return json.dumps(fields).encode()


def _damaged(rng: random.Random) -> bytes:
    """A callback's bytes with some of them changed, cut out or doubled."""
    body = bytearray(a_callback(msgId=f"m{rng.random()}"))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(body))
        body[at : at + rng.randint(0, 9)] = _bytes(rng, 9)
    return bytes(body)


def _deep(rng: random.Random) -> bytes:
    return rng.choice([b"[", b'{"a":', b'{"text":{"content":']) * rng.randint(1, 9000)


def _bytes(rng: random.Random, most: int) -> bytes:
    return rng.randbytes(rng.randint(0, most))


_BODIES: tuple[Callable[[random.Random], bytes], ...] = (
    _mutated,
    _mutated,
    _damaged,
    _deep,
    lambda rng: _bytes(rng, 400),
)


def _send(address: str, headers: dict[str, bytes], body: bytes) -> int:
    """Send one request as raw bytes; returns the status, 0 if there was no response."""
    url = urlsplit(address)
    lengths = {"content-length": str(len(body)).encode()} | headers
    head = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in lengths.items())
    request = f"POST {url.path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n".encode()
    with socket.create_connection((str(url.hostname), int(url.port or 0)), _TIMEOUT_S) as line:
        try:
            line.sendall(request + head + b"\r\n" + body)
            answer = line.recv(64)
        except (BrokenPipeError, ConnectionResetError):
            return 499  # it closed the connection, as it may on such bytes
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else (499 if not answer else 0)


if __name__ == "__main__":
    sys.exit(main())
