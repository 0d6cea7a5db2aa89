"""The benchmarks' parts at tiny sizes; what they measure is not tested."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import backend, calls, distance, fairness, memory, startup, stream
from benchmarks.baselines.jobs import AT_ONCE, BEGIN, END
from benchmarks.callbacks import SECRET, Callbacks
from benchmarks.candidates import (
    DINGDA,
    DINGDA_NOTHING,
    SIMPLE_WORKER,
    Candidate,
    Server,
    a_front,
    a_gateway,
    a_server,
    a_sink,
    a_slow_service,
    dingda,
)
from benchmarks.certificate import a_certificate
from benchmarks.load import send
from benchmarks.plan import QUICK
from benchmarks.processes import OURS, served
from benchmarks.profiles import by_room
from benchmarks.stream_bots import SDK, StreamBot, a_client, an_sdk_bot
from benchmarks.worker import wait_for_mark, wait_for_replies
from dingda.gateway.http.replay import MESSAGES_A_SIGNATURE
from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.dingtalk.signature import verify
from dingda.shared.ledger.keys import LedgerKeys
from tests.support.processes import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with a_server(tmp_path_factory.mktemp("bench") / "valkey") as started:
        yield started


def test_callbacks_are_signed_within_the_hour_and_distinct() -> None:
    callbacks = Callbacks("localhost", text=AT_ONCE, origin="http://localhost:9")
    requests = [callbacks.request(number) for number in range(3)]
    messages = []
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        now_ms = time.time_ns() // 1_000_000
        verify(headers[b"timestamp"], headers[b"sign"], secrets=(SECRET,), now_ms=now_ms)
        assert int(headers[b"content-length"]) == len(body)
        assert len(body) == pytest.approx(850, abs=10)
        messages.append(parse_message(body))
    assert len({message.id for message in messages if isinstance(message, Message)}) == 3


def test_no_more_callbacks_share_a_signature_than_the_gateway_takes() -> None:
    callbacks = Callbacks("localhost", text=AT_ONCE, origin="http://localhost:9")
    timestamps = Counter(callbacks.request(n).split(b"\r\n")[4] for n in range(100))
    assert len(timestamps) > 1
    assert max(timestamps.values()) <= MESSAGES_A_SIGNATURE


def test_the_gateway_accepts_what_the_load_sends(server: Server) -> None:
    with a_gateway(server) as (process, url):
        load = send(url, connections=4, requests=50)
        assert (load.answered, load.refused) == (50, 0)
        assert load.p50_ms <= load.p99_ms <= load.max_ms
        assert process.cpu_s > 0
        assert process.pss_mb > 1
    assert server.client.hget(LedgerKeys("bench").count, "accepted") == b"50"
    server.clear()


def test_a_response_that_is_no_acknowledgement_counts_as_refused() -> None:
    with a_sink() as (_, port):
        load = send(f"http://127.0.0.1:{port}/", connections=2, requests=10)
    assert (load.answered, load.refused) == (10, 10)


@pytest.mark.parametrize("candidate", [DINGDA_NOTHING, SIMPLE_WORKER], ids=lambda c: c.name)
def test_the_first_and_the_last_job_leave_their_marks(server: Server, candidate: Candidate) -> None:
    candidate.fill(server, 20)
    with closing(candidate.work(server)) as worker:
        wait_for_mark(server, BEGIN, worker)
        wait_for_mark(server, END, worker)
    assert server.client.llen(BEGIN) == server.client.llen(END) == 0
    server.clear()


def test_a_starlette_gateway_before_rq_gets_the_reply_sent(server: Server) -> None:
    with a_sink() as (_, port), a_front(server, "queueing", module="with_rq") as (_, url):
        assert send(url, connections=2, requests=5, origin=f"http://127.0.0.1:{port}").refused == 0
        with closing(SIMPLE_WORKER.work(server)) as worker:
            assert wait_for_replies(port, 5, worker).count == 5
    server.clear()


@pytest.mark.slow
def test_memory_is_weighed_before_and_after_the_answer_and_minutes_later(tmp_path: Path) -> None:
    queued, finished, later = memory.measure(replace(QUICK, kept=20), tmp_path)
    assert (queued.variant, finished.variant) == (memory.QUEUED, memory.FINISHED)
    assert queued.values["ledger_bytes"] > finished.values["ledger_bytes"] > 0
    assert later.values["ledger_bytes"] <= finished.values["ledger_bytes"]
    assert later.values["steady_mb"] > 0


def test_a_slow_service_is_looked_up_over_tls_for_each_message(
    server: Server, tmp_path: Path
) -> None:
    certificate = a_certificate(tmp_path)
    with a_slow_service(0.1, certificate) as service, a_sink() as (_, port):
        origin, url = f"http://127.0.0.1:{port}", service.urls["https"]
        candidate = dingda(5, origin, certificate=certificate, DINGDA_BENCH_SERVICE_URL=url)
        candidate.fill(server, 10, origin, url)
        with closing(candidate.work(server)) as worker:
            wait_for_replies(port, 10, worker)
        assert backend.ask(service.port).calls == 10
    assert server.client.hget(LedgerKeys("bench").count, "answered") == b"10"
    server.clear()


@pytest.mark.slow
def test_the_skills_client_and_aiohttp_are_measured_alike(tmp_path: Path) -> None:
    plan = replace(QUICK, calls_s=0.5, calls_in_flight=(5,))
    samples = list(calls.measure(plan, tmp_path))
    assert [sample.variant for sample in samples] == [calls.DINGDA, calls.AIOHTTP]
    for sample in samples:
        assert {
            f"{name}_{scheme}_5" for name in ("per_s", "cpu_us") for scheme in ("http", "https")
        } == sample.values.keys()


def test_a_distant_dingtalk_counts_the_round_trips_of_each_reply(tmp_path: Path) -> None:
    (sample,) = distance.measure(replace(QUICK, replies_a_place=1), tmp_path)
    assert 1 <= sample.values["round_trips"] <= sample.values["round_trips_p99"] <= 4


def test_a_quick_question_is_answered_behind_a_backlog(server: Server) -> None:
    values = asyncio.run(fairness.behind_backlog(server, 20, seconds=0.2))
    assert values["others"] > 0
    assert values["p50_ms"] <= values["max_ms"]
    server.clear()


@pytest.mark.slow
def test_every_start_ends_with_an_answer(tmp_path: Path) -> None:
    samples = list(startup.measure(replace(QUICK, rounds=0), tmp_path))
    assert samples == []  # the first start of each counts for nothing


def test_both_stream_bots_acknowledge_and_answer(tmp_path: Path) -> None:
    plan = replace(QUICK, messages=2, stream_s=0.05)
    ours, sdk = stream.measure(plan, tmp_path)
    assert (ours.variant, sdk.variant) == (DINGDA, SDK)
    for sample in (ours, sdk):
        assert sample.values["load_max_ms"] >= sample.values["load_p50_ms"]
    assert sdk.values["idle_p50_ms"] >= 50  # it acknowledges what it has looked up


def test_a_supervised_stream_bot_answers_again_after_it_was_killed(tmp_path: Path) -> None:
    async def use(bot: StreamBot) -> None:
        async with a_client(bot):
            await asyncio.to_thread(bot.kill)
        async with a_client(bot):
            """Answered once more."""

    with an_sdk_bot(tmp_path / "sdk") as bot:
        asyncio.run(use(bot))


def test_a_process_ends_with_its_children_that_left_its_group() -> None:
    child = "import os, time; os.setpgrp(); print(os.getpid(), flush=True); time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with served(OURS, "-c", script, env={}, ready=r"\d+\n") as process:
        pid = int(process.output)
        assert Path(f"/proc/{pid}").exists()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_profile_counts_a_package_for_the_module_that_called_it() -> None:
    stacks = (
        "main (gateway/__main__.py:1);accept (shared/queue.py:4);pack (redis/client.py:9) 3\n"
        "main (gateway/__main__.py:1);parse (shared/errors.py:5);loads (json/decoder.py:7) 2\n"
        "main (gateway/__main__.py:1);data_received (uvicorn/impl.py:9);next (enum.py:2) 4\n"
        "main (gateway/__main__.py:1);run (asyncio/runners.py:3) 1\n"
        "main (gateway/__main__.py:1);accept (dingda/shared/queue.py:4);x (redis/client.py:9) 7\n"
    )
    assert by_room(stacks) == {
        "redis, for shared/queue.py": 10,
        "uvicorn": 4,
        "shared/errors.py": 2,
        "Python and its event loop": 1,
    }
