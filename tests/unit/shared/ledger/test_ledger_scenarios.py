import fakeredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dingda.shared.dingtalk.message import Message
from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.states import Lease
from dingda.shared.queue import message_of_job
from tests.support.builders import KEYS, a_message
from tests.support.ledger_harness import ANSWERED, OPEN_STATES, STEPS, LedgerHarness

pytestmark = pytest.mark.heavy

MESSAGES = [a_message(msgId=f"msg{number}") for number in range(3)]
EVENTS = st.tuples(
    st.sampled_from(
        [
            *STEPS,
            "accept",
            "pop",
            "lease",
            "lease",
            "overdue",
            "sweep",
            "end session",
            "retry_dead_letter",
            "discard",
        ]
    ),
    st.sampled_from(MESSAGES),
    st.integers(0, 3),
)


class Scenario:
    """Applies events to a ledger, and checks who may do what by its own account."""

    def __init__(self, harness: LedgerHarness) -> None:
        self.harness = harness
        self.leases = list[Lease]()
        self.holders = dict[str, Lease]()
        self.on_the_wire = set[str]()

    async def apply(self, what: str, message: Message, which: int) -> None:
        harness = self.harness
        if what in STEPS:
            await self._step(what, which)
        elif what == "lease":
            await self._lease(message)
        elif what == "accept":
            await harness.accept(message)
        elif what == "pop":
            await harness.pop()
        elif what == "sweep":
            await harness.ledger.sweep()
        elif what == "retry_dead_letter":
            await self._retry_dead_letter(message)
        elif what == "discard":
            await harness.admin.discard(message.id)
        elif what == "overdue":
            await harness.redis.zadd(KEYS.due, {message.id: 0}, xx=True)
        elif (await harness.stored(message)).get("state") in OPEN_STATES:
            await harness.end_session(message)

    async def _lease(self, message: Message) -> None:
        lease = await self.harness.ledger.lease(message.id)
        if isinstance(lease, Lease):
            assert message.id not in self.on_the_wire, "a reply may have been sent already"
            self.leases.insert(0, lease)
            self.holders[message.id] = lease

    async def _step(self, step: str, which: int) -> None:
        if which >= len(self.leases):
            return
        lease = self.leases[which]
        try:
            await STEPS[step](self.harness.ledger, lease)
        except LeaseLostError:
            return
        assert self.holders.get(lease.id) is lease, "somebody else has it"
        if step == "claim_send":
            assert lease.id not in self.on_the_wire, "two replies"
            self.on_the_wire.add(lease.id)
        elif step in {"retry", "next_part"}:
            self.on_the_wire.discard(lease.id)
        if step not in {"renew", "claim_send", "next_part"}:
            del self.holders[lease.id]

    async def _retry_dead_letter(self, message: Message) -> None:
        was_dead = (await self.harness.stored(message)).get("state") == "dead"
        if await self.harness.admin.retry_dead_letter(message.id) == "accepted" and was_dead:
            # An operator may have a message answered twice, who can look into the chat before.
            self.on_the_wire.discard(message.id)
            self.holders.pop(message.id, None)

    async def end(self) -> None:
        """Let healthy workers and a sweeper do their work for a while."""
        for _ in range(4):
            for message in MESSAGES:
                await self.harness.redis.zadd(KEYS.due, {message.id: 0}, xx=True)
            await self.harness.ledger.sweep()
            while job_id := await self.harness.pop():
                lease = await self.harness.ledger.lease(message_of_job(job_id))
                if isinstance(lease, Lease):
                    await self.harness.ledger.finish(lease, ANSWERED)


@settings(max_examples=300)
@given(st.lists(EVENTS, min_size=5, max_size=40))
async def test_whatever_happens_no_reply_is_sent_twice_and_every_message_ends(
    events: list[tuple[str, Message, int]],
) -> None:
    harness = LedgerHarness(fakeredis.FakeServer())
    scenario = Scenario(harness)
    for event in events:
        await scenario.apply(*event)
        await harness.check_the_invariant()
    await scenario.end()
    await harness.check_the_invariant()
    assert (await harness.counts()).open == 0
    for message in MESSAGES:
        assert "payload" not in await harness.stored(message)
    await harness.redis.aclose()
