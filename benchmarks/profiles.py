"""Where the time goes: py-spy looks into the gateway and the worker while they are busy.

A sample belongs to the innermost of our modules or of the packages that we use; the standard
library's time is its caller's.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.baselines.jobs import BEGIN
from benchmarks.candidates import (
    DINGDA_NOTHING,
    SERVICE_TAKES_S,
    a_gateway,
    a_server,
    a_sink,
    a_slow_service,
    dingda,
)
from benchmarks.certificate import a_certificate
from benchmarks.load import send
from benchmarks.plan import Plan
from benchmarks.processes import BASELINES, ROOT, Served
from benchmarks.samples import Column, Sample, Table
from benchmarks.worker import wait_for_mark, wait_for_replies

_RATE_HZ = 200
_OURS = ("gateway", "worker", "shared")
# They are on every stack, so they tell nothing.
_ENTRIES = ("gateway/__main__.py", "worker/__main__.py", "shared/runtime/command_line.py")
_LEAST_PERCENT = 1.0
_LOAD_S = 2.0
"""How much longer than the recording the process is kept busy: py-spy takes a while to begin."""
_PER_S = {"nothing": 6_000, "answer": 2_000, "lookup": 500}
_LOOKUPS = 500
_LOOP = "Python and its event loop"

_NOTE = "Share of the samples in which the process used the CPU, by what was running."
TABLES = tuple(
    Table(f"profile-{name}", f"Where the time goes: {what}", _NOTE, (Column("percent", "%", 1),))
    for name, what in (
        ("gateway", "the gateway"),
        ("nothing", "the worker, jobs that do nothing"),
        ("answer", "the worker, whole messages"),
        ("lookup", f"the worker, {_LOOKUPS} look-ups at once over TLS"),
    )
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Record one profile of each; none where py-spy may not look into processes."""
    seconds = plan.profile_s
    for name, stacks in (
        ("gateway", _gateway(folder, seconds)),
        ("nothing", _nothing(folder, seconds)),
        ("answer", _answer(folder, seconds)),
        ("lookup", _lookup(folder, seconds)),
    ):
        rooms = by_room(stacks)
        total = sum(rooms.values())
        for room, samples in rooms.most_common():
            percent = samples / total * 100
            if percent >= _LEAST_PERCENT:
                yield Sample(f"profile-{name}", room, 0, {"percent": percent})


def _gateway(folder: Path, seconds: float) -> str:
    with a_server(folder / "profile-gateway") as server, a_gateway(server) as (gateway, url):
        spy = _spy(gateway, folder / "gateway.txt", seconds)
        with closing(spy):
            send(url, seconds=seconds + _LOAD_S)
            return _stacks(spy, folder / "gateway.txt")


def _nothing(folder: Path, seconds: float) -> str:
    with a_server(folder / "profile-nothing") as server:
        DINGDA_NOTHING.fill(server, round(_PER_S["nothing"] * (seconds + _LOAD_S)))
        with closing(DINGDA_NOTHING.work(server)) as worker:
            wait_for_mark(server, BEGIN, worker)
            with closing(_spy(worker, folder / "nothing.txt", seconds)) as spy:
                return _stacks(spy, folder / "nothing.txt")


def _answer(folder: Path, seconds: float) -> str:
    with a_server(folder / "profile-answer") as server, a_sink() as (_, port):
        origin = f"http://127.0.0.1:{port}"
        candidate = dingda(100, origin)
        candidate.fill(server, round(_PER_S["answer"] * (seconds + _LOAD_S)), origin)
        with closing(candidate.work(server)) as worker:
            wait_for_replies(port, 1, worker)
            with closing(_spy(worker, folder / "answer.txt", seconds)) as spy:
                return _stacks(spy, folder / "answer.txt")


def _lookup(folder: Path, seconds: float) -> str:
    certificate = a_certificate(folder)
    with (
        a_server(folder / "profile-lookup") as server,
        a_sink() as (_, port),
        a_slow_service(SERVICE_TAKES_S, certificate) as service,
    ):
        origin, url = f"http://127.0.0.1:{port}", service.urls["https"]
        candidate = dingda(_LOOKUPS, origin, certificate=certificate, DINGDA_BENCH_SERVICE_URL=url)
        candidate.fill(server, round(_PER_S["lookup"] * (seconds + _LOAD_S)), origin, url)
        with closing(candidate.work(server)) as worker:
            wait_for_replies(port, 1, worker)
            with closing(_spy(worker, folder / "lookup.txt", seconds)) as spy:
                return _stacks(spy, folder / "lookup.txt")


def _spy(process: Served, output: Path, seconds: float) -> Served:
    command = ["--pid", str(process.popen.pid), "--duration", str(max(1, round(seconds)))]
    command += [
        "--rate",
        str(_RATE_HZ),
        "--format",
        "raw",
        "--output",
        str(output),
        "--nonblocking",
    ]
    return Served(str(Path(BASELINES).with_name("py-spy")), "record", *command, env={})


def _stacks(spy: Served, output: Path) -> str:
    spy.popen.wait()
    return output.read_text() if output.exists() else ""


def by_room(stacks: str) -> Counter[str]:
    """Count samples by where they belong.

    Args:
        stacks: py-spy's raw format: frames from the outermost inwards, then how often.
    """
    rooms: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        rooms[_room(frames.split(";"))] += int(count)
    return rooms


def _room(frames: list[str]) -> str:
    """Our module; or a package and for which of ours it works; or the loop."""
    package = ""
    for frame in reversed(frames):
        path = frame.rpartition("(")[2].partition(":")[0].rstrip(")").removeprefix(f"{ROOT}/")
        path = path.removeprefix("dingda/")
        top = path.partition("/")[0]
        if top in _OURS and path not in _ENTRIES:
            return f"{package}, for {path}" if package else path
        if "/" in path and top not in (*_OURS, "benchmarks", *sys.stdlib_module_names):
            package = package or top
    return package or _LOOP
