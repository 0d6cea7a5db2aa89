"""The records of cards that answers grow on, on a real server: who may write, who ends them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome, PreparedReply
from dingda.shared.ledger.streams import BeingClosed, StreamRecord, StreamRecords, StreamState
from dingda.shared.queue import JobQueue
from dingda.shared.runtime.redis_address import RedisAddress
from dingda.shared.runtime.redis_clients import create_worker_redis
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import Valkey, valkey

QUEUE = JobQueue.create("dingda", skill_timeout_s=30)
ANSWERED = Completion(Outcome.ANSWERED)
DEAD = Completion(Outcome.DEAD, DeadReason.FAILED, "why")
PREPARED = PreparedReply(b"1", ANSWERED, (b"2",))
MESSAGE = a_message("写诗")


class Here(NamedTuple):
    redis: Redis
    ledger: Ledger
    records: StreamRecords

    async def leased(self) -> Lease:
        await self.ledger.accept([(MESSAGE, a_callback("写诗"))], backlog_limit=10)
        return await self.lease()

    async def lease(self) -> Lease:
        lease = await self.ledger.lease(MESSAGE.id)
        assert isinstance(lease, Lease)
        return lease

    async def note(
        self, lease: Lease, state: StreamState, text: str = "", **more: Any
    ) -> StreamRecord:
        found = await self.records.note(lease, state, text, robot_code="robot", **more)
        assert isinstance(found, StreamRecord)
        return found

    async def retried(self) -> Lease:
        await LedgerAdmin(self.redis, QUEUE).retry_dead_letter(MESSAGE.id)
        return await self.lease()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    with valkey(Path(tmp_path_factory.mktemp("streams"))) as started:
        yield started


@pytest.fixture
async def here(server: Valkey) -> AsyncIterator[Here]:
    with server.client() as client:
        client.flushall()
    redis = create_worker_redis(RedisAddress(server.url))
    yield Here(redis, Ledger(redis, QUEUE), StreamRecords(redis, QUEUE, look_ms=0))
    await redis.aclose()


async def test_a_card_is_opened_once_over_all_attempts(here: Here) -> None:
    lease = await here.leased()
    assert (await here.note(lease, StreamState.OPENING, "一")).state is StreamState.NONE
    assert (await here.note(lease, StreamState.OPEN, "一二")).state is StreamState.OPENING
    await here.ledger.release(lease)
    lease = await here.lease()
    assert lease.has_card
    found = await here.note(lease, StreamState.OPENING, "新")
    assert found == (StreamState.OPEN, "一二", 3)
    # What is shown stays until the new text is longer.
    assert (await here.note(lease, StreamState.OPENING, "新的开头")).text == "一二"
    assert (await here.note(lease, StreamState.OPEN, "")).text == "新的开头"


async def test_a_message_without_a_card_has_none(here: Here) -> None:
    assert not (await here.leased()).has_card


async def test_an_attempt_that_has_lost_its_message_notes_nothing(here: Here) -> None:
    lost = await here.leased()
    await here.note(lost, StreamState.OPENING, "一")
    await here.ledger.release(lost)
    held = await here.lease()
    for state in StreamState:
        with pytest.raises(LeaseLostError):
            await here.note(lost, state, "没有了", prepared=PREPARED)
    assert (await here.note(held, StreamState.OPEN, "一二")).text == "一"
    assert held.prepared is None


async def test_a_reply_that_is_being_sent_is_no_cards_any_more(here: Here) -> None:
    lease = await here.leased()
    await here.ledger.claim_send(lease)
    with pytest.raises(LeaseLostError):
        await here.note(lease, StreamState.OPENING, "一")


async def test_from_the_end_on_another_worker_writes_that_and_calls_no_skill(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.note(lease, StreamState.ENDING, "一", prepared=PREPARED)
    await here.ledger.release(lease)
    lease = await here.lease()
    assert (lease.prepared, lease.has_card) == (PREPARED, True)


async def test_what_follows_a_card_is_left_with_its_end_in_one_step(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.note(lease, StreamState.ENDED, prepared=PREPARED.next)
    await here.ledger.release(lease)
    lease = await here.lease()
    assert (lease.prepared, lease.has_card) == (PREPARED.next, False)


async def test_an_ended_card_whose_message_has_no_end_yet_is_written_once_more(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.ENDING, "一", prepared=PREPARED)
    await here.note(lease, StreamState.ENDED)
    await here.ledger.release(lease)
    lease = await here.lease()
    assert (lease.prepared, lease.has_card) == (PREPARED, True)


@pytest.mark.parametrize("state", [StreamState.REPLACED, StreamState.ABSENT])
async def test_an_answer_that_goes_another_way_is_no_cards(here: Here, state: StreamState) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.note(lease, state, prepared=PREPARED)
    await here.ledger.release(lease)
    assert not (await here.lease()).has_card


async def test_a_card_that_could_not_be_created_is_tried_again(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.note(lease, StreamState.ABSENT)
    assert (await here.note(lease, StreamState.OPENING, "一")).state is StreamState.NONE


async def test_a_card_whose_message_is_open_is_no_orphan(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    assert await here.records.claim_orphans() == []


async def test_an_orphan_is_given_to_one_worker(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.ledger.finish(lease, DEAD)
    (orphan,) = await here.records.claim_orphans()
    assert orphan == (MESSAGE.id, "robot", "一", StreamState.OPENING)
    assert await here.records.claim_orphans() == []


async def test_an_orphan_that_was_not_ended_is_given_out_again(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.REPLACED, "一")
    await here.ledger.finish(lease, DEAD)
    first = StreamRecords(here.redis, QUEUE, claim_ms=0)
    assert await first.claim_orphans() == await first.claim_orphans() != []


async def test_a_card_that_was_ended_for_its_message_is_no_orphan_any_more(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.ledger.finish(lease, DEAD)
    records = StreamRecords(here.redis, QUEUE, claim_ms=0)
    await records.claim_orphans()
    await records.close(MESSAGE.id)
    assert await records.claim_orphans() == []
    assert await here.redis.exists(KEYS.open_streams) == 0


async def test_a_card_that_ended_with_its_message_is_no_orphan(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.note(lease, StreamState.ENDED)
    await here.ledger.finish(lease, ANSWERED)
    assert await here.records.claim_orphans() == []


async def test_nothing_of_an_answer_is_kept_once_its_card_has_ended(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.note(lease, StreamState.ENDED)
    assert await here.redis.hget(KEYS.stream(MESSAGE.id), "text") is None
    assert await here.redis.pttl(KEYS.stream(MESSAGE.id)) > 0


async def test_a_retried_dead_letter_opens_its_card_again(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一二三")
    await here.note(lease, StreamState.ENDED)
    await here.ledger.finish(lease, DEAD)
    lease = await here.retried()
    assert not lease.has_card
    assert await here.note(lease, StreamState.OPENING, "新") == (StreamState.ENDED, "", 1)
    await here.ledger.finish(lease, DEAD)
    (orphan,) = await here.records.claim_orphans()
    assert (orphan.text, orphan.was) == ("新", StreamState.OPEN)


async def test_a_retry_waits_for_the_worker_that_ends_its_card(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.ledger.finish(lease, DEAD)
    assert await here.records.claim_orphans()
    lease = await here.retried()
    found = await here.records.note(lease, StreamState.OPENING, "新", robot_code="robot")
    assert isinstance(found, BeingClosed)
    assert 0 < found.remaining_s <= 30
    await here.records.close(MESSAGE.id)
    assert (await here.note(lease, StreamState.OPENING, "新")).state is StreamState.ENDED


async def test_a_retry_goes_on_where_that_worker_has_died(here: Here) -> None:
    lease = await here.leased()
    await here.note(lease, StreamState.OPENING, "一")
    await here.ledger.finish(lease, DEAD)
    await StreamRecords(here.redis, QUEUE, claim_ms=0).claim_orphans()
    lease = await here.retried()
    assert (await here.note(lease, StreamState.OPENING, "新")).state is StreamState.CLOSING


async def test_what_another_program_has_put_there_stops_nothing(here: Here) -> None:
    await here.redis.set(KEYS.stream(MESSAGE.id), "nonsense")
    await here.redis.set(KEYS.open_streams, "nonsense")
    lease = await here.leased()
    assert (await here.note(lease, StreamState.OPENING, "一")).state is StreamState.NONE
    assert await here.records.claim_orphans() == []
    await here.note(lease, StreamState.OPEN, "一")
    await here.ledger.finish(lease, DEAD)
    assert len(await here.records.claim_orphans()) == 1
