"""The benchmarks' parts at tiny sizes; what they measure is not tested."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import memory
from benchmarks.__main__ import TABLES
from benchmarks.baselines.jobs import BEGIN, END
from benchmarks.callbacks import SECRET, Callbacks
from benchmarks.candidates import (
    DINGDA_NOTHING,
    SIMPLE_WORKER,
    Candidate,
    Server,
    a_front,
    a_gateway,
    a_server,
    a_sink,
)
from benchmarks.load import send
from benchmarks.plan import FULL, QUICK
from benchmarks.processes import OURS, served
from benchmarks.profiles import by_room
from benchmarks.report import render
from benchmarks.samples import Column, Sample, Samples, Summary, Table, percentile
from benchmarks.targets import Target, targets
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


def three_rounds(variant: str, *per_s: float) -> list[Sample]:
    return [Sample("q", variant, n, {"per_s": value}) for n, value in enumerate(per_s)]


def test_callbacks_are_signed_within_the_hour_and_distinct() -> None:
    callbacks = Callbacks("localhost", text="查 0", origin="http://localhost:9")
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
    callbacks = Callbacks("localhost", text="查 0", origin="http://localhost:9")
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


def test_memory_is_weighed_before_and_after_the_answer(tmp_path: Path) -> None:
    queued, finished = memory.measure(replace(QUICK, kept=20), tmp_path)
    assert (queued.variant, finished.variant) == (memory.QUEUED, memory.FINISHED)
    assert queued.values["ledger_bytes"] > finished.values["ledger_bytes"] > 0


def test_a_process_ends_with_its_children_that_left_its_group() -> None:
    child = "import os, time; os.setpgrp(); print(os.getpid(), flush=True); time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with served(OURS, "-c", script, env={}, ready=r"\d+\n") as process:
        pid = int(process.output)
        assert Path(f"/proc/{pid}").exists()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


def test_ratios_are_taken_within_a_round() -> None:
    # The machine slowed down by half in the second round, which hit both.
    samples = Samples((*three_rounds("a", 10, 5, 10), *three_rounds("b", 100, 50, 100)))
    assert samples.ratio("q", "per_s", "b", "a") == Summary(10, 10, 10)


def test_a_summary_holds_the_median_and_the_spread() -> None:
    samples = Samples(tuple(three_rounds("a", 3, 1, 8)))
    assert samples.summary("q", "a", "per_s") == Summary(3, 1, 8)
    assert samples.summary("q", "unheard of", "per_s") is None


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (50, 51), (99, 100), (100, 100)])
def test_percentiles_are_values_that_occurred(percent: float, expected: float) -> None:
    assert percentile(range(1, 101), percent) == expected


def report(*all_samples: Sample, bound: float = 4) -> str:
    return render(
        Samples(all_samples),
        plan=QUICK,
        tables=[Table("q", "A question", "A note.", (Column("per_s", "req/s"),), "a", "per_s")],
        targets=[Target("b against a", "q", "per_s", "b", "a", bound)],
        machine={"cores": "2"},
        pictures=["plot.svg"],
    )


def test_the_report_shows_medians_spread_and_ratios() -> None:
    text = report(*three_rounds("a", 10, 20, 30), *three_rounds("b", 50, 100, 300))
    assert "| a | 20 (10 – 30) | 1.00 |" in text
    assert "| b | 100 (50 – 300) | 5.00 (5.00 – 10.00) |" in text
    assert "![plot.svg](plot.svg)" in text


@pytest.mark.parametrize(("bound", "verdict"), [(4, "yes"), (6, "**no**")])
def test_the_report_says_whether_a_target_is_met(bound: float, verdict: str) -> None:
    text = report(*three_rounds("a", 10), *three_rounds("b", 50), bound=bound)
    assert f"| b against a | ≥ {bound} | 5.00 | {verdict} |" in text


def test_the_report_says_what_was_not_measured() -> None:
    assert "| b against a | ≥ 4 | not measured |  |" in report(*three_rounds("a", 10))


@pytest.mark.parametrize("plan", [QUICK, FULL], ids=lambda plan: plan.name)
def test_every_target_is_about_something_that_is_shown(plan: object) -> None:
    shown = {(table.question, column.value) for table in TABLES for column in table.columns}
    chosen = targets(QUICK if plan is QUICK else FULL)
    assert {(target.question, target.value) for target in chosen} <= shown


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
