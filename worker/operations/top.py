"""`dingda top`: the dashboard's first page in a terminal, read again every two seconds."""

import asyncio
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from unicodedata import east_asian_width

import click
from redis.exceptions import RedisError

from dingda.shared.ledger.histograms import BUCKETS_S
from dingda.shared.runtime.logs import class_name
from dingda.worker.operations.cluster_state import ClusterState
from dingda.worker.operations.formats import (
    clock,
    duration,
    number,
    outside,
    rate,
    short_id,
    size,
)
from dingda.worker.operations.readings import Observer, RecentReadings

EVERY_S = 2.0
_APART_S = 1.0
"""How far apart the two readings of `--once` are: a rate is a difference."""
_MOST_TYPED = 64
_QUANTILES = (0.5, 0.95, 0.99)
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
"""The terminal's other screen, without a cursor; and back."""
_HOME, _TO_END_OF_LINE, _TO_END = "\x1b[H", "\x1b[K", "\x1b[J"


async def print_once(observer: Observer) -> None:
    """Print the page after two readings. What the Redis client raises is raised."""
    await observer.read()
    await asyncio.sleep(_APART_S)
    reading = await observer.read()
    width, _ = shutil.get_terminal_size()
    click.echo("\n".join(draw(reading, observer.recent, width=width, height=1000)))


async def watch(observer: Observer) -> None:
    """Draw the page again and again until `q` or Ctrl-C. Outages of Redis are shown."""
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    with _keys(stopped), _other_screen():
        while not stopped.is_set():
            width, height = shutil.get_terminal_size()
            try:
                lines = draw(await observer.read(), observer.recent, width=width, height=height)
            except RedisError as error:
                lines = [f"Redis (DINGDA_REDIS_URL) cannot be reached: {class_name(error)}"[:width]]
            shown = "".join(f"{line}{_TO_END_OF_LINE}\n" for line in lines[: height - 1])
            click.echo(f"{_HOME}{shown}{_TO_END}", nl=False, color=True)
            try:
                await asyncio.wait_for(stopped.wait(), EVERY_S)
            except TimeoutError:
                continue


def draw(reading: ClusterState, recent: RecentReadings, *, width: int, height: int) -> list[str]:
    """The page as lines of at most `width` characters, and at most `height` of them."""
    lines = [*_summary(reading, recent), "", *_tables(recent), "", *_workers(reading)]
    if len(lines) > height - 1:
        lines = [*lines[: height - 2], f"… {len(lines) - height + 2} lines more"]
    title, *rest = (_cut(line, width) for line in lines)
    return [click.style(title, bold=True), *rest]


def _cut(line: str, width: int) -> str:
    """What of a line fits into so many columns; a Chinese character takes two."""
    used = 0
    for place, character in enumerate(line):
        used += 2 if east_asian_width(character) in "WF" else 1
        if used > width:
            return line[:place]
    return line


def _summary(reading: ClusterState, recent: RecentReadings) -> Iterator[str]:
    suspended = "   PAUSED: workers take no messages" if reading.is_suspended else ""
    yield f"Dingda  {clock(reading.at_ms)}{suspended}"
    yield (
        f"accepted/s {rate(recent.accepted_per_s())}   open {number(reading.counts.open)}   "
        f"queued {number(reading.queued)}   "
        f"oldest {duration(reading.oldest_s) if reading.queued else '–'}   "
        f"dead letters {number(reading.dead_letters)}"
    )
    health = reading.redis
    limit = f" of {size(health.max_memory_bytes)}" if health.max_memory_bytes else ""
    lags = [duration(replica.lag_s) for replica in health.replicas or ()]
    yield (
        f"{outside(health.version) or 'Redis'}  {outside(health.role)}  "
        f"{size(health.memory_bytes)}{limit}  "
        f"aof {_append_only(reading)}  replicas {len(lags)}{_in_brackets(lags)}"
    )
    circuits = [f"{outside(name)} ({n})" for name, n in reading.open_circuits.items()]
    yield f"open circuits: {', '.join(circuits) or 'none'}"


def _append_only(reading: ClusterState) -> str:
    if reading.redis.append_only is None:
        return "–"
    if not reading.redis.append_only:
        return "off"
    return "FAILING" if reading.redis.append_only_works is False else "on"


def _in_brackets(lags: list[str]) -> str:
    return f" (heard {', '.join(lags)} ago)" if lags else ""


def _tables(recent: RecentReadings) -> Iterator[str]:
    """Two tables beside each other: the ends, and how long the stages take."""
    window_s = recent.window_s()
    lately = f"last {duration(window_s)}" if window_s else "–"
    ends = [f"{'end':15}{lately:>12}{'ever':>9}"]
    ends += [
        f"{outside(kind)[:15]:15}{'–' if new is None else number(new):>12}{number(total):>9}"
        for kind, (total, new) in recent.ends().items()
    ]
    stages = [f"{'stage' if window_s else 'ever':9}{'p50':>9}{'p95':>9}{'p99':>9}"]
    for stage, histogram in recent.histograms().items():
        values = [histogram.quantile(q) for q in _QUANTILES]
        shown = (("≥" if v == BUCKETS_S[-1] else "") + duration(v) for v in values)
        stages.append(f"{stage.value:9}" + "".join(f"{value:>9}" for value in shown))
    for row in range(max(len(ends), len(stages))):
        left = ends[row] if row < len(ends) else ""
        right = stages[row] if row < len(stages) else ""
        yield f"{left:38}    {right}".rstrip()


def _workers(reading: ClusterState) -> Iterator[str]:
    slots = f"{number(reading.slots_used)} of {number(reading.slots)} slots in use"
    yield f"workers {len(reading.workers)}   {slots}"
    if not reading.workers:
        yield "no worker is alive: nothing is answered"
    for worker in reading.workers:
        up_s = (reading.at_ms - worker.started_ms) / 1000
        yield (
            f"  {outside(worker.host)}  {outside(worker.name)[:12]}  {outside(worker.version)}  "
            f"up {duration(up_s)}  {worker.slots_used}/{worker.slots}"
        )
        for held in worker.doing:
            held_s = (reading.at_ms - held.since_ms) / 1000
            skill = outside(held.skill) or "no skill"
            yield f"    {short_id(held.id)}  {skill}  {duration(held_s)}"


@contextmanager
def _keys(stopped: asyncio.Event) -> Iterator[None]:
    """Let `q` stop, as it is typed, while the context is open; without a terminal nothing does."""
    if not sys.stdin.isatty():
        yield
        return

    def on_key() -> None:
        typed = os.read(sys.stdin.fileno(), _MOST_TYPED)
        if not typed or b"q" in typed.lower():
            stopped.set()

    loop, before = asyncio.get_running_loop(), termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    loop.add_reader(sys.stdin, on_key)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextmanager
def _other_screen() -> Iterator[None]:
    click.echo(_ENTER, nl=False, color=True)
    try:
        yield
    finally:
        click.echo(_LEAVE, nl=False, color=True)
