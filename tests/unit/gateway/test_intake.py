"""Group commit: messages that wait together are stored together, each with its own outcome."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from dingda.gateway.intake import LIMITS, ROUND_TRIP_S, Intake
from dingda.shared.dingtalk.message import Envelope, Message
from dingda.shared.errors import BusyError
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import AcceptResult
from tests.support.builders import a_callback, a_message


class ScriptedLedger(Ledger):
    """A ledger whose round trips take as long as the test says, and end as it says."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.error: BaseException | None = None
        self.outcomes: dict[str, AcceptResult] = {}

    async def accept(
        self, messages: Sequence[tuple[Envelope | Message, bytes]], *, backlog_limit: int
    ) -> list[AcceptResult]:
        assert backlog_limit == 10
        self.batches.append([message.id for message, _ in messages])
        await self.gate.wait()
        if self.error:
            raise self.error
        return [self.outcomes.get(m.id, AcceptResult.ACCEPTED) for m, _ in messages]


MESSAGES = [a_message(msgId=str(number)) for number in range(6)]
BODY = a_callback()


def accept(intake: Intake, message: Message) -> "asyncio.Task[AcceptResult]":
    return asyncio.create_task(intake.accept(message, BODY))


async def accept_all_but_the_first_meanwhile(intake: Intake, ledger: ScriptedLedger) -> None:
    """Let the first message be on its way when the others arrive, and all be stored."""
    async with intake.running():
        first = accept(intake, MESSAGES[0])
        await asyncio.sleep(0.01)
        others = [accept(intake, message) for message in MESSAGES[1:]]
        await asyncio.sleep(0.01)
        ledger.gate.set()
        await asyncio.gather(first, *others)


async def test_messages_that_arrive_during_a_round_trip_share_the_next_one() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10)
    await accept_all_but_the_first_meanwhile(intake, ledger)
    assert ledger.batches == [[MESSAGES[0].id], [message.id for message in MESSAGES[1:]]]


async def test_each_caller_hears_its_own_outcome() -> None:
    ledger = ScriptedLedger()
    ledger.gate.set()
    ledger.outcomes = {
        MESSAGES[1].id: AcceptResult.DUPLICATE,
        MESSAGES[2].id: AcceptResult.FULL,
    }
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running():
        outcomes = await asyncio.gather(
            *(accept(intake, message) for message in MESSAGES[:3]), return_exceptions=True
        )
    assert outcomes[:2] == [AcceptResult.ACCEPTED, AcceptResult.DUPLICATE]
    assert isinstance(outcomes[2], BusyError)


async def test_a_round_trip_that_fails_fails_every_message_of_it() -> None:
    ledger = ScriptedLedger()
    ledger.gate.set()
    ledger.error = RedisConnectionError("refused")
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running():
        outcomes = await asyncio.gather(
            *(accept(intake, message) for message in MESSAGES), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [BusyError] * len(MESSAGES)


async def test_a_failed_round_trip_does_not_keep_the_next_from_storing() -> None:
    ledger = ScriptedLedger()
    ledger.gate.set()
    ledger.error = RedisConnectionError("refused")
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running():
        with pytest.raises(BusyError):
            await accept(intake, MESSAGES[0])
        ledger.error = None
        assert await accept(intake, MESSAGES[1]) is AcceptResult.ACCEPTED


async def test_a_hung_redis_fails_everybody_who_waits_within_a_second() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running():
        began = asyncio.get_running_loop().time()
        waiting = [accept(intake, MESSAGES[0])]
        await asyncio.sleep(ROUND_TRIP_S / 2)
        waiting += [accept(intake, message) for message in MESSAGES[1:]]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        took_s = asyncio.get_running_loop().time() - began
    assert [type(outcome) for outcome in outcomes] == [BusyError] * len(MESSAGES)
    assert took_s < 1.0
    assert len(ledger.batches) == 1


async def test_a_cancelled_caller_harms_nobody_and_is_not_stored_later() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running():
        first = accept(intake, MESSAGES[0])
        await asyncio.sleep(0.01)
        gone, stays = accept(intake, MESSAGES[1]), accept(intake, MESSAGES[2])
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        ledger.gate.set()
        assert await first is AcceptResult.ACCEPTED
        assert await stays is AcceptResult.ACCEPTED
    assert ledger.batches == [[MESSAGES[0].id], [MESSAGES[2].id]]


async def test_a_caller_cancelled_during_its_round_trip_harms_no_other_of_it() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running():
        gone, stays = accept(intake, MESSAGES[0]), accept(intake, MESSAGES[1])
        await asyncio.sleep(0.01)
        gone.cancel()
        ledger.gate.set()
        assert await stays is AcceptResult.ACCEPTED


async def test_a_full_intake_says_busy_at_once() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10, limits=replace(LIMITS, waiting=2))
    async with intake.running():
        first = accept(intake, MESSAGES[0])
        await asyncio.sleep(0.01)
        waiting = [accept(intake, message) for message in MESSAGES[1:3]]
        await asyncio.sleep(0.01)
        with pytest.raises(BusyError, match="too many"):
            await intake.accept(MESSAGES[3], BODY)
        ledger.gate.set()
        await asyncio.gather(first, *waiting)


class PanicError(BaseException):
    """What a library in another language raises: no `Exception`."""


@pytest.mark.parametrize("error", [ValueError("odd"), PanicError()], ids=["a bug", "a panic"])
async def test_an_error_that_nobody_expected_leaves_nobody_waiting(error: BaseException) -> None:
    ledger = ScriptedLedger()
    ledger.error = error
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running(), asyncio.timeout(1):
        in_flight = accept(intake, MESSAGES[0])
        await asyncio.sleep(0.01)
        waiting = [accept(intake, message) for message in MESSAGES[1:3]]
        await asyncio.sleep(0.01)
        ledger.gate.set()
        outcomes = await asyncio.gather(in_flight, *waiting, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [BusyError] * 3


@pytest.mark.parametrize("error", [ValueError("odd"), PanicError()], ids=["a bug", "a panic"])
async def test_after_an_error_that_nobody_expected_it_stores_again(error: BaseException) -> None:
    ledger = ScriptedLedger()
    ledger.gate.set()
    ledger.error = error
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running(), asyncio.timeout(1):
        with pytest.raises(BusyError):
            await accept(intake, MESSAGES[0])
        ledger.error = None
        assert await accept(intake, MESSAGES[1]) is AcceptResult.ACCEPTED
        assert intake.is_running


async def test_an_answer_for_too_few_messages_leaves_nobody_waiting() -> None:
    class Forgetful(ScriptedLedger):
        async def accept(
            self, messages: Sequence[tuple[Envelope | Message, bytes]], *, backlog_limit: int
        ) -> list[AcceptResult]:
            return (await super().accept(messages, backlog_limit=backlog_limit))[1:]

    ledger = Forgetful()
    ledger.gate.set()
    intake = Intake(ledger, backlog_limit=10)
    async with intake.running(), asyncio.timeout(1):
        with pytest.raises(BusyError):
            await accept(intake, MESSAGES[0])


async def test_callers_that_wait_when_the_gateway_ends_are_told() -> None:
    intake = Intake(ScriptedLedger(), backlog_limit=10)
    async with intake.running():
        waiting = [accept(intake, message) for message in MESSAGES[:3]]
        await asyncio.sleep(0.01)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BusyError] * 3
    assert not intake.is_running
    with pytest.raises(BusyError):
        await intake.accept(MESSAGES[0], BODY)


async def test_large_bodies_travel_in_small_batches() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10, limits=replace(LIMITS, batch_bytes=2 * len(BODY)))
    await accept_all_but_the_first_meanwhile(intake, ledger)
    assert [len(batch) for batch in ledger.batches] == [1, 2, 2, 1]


async def test_waiting_messages_are_bounded_by_their_bytes() -> None:
    ledger = ScriptedLedger()
    intake = Intake(ledger, backlog_limit=10, limits=replace(LIMITS, waiting_bytes=2 * len(BODY)))
    async with intake.running():
        for _ in range(3):  # what was stored or gave up no longer counts
            first = accept(intake, MESSAGES[0])
            await asyncio.sleep(0.01)
            waiting = [accept(intake, message) for message in MESSAGES[1:3]]
            await asyncio.sleep(0.01)
            with pytest.raises(BusyError, match="too many"):
                await intake.accept(MESSAGES[3], BODY)
            ledger.gate.set()
            await asyncio.gather(first, *waiting)
            ledger.gate.clear()
