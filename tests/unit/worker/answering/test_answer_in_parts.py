"""A long answer is sent in parts: each claimed on its own, none twice, all in order."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from dingda.shared.dingtalk.reply import Text
from dingda.shared.ledger.states import Lease, PreparedReply
from dingda.shared.texts import CUT_OFF, REJECTED, REST_REJECTED
from dingda.skill import RefusalError
from dingda.worker.answering.response import ANSWERED
from tests.support.builders import KEYS
from tests.support.worker_harness import WorkerHarness, open_worker, stop

PARAGRAPHS = [f"{number}{'字' * 6_000}" for number in (1, 2, 3)]
THROTTLED = {"errcode": 130101}
NO_SESSION = {"errcode": 300001}
CONTENT = {"errcode": 430102}


class Long:
    """A skill whose answer takes three messages; it counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def tell(self) -> str:
        self.asked += 1
        return "\n\n".join(PARAGRAPHS)


async def test_its_parts_are_shown_in_order() -> None:
    async with open_worker(Long().tell) as here:
        message = await here.asked()
        assert here.said == PARAGRAPHS
        assert await here.state(message) == "answered"


async def test_what_is_longer_is_cut_and_says_so_in_the_senders_script() -> None:
    async with open_worker(lambda: "\n\n".join(PARAGRAPHS * 2)) as here:
        await here.asked("問")
        assert len(here.said) == 3
        assert here.said[-1].endswith("……（太長，只顯示前一部分）")
        assert CUT_OFF not in here.said[-1]


async def test_a_long_refusal_is_cut_to_one_message() -> None:
    def refuse() -> str:
        raise RefusalError("不行。" * 10_000)

    async with open_worker(refuse) as here:
        message = await here.asked()
        assert len(here.said) == 1
        assert await here.state(message) == "refused"


async def test_while_a_part_is_on_the_wire_the_others_are_kept() -> None:
    async with open_worker(Long().tell) as here:
        states: list[str] = []

        async def look() -> None:
            (key,) = await here.redis.keys(KEYS.message("*"))
            states.append(await here.redis.hget(key, "state"))

        here.chat.script = [look, look, look]
        await here.asked()
        assert states == ["sending"] * 3


async def goes_on(here: WorkerHarness, message: Any) -> None:
    await here.rest(message)
    await here.answer(message)


@pytest.mark.parametrize("fault", [503, THROTTLED, {"errcode": -1}, httpx.ConnectError("no")])
async def test_a_part_that_was_not_shown_is_tried_again_and_the_rest_follows(fault: Any) -> None:
    skill = Long()
    async with open_worker(skill.tell) as here:
        here.chat.script = [{"errcode": 0}, fault]
        message = await here.asked()
        assert await here.state(message) == "accepted"
        await goes_on(here, message)
        assert await here.state(message) == "answered"
        assert list(dict.fromkeys(here.said)) == PARAGRAPHS
        assert [here.said.count(each) for each in PARAGRAPHS[::2]] == [1, 1]
        assert skill.asked == 1


async def test_the_failures_of_one_part_do_not_count_for_the_next() -> None:
    async with open_worker(Long().tell) as here:
        here.chat.script = [{"errcode": -1}, {"errcode": 0}, {"errcode": -1}]
        message = await here.asked()
        await here.rest(message)
        lease = await here.ledger.lease(message.id)
        assert isinstance(lease, Lease)
        assert lease.delivery_attempt == 2
        await here.ledger.release(lease)
        await here.answer(message)
        await here.rest(message)
        lease = await here.ledger.lease(message.id)
        assert isinstance(lease, Lease)
        assert (lease.delivery_attempt, dict(lease.failures.by_kind)) == (2, {"busy": 1})
        assert lease.prepared is not None
        assert lease.prepared.part == "part 2 of 3"


async def test_a_line_that_breaks_in_a_later_part_is_unknown_and_no_more_is_sent() -> None:
    async with open_worker(Long().tell) as here:
        here.chat.script = [{"errcode": 0}, httpx.ReadError("reset")]
        message = await here.asked()
        assert await here.state(message) == "dead: unknown: ReadError (part 2 of 3)"
        assert here.said == PARAGRAPHS[:2]


async def test_a_later_part_that_is_refused_for_good_says_which_it_was() -> None:
    async with open_worker(Long().tell) as here:
        here.chat.script = [{"errcode": 0}, {"errcode": 0}, NO_SESSION]
        message = await here.asked()
        assert await here.state(message) == "dead: failed: errcode 300001 (part 3 of 3)"


@pytest.mark.parametrize(("before", "sentence"), [(0, REJECTED), (1, REST_REJECTED)])
async def test_a_part_that_is_refused_for_its_content_is_followed_by_a_plain_text(
    before: int, sentence: str
) -> None:
    async with open_worker(Long().tell) as here:
        here.chat.script = [*before * [{"errcode": 0}], CONTENT]
        message = await here.asked()
        await goes_on(here, message)
        assert here.said == [*PARAGRAPHS[: before + 1], sentence]
        part = f"part {before + 1} of 3"
        assert await here.state(message) == f"dead: failed: errcode 430102 ({part})"


async def test_a_worker_that_dies_between_two_parts_is_followed_by_one_that_sends_the_rest() -> (
    None
):
    skill = Long()
    async with open_worker(skill.tell) as here:
        message = await here.accept()
        lease = await here.ledger.lease(message.id)
        assert isinstance(lease, Lease)
        first = PreparedReply(b"1", ANSWERED, (b"2", b"3"))
        await here.ledger.claim_send(lease)
        await here.ledger.next_part(lease, first.next)
        await here.overdue(message)
        await here.answer(message)
        assert here.chat.bodies == [b"2", b"3"]
        assert await here.state(message) == "answered"
        assert skill.asked == 0


async def test_a_worker_that_is_stopped_between_two_parts_hands_the_rest_back() -> None:
    skill = Long()
    async with open_worker(skill.tell) as here:
        connecting = asyncio.Event()

        async def connect_for_ever() -> None:
            connecting.set()
            await asyncio.Event().wait()

        message = await here.accept()
        here.chat.before_claim = [None, connect_for_ever]
        answering = asyncio.create_task(here.answer(message))
        await connecting.wait()
        await stop(answering)
        assert await here.state(message) == "accepted"
        await goes_on(here, message)
        assert here.said == PARAGRAPHS
        assert skill.asked == 1


async def test_a_session_that_closes_between_two_parts_is_expired_and_says_so() -> None:
    async with open_worker(Long().tell) as here:
        here.chat.script = [{"errcode": 0}, httpx.ConnectError("no")]
        message = await here.asked()
        await here.redis.hset(KEYS.message(message.id), "expires_ms", 1)
        await here.overdue(message)
        assert (await here.state(message)).startswith("dead: expired: ")


async def test_a_worker_that_lost_the_lease_sends_no_further_part() -> None:
    async with open_worker(Long().tell) as here:

        async def lose() -> None:
            (key,) = await here.redis.keys(KEYS.message("*"))
            await here.redis.hset(key, "token", "another's")

        here.chat.script = [lose]
        await here.asked()
        assert here.said == PARAGRAPHS[:1]


async def test_a_message_within_bounds_is_kept_as_it_always_was() -> None:
    async with open_worker(lambda: "好") as here:
        here.chat.script = [503]
        message = await here.asked()
        body, end, reason = json.loads((await here.stored(message))["prepared"])
        assert (json.loads(body), end, reason) == (Text("好").to_payload(), "answered", "")
