"""A dialogue under every order of events, on a real server: who continues it, and what is left."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.admin import LedgerAdmin
from dingda.shared.ledger.dialogues import AS_STORED, CLOSED, LATE, LEFT_ALONE, opened
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome, PreparedReply
from dingda.shared.ledger.times import LEASE_MS
from dingda.shared.queue import JobQueue
from tests.support.builders import KEYS, a_callback, a_message
from tests.support.processes import valkey

T = TypeVar("T")
ANSWERED = Completion(Outcome.ANSWERED)
PREPARED = PreparedReply(b"1", ANSWERED)
FIELDS: list[dict[str, Any]] = [
    {"msgId": f"msg{number}", "senderId": sender, "createAt": 0}
    for number, sender in enumerate(["one"] * 6 + ["other"] * 2)
]
MESSAGES = [a_message(**fields) for fields in FIELDS]
BODIES = [a_callback(**fields) for fields in FIELDS]
LINES = {message.ordering_key for message in MESSAGES}
LASTS_MS = 60_000
WELL = [ANSWERED, Completion(Outcome.UNMATCHED), Completion(Outcome.DECLINED)]
CHANGES = st.sampled_from(["ask", "ask", CLOSED, AS_STORED, LEFT_ALONE])
NUMBERS = st.integers(0, len(MESSAGES) - 1)
NOT_SHOWN = [Completion(Outcome.DEAD, why) for why in (DeadReason.FAILED, DeadReason.EXPIRED)]


class DialogueMachine(RuleBasedStateMachine):
    """Pretended workers that ask, answer, fail and die, and a model of what is asked.

    Every question has a number of its own, so that it is seen which of them a message continues.
    """

    url: str
    leases: Bundle[Lease] = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = Redis.from_url(self.url, decode_responses=True)
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        self.ledger = Ledger(self.redis, queue)
        self.admin = LedgerAdmin(self.redis, queue)
        self.run(self.redis.flushall())
        self.questions = 0
        self.open: dict[str, str] = {}
        """The question that each sender may answer."""
        self.taken: dict[str, str] = {}
        """The question that each open message continues, by the message's id."""
        self.claimed: dict[str, str] = {}
        """What the reply of each open message does to the dialogue."""
        self.consumed: list[str] = []
        self.lines = {message.id: message.ordering_key for message in MESSAGES}

    def run(self, step: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await step

        return self.runner.run(awaited())

    def changes(self, change: str) -> str:
        """What a worker says of the dialogue: a new question, or the word itself."""
        if change != "ask":
            return change
        self.questions += 1
        return opened(str(self.questions), expires_ms=LASTS_MS)

    # What may happen ---------------------------------------------------------------------------

    @rule(number=NUMBERS)
    def a_callback_comes(self, number: int) -> None:
        """Also again and again, as DingTalk delivers what it has delivered."""
        accepted = [(MESSAGES[number], BODIES[number])]
        self.run(self.ledger.accept(accepted, backlog_limit=100))

    @rule(number=NUMBERS, change=CHANGES, completion=st.sampled_from(WELL))
    def all_goes_well(self, number: int, change: str, completion: Completion) -> None:
        """As a rule a message comes, is leased, sent and ended."""
        self.a_callback_comes(number)
        lease = self.a_worker_leases(number)
        if isinstance(lease, Lease):
            self.a_worker_sends(lease, change)
            self.a_worker_ends_it(lease, completion, AS_STORED)

    @rule(number=NUMBERS, change=CHANGES)
    def a_worker_dies_while_sending(self, number: int, change: str) -> None:
        self.a_callback_comes(number)
        lease = self.a_worker_leases(number)
        if isinstance(lease, Lease):
            self.a_worker_sends(lease, change)
            self.a_worker_dies(lease)

    @rule(number=NUMBERS, other=NUMBERS)
    def one_is_throttled_and_fails_when_another_has_been_asked(
        self, number: int, other: int
    ) -> None:
        self.a_callback_comes(number)
        lease = self.a_worker_leases(number)
        if isinstance(lease, Lease):
            self.dingtalk_turns_it_away(lease, 60_000)
            self.all_goes_well(other, "ask", ANSWERED)
            lease = self.a_worker_leases(number)
        if isinstance(lease, Lease):
            self.a_worker_gives_it_up(lease, NOT_SHOWN[0])

    @rule(target=leases, number=NUMBERS)
    def a_worker_leases(self, number: int) -> Any:
        message = MESSAGES[number]
        lease = self.run(self.ledger.lease(message.id))
        if not isinstance(lease, Lease):
            return multiple()
        line = message.ordering_key
        if message.id not in self.taken and lease.is_first and line in self.open:
            if lease.dialogue:
                self.taken[message.id] = self.open.pop(line)
            else:  # it has lost its place, and is older than the question
                assert self.run(self.redis.zscore(KEYS.line(line), message.id)) is None
        expected = self.taken.get(message.id, "")
        assert lease.dialogue in {expected, LATE} if expected else lease.dialogue == ""
        if not lease.is_first and self.run(self.ledger.park(lease)):
            return multiple()
        return lease

    @rule(lease=leases, change=CHANGES)
    def a_worker_sends(self, lease: Lease, change: str) -> None:
        after = self.changes(change)
        try:
            self.run(self.ledger.claim_send(lease, dialogue_after=after))
        except LeaseLostError:
            return
        if after:
            self.claimed[lease.id] = after

    @rule(lease=consumes(leases), completion=st.sampled_from(WELL), change=CHANGES)
    def a_worker_ends_it(self, lease: Lease, completion: Completion, change: str) -> None:
        after = self.changes(change)
        try:
            self.run(self.ledger.finish(lease, completion, dialogue_after=after))
        except LeaseLostError:
            return
        self.ended(lease.id, after or self.claimed.get(lease.id, ""))

    @rule(lease=consumes(leases), completion=st.sampled_from(NOT_SHOWN))
    def a_worker_gives_it_up(self, lease: Lease, completion: Completion) -> None:
        try:
            self.run(self.ledger.finish(lease, completion))
        except LeaseLostError:
            return
        self.ended(lease.id, "")

    @rule(lease=consumes(leases), pause_ms=st.sampled_from([0, 60_000]))
    def dingtalk_turns_it_away(self, lease: Lease, pause_ms: int) -> None:
        retry = self.ledger.retry(lease, pause_ms=pause_ms, prepared=PREPARED)
        try:
            self.run(retry)
        except LeaseLostError:
            return
        self.run(self.redis.hset(KEYS.message(lease.id), "not_before_ms", 0))

    @rule(lease=consumes(leases))
    def a_worker_dies(self, lease: Lease) -> None:
        """A worker that was frozen would go on with a lease of long ago."""
        was_sending = self.state_of(lease.id) == "sending"
        self.run(self.make_overdue(lease.id))
        self.run(self.ledger.sweep())
        if self.state_of(lease.id) == "dead":
            self.ended(lease.id, self.claimed.get(lease.id, "") if was_sending else "")

    @rule(number=NUMBERS)
    def an_operator_retries(self, number: int) -> None:
        self.run(self.admin.retry_dead_letter(MESSAGES[number].id))

    # What must always be -----------------------------------------------------------------------

    @invariant()
    def what_is_asked_is_what_is_stored(self) -> None:
        for line in LINES:
            stored: Any = self.run(self.redis.get(KEYS.dialogue(line)))
            assert (str(stored).split(" ")[2] if stored else None) == self.open.get(line)

    @invariant()
    def a_question_is_consumed_once_and_by_one_message(self) -> None:
        assert len(set(self.consumed)) == len(self.consumed)
        everywhere = [*self.open.values(), *self.taken.values(), *self.consumed]
        assert len(set(everywhere)) == len(everywhere)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.runner.close()

    # ---------------------------------------------------------------------------------------------

    def ended(self, message_id: str, after: str) -> None:
        """What the end of a message does to the model."""
        self.claimed.pop(message_id, None)
        taken, line = self.taken.pop(message_id, None), self.lines[message_id]
        if after not in (AS_STORED, LEFT_ALONE):
            self.consumed += [taken] if taken else []
            if after != CLOSED:
                if before := self.open.get(line):
                    self.consumed.append(before)  # the sender sees the later question below it
                self.open[line] = after.split(" ")[2]
        elif taken:
            if line in self.open:
                self.consumed.append(taken)
            self.open.setdefault(line, taken)

    async def make_overdue(self, message_id: str) -> None:
        if await self.redis.zscore(KEYS.due, message_id) is not None:
            await self.redis.zincrby(KEYS.due, -LEASE_MS - 1, message_id)

    def state_of(self, message_id: str) -> str:
        return str(self.run(self.redis.hget(KEYS.message(message_id), "state")))


@pytest.mark.timeout(120)
def test_no_order_of_events_doubles_a_step_or_loses_a_question(tmp_path: Path) -> None:
    with valkey(tmp_path, appendonly="no") as server:

        class OnThisServer(DialogueMachine):
            url = server.url

        run_state_machine_as_test(
            OnThisServer,
            settings=settings(
                max_examples=50,
                stateful_step_count=40,
                suppress_health_check=list(HealthCheck),
            ),
        )
