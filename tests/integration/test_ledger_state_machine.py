"""The ledger under every order of events, on a real server: several workers, sweeps, lost time."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Coroutine
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
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import (
    AcceptResult,
    Completion,
    DeadReason,
    Failures,
    Lease,
    Outcome,
    PreparedReply,
    join_reason,
    read_outcome,
)
from dingda.shared.ledger.times import HANDOVER_MS, LEASE_MS, LONGEST_WAIT_MS
from dingda.shared.queue import JobQueue, message_of_job
from tests.support.builders import KEYS, SESSION_MS, a_callback, a_message, now_ms
from tests.support.processes import valkey

T = TypeVar("T")
ENDED = {end.value for end in Outcome}
ANSWERED = Completion(Outcome.ANSWERED)
PREPARED = PreparedReply(b"1", ANSWERED, (b"2", b"3"))
SENDERS = ["one", "one", "one", "other"]
MESSAGES = [a_message(msgId=f"msg{n}", senderId=sender) for n, sender in enumerate(SENDERS)]
OPEN = {"accepted", "leased", "sending"}
_DRAINED_IN_MS = 300_000
_ROUNDS = 12
ENDINGS = [
    ANSWERED,
    Completion(Outcome.UNMATCHED),
    Completion(Outcome.DECLINED),
    Completion(Outcome.DEAD, DeadReason.FAILED, "300001"),
    Completion(Outcome.DEAD, DeadReason.UNKNOWN, "ServerDisconnectedError"),
]


class LedgerMachine(RuleBasedStateMachine):
    """Pretended workers that do anything at any time, and a model of what must never be.

    A worker that dies is one that does nothing more; one that was frozen goes on with a lease of
    long ago. A reply counts as shown from the moment when the right to send it is granted, unless
    DingTalk turned it away for certain. Every reply has three parts.
    """

    url: str
    leases: Bundle[Lease] = Bundle("leases")
    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.redis = Redis.from_url(self.url, decode_responses=True)
        queue = JobQueue.create("dingda", skill_timeout_s=30)
        self.ledger = Ledger(self.redis, queue)
        self.admin = LedgerAdmin(self.redis, queue)
        self.run(self.redis.flushall())
        self.ends: dict[str, tuple[str, str]] = {}
        self.shown: Counter[tuple[str, int]] = Counter()
        self.delivered: Counter[str] = Counter()
        self.holder: dict[str, str] = {}
        self.failures = defaultdict[str, Failures](Failures)
        self.order: list[Any] = []
        """The messages, as they were accepted."""
        self.out_of_line: set[str] = set()
        """Those that wait for none, and for which none waits."""

    def run(self, step: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await step

        return self.runner.run(awaited())

    def granted(self, step: Coroutine[Any, Any, None]) -> bool:
        """Whether a step that shows its lease was let through."""
        try:
            self.run(step)
        except LeaseLostError:
            return False
        return True

    # What may happen ---------------------------------------------------------------------------

    @rule(message=st.sampled_from(MESSAGES))
    def a_callback_comes(self, message: Any) -> None:
        known = self.state_of(message.id) is not None
        body = a_callback(createAt=0)
        (outcome,) = self.run(self.ledger.accept([(message, body)], backlog_limit=100))
        assert outcome is (AcceptResult.DUPLICATE if known else AcceptResult.ACCEPTED)
        if not known:
            self.order.append(message)

    @rule(target=jobs)
    def a_worker_takes_a_job(self) -> Any:
        job_id: Any = self.run(self.redis.lpop("rq:queue:dingda"))
        return message_of_job(str(job_id)) if job_id else multiple()

    @rule(target=leases, message_id=jobs)
    def a_worker_leases_what_it_took(self, message_id: str) -> Any:
        """Also twice, for the job stays at hand: RQ may deliver again."""
        lease = self.run(self.ledger.lease(message_id))
        if not isinstance(lease, Lease):
            return multiple()
        assert message_id not in self.ends
        assert part_of(lease) == self.delivered[message_id]
        assert self.shown[message_id, part_of(lease)] == 0
        assert lease.failures == self.failures[message_id]
        assert lease.is_first == (not self.open_before(message_id))
        self.holder[message_id] = lease.token
        return lease

    @rule(lease=leases)
    def a_worker_parks(self, lease: Lease) -> None:
        try:
            parked = self.run(self.ledger.park(lease))
        except LeaseLostError:
            return
        self.check_it_holds(lease)
        assert parked == self.open_before(lease.id)
        if parked:
            del self.holder[lease.id]

    @rule(lease=leases)
    def a_worker_renews(self, lease: Lease) -> None:
        if self.granted(self.ledger.renew(lease)):
            self.check_it_holds(lease)

    @rule(lease=leases)
    def a_worker_sends(self, lease: Lease) -> None:
        if self.granted(self.ledger.claim_send(lease)):
            self.check_it_holds(lease)
            self.shown[lease.id, part_of(lease)] += 1

    @rule(target=leases, lease=consumes(leases))
    def dingtalk_takes_a_part(self, lease: Lease) -> Any:
        """As a rule the whole of it: it is claimed, posted, and written down."""
        prepared = lease.prepared or PREPARED
        if not prepared.rest:
            return multiple()
        if self.state_of(lease.id) == "leased":
            self.a_worker_sends(lease)
        try:
            next_lease = self.run(self.ledger.next_part(lease, prepared.next))
        except LeaseLostError:
            return lease
        self.check_it_holds(lease)
        assert self.shown[lease.id, part_of(lease)] == 1
        self.delivered[lease.id] += 1
        self.failures.pop(lease.id, None)
        return next_lease

    @rule(lease=leases, completion=st.sampled_from(ENDINGS))
    def a_worker_ends_it(self, lease: Lease, completion: Completion) -> None:
        if self.granted(self.ledger.finish(lease, completion)):
            self.check_it_holds(lease)
            self.ends[lease.id] = (completion.outcome.value, completion.full_reason)

    @rule(
        lease=leases,
        pause_ms=st.sampled_from([0, 500, 60_000]),
        kind=st.sampled_from(["connection", "busy"]),
    )
    def dingtalk_turns_it_away(self, lease: Lease, pause_ms: int, kind: str) -> None:
        prepared = lease.prepared or PREPARED
        retry = self.ledger.retry(lease, pause_ms=pause_ms, prepared=prepared, kinds=(kind,))
        if self.granted(retry):
            self.check_it_holds(lease)
            self.failures[lease.id] = lease.failures.plus(kind)
            self.shown[lease.id, part_of(lease)] = 0
            del self.holder[lease.id]
            if pause_ms > LONGEST_WAIT_MS:
                self.out_of_line.add(lease.id)

    @rule(lease=consumes(leases))
    def a_worker_is_stopped(self, lease: Lease) -> None:
        if self.granted(self.ledger.release(lease)):
            self.check_it_holds(lease)
            assert self.shown[lease.id, part_of(lease)] == 0
            del self.holder[lease.id]

    @rule(target=leases, lease=consumes(leases))
    def a_worker_dies_and_another_takes_over(self, lease: Lease) -> Any:
        self.run(self.shift(LEASE_MS + 1))
        self.run(self.ledger.sweep())
        return self.a_worker_leases_what_it_took(lease.id)

    @rule()
    def a_worker_sweeps(self) -> None:
        self.run(self.ledger.sweep())

    @rule(
        passed_ms=st.sampled_from([1_000, HANDOVER_MS + 1, LEASE_MS + 1, 61_000, SESSION_MS // 2])
    )
    def time_passes(self, passed_ms: int) -> None:
        self.run(self.shift(passed_ms))

    @rule(message=st.sampled_from(MESSAGES))
    def an_operator_retries(self, message: Any) -> None:
        ended = self.ends.get(message.id)
        if self.run(self.admin.retry_dead_letter(message.id)) == "accepted" and ended:
            assert ended[0] == "dead"
            self.out_of_line.add(message.id)
            del self.ends[message.id]
            self.failures.pop(message.id, None)
            # Whoever retries an unknown one, or one of which a part was shown, has been told.
            del self.delivered[message.id]
            for part in range(len(PREPARED.rest) + 1):
                del self.shown[message.id, part]

    @rule(message=st.sampled_from(MESSAGES))
    def an_operator_drops(self, message: Any) -> None:
        self.run(self.admin.discard(message.id))

    # What must always be -----------------------------------------------------------------------

    @invariant()
    def every_end_stands(self) -> None:
        for message in MESSAGES:
            state, reason = self.story_of(message.id)
            if state not in ENDED:
                assert message.id not in self.ends
                continue
            # The sweeper ends messages, too: once it has, that must stand.
            assert self.ends.setdefault(message.id, (state, reason)) == (state, reason)

    @invariant()
    def no_part_of_a_reply_is_shown_twice(self) -> None:
        assert [part for part, times in self.shown.items() if times > 1] == []

    @invariant()
    def no_part_is_shown_before_those_before_it(self) -> None:
        for message_id, part in self.shown:
            assert part <= self.delivered[message_id]

    @invariant()
    def what_was_shown_is_not_waiting_to_be_answered(self) -> None:
        for (message_id, part), times in self.shown.items():
            if times and part == self.delivered[message_id]:
                assert self.state_of(message_id) not in {"accepted", "leased"}

    @invariant()
    def the_sum_is_right(self) -> None:
        states = Counter(filter(None, (self.state_of(message.id) for message in MESSAGES)))
        counts = self.run(self.admin.counts())
        assert counts.accepted == states.total()
        assert counts.open == sum(states[state] for state in OPEN)
        assert counts.accepted + counts.revived == counts.ended + counts.open
        dead = sum(counts.dead.values()) - counts.revived
        ended = (counts.answered, counts.unmatched, counts.declined, dead)
        assert ended == tuple(states[end.value] for end in Outcome)

    def teardown(self) -> None:
        """Whatever happened, it all comes to an end once workers take what is there."""
        self.nobody_waits_for_ever()
        self.run(self.shift(2 * SESSION_MS))
        for _ in range(3):
            self.run(self.ledger.sweep())
            self.run(self.shift(LEASE_MS + HANDOVER_MS))
            while job_id := self.run(self.redis.lpop("rq:queue:dingda")):
                self.run(self.ledger.lease(message_of_job(str(job_id))))
        assert self.run(self.admin.counts()).open == 0
        self.every_end_stands()
        self.the_sum_is_right()
        self.run(self.redis.aclose())
        self.runner.close()

    def nobody_waits_for_ever(self) -> None:
        """Workers that keep the order end everything long before the sessions do."""
        lasting = [
            message.id for message in MESSAGES if self.remaining_ms(message.id) > _DRAINED_IN_MS
        ]
        for _ in range(_ROUNDS):
            self.run(self.shift(_DRAINED_IN_MS // _ROUNDS))
            self.run(self.ledger.sweep())
            while job_id := self.run(self.redis.lpop("rq:queue:dingda")):
                message_id = message_of_job(str(job_id))
                lease = self.run(self.ledger.lease(message_id))
                if not isinstance(lease, Lease):
                    continue
                if lease.is_first or not self.run(self.ledger.park(lease)):
                    assert not self.open_before(message_id)
                    self.run(self.ledger.finish(lease, ANSWERED))
        for message_id in lasting:
            state, reason = self.story_of(message_id)
            assert state in ENDED
            assert reason != "expired"

    # ---------------------------------------------------------------------------------------------

    def open_before(self, message_id: str) -> bool:
        """Whether an earlier message of its sender is open that it must not overtake."""
        if message_id in self.out_of_line:
            return False
        ids = [message.id for message in self.order]
        here = ids.index(message_id)
        return any(
            message.ordering_key == self.order[here].ordering_key
            and message.id not in self.out_of_line
            and self.state_of(message.id) in OPEN
            for message in self.order[:here]
        )

    def remaining_ms(self, message_id: str) -> float:
        """How long an open message's session lasts; 0 if it has ended."""
        held: Any = self.run(self.redis.hmget(KEYS.message(message_id), "state", "expires_ms"))
        return float(held[1]) - now_ms() if held[0] in OPEN else 0.0

    def check_it_holds(self, lease: Lease) -> None:
        """Only the last one to lease a message is let through, and nobody once it has ended."""
        assert self.holder[lease.id] == lease.token
        assert lease.id not in self.ends

    def story_of(self, message_id: str) -> tuple[str | None, str]:
        key = KEYS.message(message_id)
        held: Any = self.run(self.redis.hmget(key, "state", "reason", "detail"))
        state = held[0] or read_outcome(self.run(self.redis.get(KEYS.ended(message_id))))
        return state, join_reason(held[1] or "", held[2] or "")

    def state_of(self, message_id: str) -> str | None:
        return self.story_of(message_id)[0]

    async def shift(self, passed_ms: int) -> None:
        """Let time pass: all that the ledger wrote down about it lies so much further back."""
        due: Any = await self.redis.zrange(KEYS.due, 0, -1)
        for message_id in due:
            await self.redis.zincrby(KEYS.due, -passed_ms, message_id)
        async for key in self.redis.scan_iter(KEYS.message("*")):
            for name in ("expires_ms", "not_before_ms"):
                if await self.redis.hexists(key, name):
                    await self.redis.hincrby(key, name, -passed_ms)
            if (lasts_ms := await self.redis.pttl(key)) > 0:
                await self.redis.pexpire(key, max(1, lasts_ms - passed_ms))
        async for key in self.redis.scan_iter(KEYS.dead_letter_payload("*")):
            await self.redis.pexpire(key, max(1, await self.redis.pttl(key) - passed_ms))


def part_of(lease: Lease) -> int:
    """Which part of the reply is its holder's to send, from 0."""
    return lease.prepared.shown if lease.prepared else 0


@pytest.mark.timeout(300)
def test_no_order_of_events_breaks_the_ledger(tmp_path: Path) -> None:
    with valkey(tmp_path, appendonly="no") as server:

        class OnThisServer(LedgerMachine):
            url = server.url

        run_state_machine_as_test(
            OnThisServer,
            settings=settings(
                max_examples=100,
                stateful_step_count=40,
                suppress_health_check=list(HealthCheck),
            ),
        )
