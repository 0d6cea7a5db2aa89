"""The ledger's timelines of open messages are read until they end."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisUnreachableError

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.user_message import UserMessage
from dingda.simulator.watch import LedgerWatch
from tests.support.simulator_harness import Clock

pytestmark = pytest.mark.heavy

ACCEPTED = MessageTimeline("accepted", "", 1, None, None, None, 0, None, "")
LEASED = replace(ACCEPTED, state="leased", leased_ms=2, lease_count=1, worker="w")
ANSWERED = replace(LEASED, state="answered", sending_ms=3, ended_ms=4)


class FakeLedger:
    """Returns the timelines that a test gives it."""

    def __init__(self) -> None:
        self.timelines: dict[str, MessageTimeline] = {}
        self.reads = 0
        self.is_unreachable = False

    async def read(self, message_ids: Sequence[str]) -> list[MessageTimeline | None]:
        self.reads += 1
        if self.is_unreachable:
            raise RedisUnreachableError
        return [self.timelines.get(message_id) for message_id in message_ids]


class WatchHarness:
    def __init__(
        self,
        dingtalk: Simulation,
        changes: ChangeNotifier,
        ledger: FakeLedger,
        unknown: Collection[str],
    ) -> None:
        self.dingtalk = dingtalk
        self.changes = changes
        self.ledger = ledger
        self.unknown = unknown

    async def say(self, text: str = "你好") -> str:
        callback = self.dingtalk.send(UserMessage(text))
        self.dingtalk.note_ack(callback.msg_id, status=200, body=json.dumps({}))
        await self.changes.announce()
        return callback.msg_id

    async def tell(self, msg_id: str, timeline: MessageTimeline) -> None:
        self.ledger.timelines[self.ledger_id(msg_id)] = timeline
        await self.changes.wait_until(lambda: self.timelines(msg_id)[-1:] == (timeline,), wait_s=5)
        assert self.timelines(msg_id)[-1:] == (timeline,)

    def ledger_id(self, msg_id: str) -> str:
        record = self.dingtalk.record(msg_id)
        assert record is not None
        assert record.ledger_id is not None
        return record.ledger_id

    def timelines(self, msg_id: str) -> tuple[MessageTimeline, ...]:
        record = self.dingtalk.record(msg_id)
        assert record is not None
        return record.stories


@asynccontextmanager
async def a_watch(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> AsyncIterator[WatchHarness]:
    ledger = FakeLedger()
    watch = LedgerWatch(ledger.read, dingtalk, changes, clock)
    watching = asyncio.create_task(watch.run())
    yield WatchHarness(dingtalk, changes, ledger, watch.unknown)
    watching.cancel()


async def test_each_step_of_a_message_is_read_until_its_end(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as harness:
        msg_id = await harness.say()
        for timeline in (ACCEPTED, LEASED, ANSWERED):
            await harness.tell(msg_id, timeline)
        assert harness.timelines(msg_id) == (ANSWERED,)


async def test_the_timeline_of_an_earlier_lease_is_kept_beside_the_last(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    put_off = replace(LEASED, state="accepted", retry_at_ms=9)
    second = replace(ANSWERED, lease_count=2)
    async with a_watch(dingtalk, changes, clock) as harness:
        msg_id = await harness.say()
        for timeline in (LEASED, put_off, second):
            await harness.tell(msg_id, timeline)
        assert harness.timelines(msg_id) == (put_off, second)


async def test_a_message_that_has_ended_is_read_no_more(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as harness:
        await harness.tell(await harness.say(), ANSWERED)
        await asyncio.sleep(0.1)
        reads = harness.ledger.reads
        await asyncio.sleep(0.2)
        assert harness.ledger.reads == reads


async def test_a_message_that_stays_unknown_to_the_ledger_is_given_up(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as harness:
        msg_id = await harness.say()
        await asyncio.sleep(0.1)
        assert harness.unknown == set()
        clock.now_ms += 10_000
        await asyncio.sleep(0.1)
        reads = harness.ledger.reads
        await asyncio.sleep(0.2)
        assert harness.ledger.reads == reads > 0
        assert harness.unknown == {msg_id}


async def test_a_message_that_the_ledger_has_lost_is_given_up(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as harness:
        msg_id = await harness.say()
        await harness.tell(msg_id, LEASED)
        harness.ledger.timelines.clear()
        clock.now_ms += 10_000
        async with asyncio.timeout(5):
            while not harness.unknown:  # noqa: ASYNC110 - nothing is announced
                await asyncio.sleep(0.01)
        assert harness.unknown == {msg_id}


async def test_a_message_is_looked_for_until_the_ledger_can_be_read_again(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dingda.simulator.watch._RETRY_S", 0.01)
    async with a_watch(dingtalk, changes, clock) as harness:
        harness.ledger.is_unreachable = True
        msg_id = await harness.say()
        clock.now_ms += 60_000
        await asyncio.sleep(0.1)
        harness.ledger.is_unreachable = False
        harness.ledger.timelines[harness.ledger_id(msg_id)] = ANSWERED
        await harness.tell(msg_id, ANSWERED)
        assert harness.unknown == set()


async def test_a_message_that_was_not_taken_is_not_looked_for(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as harness:
        callback = dingtalk.send(UserMessage("你好"))
        dingtalk.note_ack(callback.msg_id, status=401, body="")
        await changes.announce()
        await asyncio.sleep(0.1)
        assert harness.ledger.reads == 0


async def test_an_unreachable_ledger_is_logged_once(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="dingda.simulator.watch"):
        async with a_watch(dingtalk, changes, clock) as harness:
            harness.ledger.is_unreachable = True
            msg_id = await harness.say()
            await asyncio.sleep(0.1)
            harness.ledger.is_unreachable = False
            await harness.tell(msg_id, LEASED)
    (line,) = caplog.records
    assert line.getMessage() == (
        "no ledger at DINGDA_REDIS_URL (ConnectionError): "
        "timelines show what DingTalk sees and no more"
    )
