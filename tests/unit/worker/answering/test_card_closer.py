"""A card whose message has ended without it comes to a visible end all the same."""

import asyncio
from contextlib import suppress

from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.ledger.streams import StreamRecords
from dingda.shared.queue import JobQueue
from dingda.shared.texts import CARD_ENDED_BELOW, INTERRUPTED
from dingda.simulator.dingtalk.card import CardState
from dingda.simulator.dingtalk.openapi_faults import OpenAPIFault
from dingda.skill import Context
from dingda.worker.answering.card_closer import close_forever, close_orphans
from tests.support.builders import KEYS
from tests.support.fake_cards import FakeCards
from tests.support.virtual_time import virtual_time
from tests.support.worker_harness import WorkerHarness, open_worker

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
DEAD = Completion(Outcome.DEAD, DeadReason.FAILED, "workers died over it")


async def hang(ctx: Context) -> None:
    async with ctx.stream() as answer:
        await answer.write("一半")
        await asyncio.sleep(1_000)


async def count(ctx: Context) -> str:
    await ctx.progress(0.5)
    await asyncio.sleep(1)
    return "五条"


async def orphan(here: WorkerHarness) -> None:
    """Let a message's worker die over and over while its answer grows."""
    message = await here.accept()
    dying = asyncio.create_task(here.answer(message))
    await asyncio.sleep(1)
    lease = await here.taken_over(message)
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await here.ledger.finish(lease, DEAD)


async def close(here: WorkerHarness) -> None:
    """Let a worker look for orphans, however lately another one did."""
    await here.redis.zadd(KEYS.open_streams, dict.fromkeys(await ids(here), 0))
    await close_orphans(StreamRecords(here.redis, QUEUE), here.find_robot)


async def ids(here: WorkerHarness) -> list[str]:
    return list(await here.redis.zrange(KEYS.open_streams, 0, -1))


@virtual_time
async def test_it_says_that_the_answer_was_interrupted() -> None:
    cards = FakeCards()
    async with open_worker(hang, cards=cards) as here:
        await orphan(here)
        assert cards.card.state.is_open
        await close(here)
        assert await ids(here) == []
    assert cards.shown == f"一半\n\n> {INTERRUPTED}"
    assert cards.card.state is CardState.FINISHED


@virtual_time
async def test_it_says_so_in_the_senders_script() -> None:
    async def write(ctx: Context) -> None:
        async with ctx.stream() as answer:
            await answer.write("這是一個回答")
            await asyncio.sleep(1_000)

    cards = FakeCards()
    async with open_worker(write, cards=cards) as here:
        await orphan(here)
        await close(here)
    assert "回答中斷" in cards.shown


@virtual_time
async def test_a_card_that_dingtalk_does_not_take_now_is_ended_later() -> None:
    cards = FakeCards()
    async with open_worker(hang, cards=cards) as here:
        await orphan(here)
        cards.fail(OpenAPIFault.FAIL, "frame")
        await close(here)
        assert len(await ids(here)) == 1
        cards.fail(None)
        await close(here)
        assert await ids(here) == []
    assert cards.shown == f"一半\n\n> {INTERRUPTED}"


@virtual_time
async def test_a_card_that_was_never_created_is_let_go() -> None:
    cards = FakeCards()

    async def wait() -> None:
        await asyncio.sleep(1_000)

    cards.before["create"] = wait
    async with open_worker(hang, cards=cards) as here:
        await orphan(here)
        await close(here)
        assert await ids(here) == []
    assert cards.cards == []


@virtual_time
async def test_a_card_that_was_replaced_by_a_message_says_so() -> None:
    cards = FakeCards()
    async with open_worker(count, cards=cards) as here:
        cards.fail(OpenAPIFault.FORBIDDEN, "frame")
        message = await here.asked()
        assert await here.state(message) == "answered"
        cards.fail(None)
        await close(here)
    assert cards.shown == f"> {CARD_ENDED_BELOW}"
    assert cards.card.state is CardState.FINISHED


@virtual_time
async def test_it_goes_on_looking_whatever_redis_does() -> None:
    cards = FakeCards()
    async with open_worker(hang, cards=cards) as here:
        await orphan(here)
        here.server.connected = False
        records = StreamRecords(here.redis, QUEUE)
        closing = asyncio.create_task(close_forever(records, here.find_robot, interval_s=1))
        await asyncio.sleep(5)
        here.server.connected = True
        await here.redis.zadd(KEYS.open_streams, dict.fromkeys(await ids(here), 0))
        await asyncio.sleep(5)
        closing.cancel()
        with suppress(asyncio.CancelledError):
            await closing
    assert not cards.card.state.is_open
