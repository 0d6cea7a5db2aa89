"""Reading the ledger for what becomes of a message."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisAwayError

from dingda.shared.ledger.timeline import MessageTimeline
from dingda.simulator.dingtalk.callback import UserMessage
from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.watch import LedgerWatch
from tests.support.simulator_harness import Clock

ACCEPTED = MessageTimeline("accepted", "", 1, None, None, None, 0, None, "")
LEASED = replace(ACCEPTED, state="leased", leased_ms=2, lease_count=1, worker="w")
ANSWERED = replace(LEASED, state="answered", sending_ms=3, ended_ms=4)


class Ledger:
    """Tells what it is told to."""

    def __init__(self) -> None:
        self.stories: dict[str, MessageTimeline] = {}
        self.questions = 0
        self.is_away = False

    async def read(self, message_ids: Sequence[str]) -> list[MessageTimeline | None]:
        self.questions += 1
        if self.is_away:
            raise RedisAwayError
        return [self.stories.get(message_id) for message_id in message_ids]


class LedgerHarness:
    def __init__(self, dingtalk: Simulation, changes: ChangeNotifier, ledger: Ledger) -> None:
        self.dingtalk = dingtalk
        self.changes = changes
        self.ledger = ledger

    async def say(self, text: str = "你好") -> str:
        callback = self.dingtalk.send(UserMessage(text))
        self.dingtalk.acknowledged(callback.msg_id, status=200, body=json.dumps({}))
        await self.changes.announce()
        return callback.msg_id

    async def tell(self, msg_id: str, story: MessageTimeline) -> None:
        record = self.dingtalk.record(msg_id)
        assert record is not None
        assert record.ledger_id is not None
        self.ledger.stories[record.ledger_id] = story
        await self.changes.wait_until(lambda: self.stories(msg_id)[-1:] == (story,), wait_s=5)
        assert self.stories(msg_id)[-1:] == (story,)

    def stories(self, msg_id: str) -> tuple[MessageTimeline, ...]:
        record = self.dingtalk.record(msg_id)
        assert record is not None
        return record.stories


@asynccontextmanager
async def a_watch(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> AsyncIterator[LedgerHarness]:
    ledger = Ledger()
    watch = LedgerWatch(ledger.read, dingtalk, changes, clock)
    watching = asyncio.create_task(watch.run())
    yield LedgerHarness(dingtalk, changes, ledger)
    watching.cancel()


async def test_each_step_of_a_message_is_heard_of_until_its_end(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as world:
        msg_id = await world.say()
        for story in (ACCEPTED, LEASED, ANSWERED):
            await world.tell(msg_id, story)
        assert world.stories(msg_id) == (ANSWERED,)


async def test_an_earlier_attempt_is_remembered_beside_the_last(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    put_off = replace(LEASED, state="accepted", retry_at_ms=9)
    second = replace(ANSWERED, lease_count=2)
    async with a_watch(dingtalk, changes, clock) as world:
        msg_id = await world.say()
        for story in (LEASED, put_off, second):
            await world.tell(msg_id, story)
        assert world.stories(msg_id) == (put_off, second)


async def test_a_message_that_has_ended_is_read_no_more(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as world:
        await world.tell(await world.say(), ANSWERED)
        await asyncio.sleep(0.1)
        questions = world.ledger.questions
        await asyncio.sleep(0.2)
        assert world.ledger.questions == questions


async def test_what_the_ledger_never_hears_of_is_given_up(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as world:
        await world.say()
        await asyncio.sleep(0.1)
        clock.now_ms += 10_000
        await asyncio.sleep(0.1)
        questions = world.ledger.questions
        await asyncio.sleep(0.2)
        assert world.ledger.questions == questions > 0


async def test_a_message_that_was_not_taken_is_not_looked_for(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock
) -> None:
    async with a_watch(dingtalk, changes, clock) as world:
        callback = dingtalk.send(UserMessage("你好"))
        dingtalk.acknowledged(callback.msg_id, status=401, body="")
        await changes.announce()
        await asyncio.sleep(0.1)
        assert world.ledger.questions == 0


async def test_a_ledger_that_is_away_is_said_once(
    dingtalk: Simulation, changes: ChangeNotifier, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="dingda.simulator.watch"):
        async with a_watch(dingtalk, changes, clock) as world:
            world.ledger.is_away = True
            msg_id = await world.say()
            await asyncio.sleep(0.1)
            world.ledger.is_away = False
            await world.tell(msg_id, LEASED)
    (line,) = caplog.records
    assert line.getMessage() == (
        "no ledger at DINGDA_REDIS_URL (ConnectionError): "
        "timelines show what DingTalk sees and no more"
    )
