"""Stream mode beside DingTalk's own SDK: acknowledgements, CPU, and what faults cost the senders.

Both bots get the same messages from the simulated DingTalk, and make the same answers.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import stream_faults
from benchmarks.plan import Plan
from benchmarks.samples import Column, Sample, Table, percentile
from benchmarks.stream_bots import StreamBot, a_client, an_sdk_bot, answered, our_bot, push
from dingda.simulator.dingtalk.record import Record

_LOOKUP_S = 0.05
_PER_S = 100
_REST_S = 0.05
_TEXT = f"等 {_LOOKUP_S:g}"

TABLES = (
    Table(
        question="stream",
        title="Stream mode, beside DingTalk's own SDK",
        note="From a frame's push to its acknowledgement, in whole ms by the simulated DingTalk's "
        "clock. The SDK's handler and our skill wait "
        f"{_LOOKUP_S * 1000:g} ms and reply; Dingda acknowledges what is stored, the SDK what is "
        f"answered. *Idle*: one message at a time; *load*: {_PER_S} a second, of as many people, "
        "which is near what two cores simulate. *CPU* is under load. *Connection* is the process "
        "that has it: the SDK's makes the answers too and stores nothing, so that in all a message "
        "costs it less.",
        columns=(
            Column("idle_p50_ms", "ack idle p50 ms"),
            Column("idle_p99_ms", "p99 ms"),
            Column("load_p50_ms", "ack under load p50 ms"),
            Column("load_p99_ms", "p99 ms"),
            Column("load_max_ms", "max ms"),
            Column("late", "not within 3 s"),
            Column("connection_us", "CPU µs a message, connection"),
            Column("worker_us", "worker"),
            Column("redis_us", "Redis"),
            Column("cpu_us", "in all"),
        ),
    ),
    stream_faults.TABLE,
)


def measure(plan: Plan, folder: Path) -> Iterator[Sample]:
    """Load both in turn, round after round; then let faults strike."""
    with ExitStack() as stack:
        bots = [
            stack.enter_context(our_bot(folder / "stream-ours")),
            stack.enter_context(an_sdk_bot(folder / "stream-sdk")),
        ]
        for number in range(plan.slow_rounds):
            for bot in bots:
                yield Sample("stream", bot.name, number, asyncio.run(_values(bot, plan)))
    if plan.everyone:
        yield from stream_faults.measure(folder)


async def _values(bot: StreamBot, plan: Plan) -> dict[str, float]:
    async with a_client(bot) as dingtalk:
        await push(dingtalk, [_TEXT] * plan.messages, every_s=_REST_S)
        idle_ms = [_ack_ms(record) for record in await answered(bot, dingtalk, plan.messages)]
        count = round(_PER_S * plan.stream_s)
        before = bot.cpu_s()
        await push(dingtalk, [_TEXT] * count, every_s=1 / _PER_S)
        loaded = await answered(bot, dingtalk, count)
        load_ms = [_ack_ms(record) for record in loaded]
        cpu_us = {part: (s - before[part]) / count * 1e6 for part, s in bot.cpu_s().items()}
    return {
        "idle_p50_ms": percentile(idle_ms, 50),
        "idle_p99_ms": percentile(idle_ms, 99),
        "load_p50_ms": percentile(load_ms, 50),
        "load_p99_ms": percentile(load_ms, 99),
        "load_max_ms": max(load_ms),
        "late": sum(record.ack is None for record in loaded),
        **{f"{part}_us": us for part, us in cpu_us.items()},
        "cpu_us": sum(cpu_us.values()),
    }


def _ack_ms(record: Record) -> float:
    """How long the acknowledgement took; where none came in time, how long it was awaited."""
    return float(record.ack.after_ms if record.ack else record.undelivered_after_ms or 0)
