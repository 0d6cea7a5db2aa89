"""What faults cost the senders, with `dingda stream` and with DingTalk's own SDK.

Each bot and fault has a DingTalk of its own, and all of them run side by side: what is counted
depends little on the clock. DingTalk sends again what is not acknowledged, or does not: the sources
conflict (`docs/delivery.md`), so each fault strikes under both rules.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.samples import Column, Sample, Table
from benchmarks.stream_bots import ANSWER, StreamBot, a_client, an_sdk_bot, our_bot, push
from dingda.simulator.client.client import SimulatorClient
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.stream_commands import EXPIRED
from dingda.simulator.http.stream_sender import NO_CONNECTION

_EVERY_S = 0.1
_MESSAGES = 40
_STRIKES_AFTER_S = 2.0
_SETTLED_AFTER_S = 27.0
"""By then what comes again has come, 16 s after it was first said, and a worker that was killed has
lost its leases, 20 s after."""
_APOLOGY = "抱歉"
_REDELIVERIES = {"again": "1", "once": "0"}
"""How often DingTalk sends again what is not acknowledged, by rule."""

TABLE = Table(
    question="stream-faults",
    title="Stream mode: what faults cost the senders",
    note=f"{_MESSAGES} people ask, ten a second, for a look-up of a second (*slow*: of four). "
    "Every process is supervised, and there is one of each. *Again*: DingTalk sends what it has no "
    "acknowledgement of within 3 s once more, 13 s later; *once*: it never does. *Lost*: the "
    "sender sees no reply of any kind; *unheard*: of these, what found no connection and so "
    "reached nobody; *dead letters*: of these, what an operator finds, because a worker died "
    "while it was sending the answer. *Twice*: the answer is shown more than once. *Sorry*: an "
    "apology instead of it. *Last after*: the latest of the first replies. *Killed*: `kill -9` of "
    "all processes of the bot but Redis at one moment. *Told*: a `disconnect` frame, and TCP cut "
    "10 s later. *Cut*: TCP cut without a word.",
    columns=(
        Column("messages", "messages"),
        *(
            Column(f"{name}_{rule}", f"{rule}: {title}", digits)
            for rule in _REDELIVERIES
            for name, title, digits in (
                ("lost", "lost", 0),
                ("unheard", "unheard", 0),
                ("dead", "dead letters", 0),
                ("twice", "twice", 0),
                ("sorry", "sorry", 0),
                ("last_s", "last after s", 1),
            )
        ),
    ),
)

_Strike = Callable[[StreamBot, SimulatorClient], Awaitable[None]]


async def _nothing(_: StreamBot, __: SimulatorClient) -> None:
    """Let only the messages themselves do harm."""


async def _kill(bot: StreamBot, _: SimulatorClient) -> None:
    await asyncio.to_thread(bot.kill)


async def _tell(_: StreamBot, dingtalk: SimulatorClient) -> None:
    await dingtalk.disconnect_streams(EXPIRED)


async def _cut(_: StreamBot, dingtalk: SimulatorClient) -> None:
    await dingtalk.cut_streams()


@dataclass(frozen=True, slots=True)
class _Fault:
    """A fault, and what is said meanwhile."""

    strike: _Strike
    texts: Mapping[str, str]
    """What is said, in turn, by the name of the row that shows what became of it."""


_FAULTS = (
    _Fault(_kill, {"killed": "等 1"}),
    _Fault(_tell, {"told to disconnect": "等 1"}),
    _Fault(_cut, {"cut": "等 1"}),
    _Fault(_nothing, {"an exception once": "坏一次", "an exception always": "坏", "slow": "等 4"}),
)


def measure(folder: Path) -> Iterator[Sample]:
    """Let each fault strike both bots, under both rules."""
    values: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for rule in _REDELIVERIES:
        for fault, bot, records, dead in _strike_all(folder / f"stream-{rule}", rule):
            for row, text in fault.texts.items():
                said = [record for record in records if record.said.text == text]
                values[row, bot]["messages"] = len(said)
                for name, value in count_outcomes(said, dead).items():
                    values[row, bot][f"{name}_{rule}"] = value
    rows = [row for fault in _FAULTS for row in fault.texts]
    for row, bot in sorted(values, key=lambda variant: rows.index(variant[0])):
        yield Sample("stream-faults", f"{row}: {bot}", 0, values[row, bot])


def _strike_all(folder: Path, rule: str) -> list[tuple[_Fault, str, list[Record], Collection[str]]]:
    """Let each fault strike both bots.

    Returns:
        For each fault and bot what became of the messages, and the ids of the dead letters.
    """
    folder.mkdir()
    rules = {"DINGDA_SIMULATOR_STREAM_REDELIVERIES": _REDELIVERIES[rule]}
    with ExitStack() as stack:
        trials = [
            (fault, stack.enter_context(start(folder / f"{number}-{start.__name__}", **rules)))
            for number, fault in enumerate(_FAULTS)
            for start in (our_bot, an_sdk_bot)
        ]
        asked = asyncio.run(_ask_all(trials))
        return [
            (fault, bot.name, records, bot.dead_letters(records))
            for (fault, bot), records in zip(trials, asked, strict=True)
        ]


async def _ask_all(trials: Iterable[tuple[_Fault, StreamBot]]) -> list[list[Record]]:
    """Have people ask each bot, once all are ready; returns their messages' records in the end."""
    async with AsyncExitStack() as stack:
        ready = [
            (fault, bot, await stack.enter_async_context(a_client(bot))) for fault, bot in trials
        ]
        return await asyncio.gather(*(_ask(*each) for each in ready))


async def _ask(fault: _Fault, bot: StreamBot, dingtalk: SimulatorClient) -> list[Record]:
    texts = islice(cycle(fault.texts.values()), _MESSAGES)
    async with asyncio.TaskGroup() as group:
        group.create_task(push(dingtalk, texts, every_s=_EVERY_S))
        await asyncio.sleep(_STRIKES_AFTER_S)
        await fault.strike(bot, dingtalk)
        await asyncio.sleep(_SETTLED_AFTER_S - _STRIKES_AFTER_S)
    return (await dingtalk.records())[-_MESSAGES:]


def count_outcomes(records: Sequence[Record], dead: Collection[str] = ()) -> dict[str, float]:
    """What the senders of some messages saw; `dead` are the ids of those that are dead letters."""
    shown = [
        [json.dumps(reply.payload, ensure_ascii=False) for reply in record.shown]
        for record in records
    ]
    answers = [sum(ANSWER in reply for reply in replies) for replies in shown]
    first_ms = [record.shown[0].after_ms for record in records if record.shown]
    return {
        "lost": sum(not replies for replies in shown),
        "unheard": sum(not record.shown and _was_unheard(record) for record in records),
        "dead": sum(not record.shown and record.msg_id in dead for record in records),
        "twice": sum(count > 1 for count in answers),
        "sorry": sum(any(_APOLOGY in reply for reply in replies) for replies in shown),
        **({"last_s": max(first_ms) / 1000} if first_ms else {}),
    }


def _was_unheard(record: Record) -> bool:
    """Whether no connection was open when the message was first said."""
    return record.undelivered == NO_CONNECTION
