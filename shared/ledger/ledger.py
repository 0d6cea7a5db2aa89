"""The ledger: the truth about every message, in Redis. RQ only dispatches.

`MessageState` says which states a message goes through. Each step is one atomic script (see
`lua/`; `common.lua` lists all keys), and every step after the lease shows the lease's token,
so a worker that was paused while another took over can do no harm. At every moment
`accepted + revived = answered + unmatched + declined + dead + open`.

Messages of one sender in one conversation share an ordering key, and form a queue in the order in
which they were accepted (see `lua/parts/sender_queue.lua`). A worker that leases one is told
whether it is the first; if not, and its skill does not overtake, `park` puts it back until the one
before it has ended, whichever worker has that one.
"""

import logging
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dingda.shared.dingtalk.message import Envelope, Message
from dingda.shared.dingtalk.notification import Press
from dingda.shared.errors import LeaseLostError, NotReplicatedError
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.keys import LedgerKeys
from dingda.shared.ledger.scripts import (
    AcceptArguments,
    AcceptEntry,
    ClaimNoticeArguments,
    ClaimSendArguments,
    FinishArguments,
    LeaseArguments,
    LedgerScripts,
    NamePressArguments,
    NextPartArguments,
    ParkArguments,
    RenewArguments,
    RetryArguments,
    SweepArguments,
    to_requeue,
)
from dingda.shared.ledger.states import (
    OUTCOME_NUMBERS,
    AcceptResult,
    Completion,
    Failures,
    Lease,
    LeaseRefusal,
    MessageState,
    Outcome,
    PreparedReply,
    read_failures,
    read_prepared,
)
from dingda.shared.ledger.times import (
    APART_MS,
    DEAD_LETTER_S,
    HANDOVER_MS,
    JOURNAL_MS,
    LEASE_MS,
    LONGEST_APART_MS,
    LONGEST_SESSION_MS,
    LONGEST_WAIT_MS,
    MARGIN_MS,
    OUTCOME_MS,
    RECHECK_MS,
    RECORD_S,
    REMEMBER_S,
    REPEATED_PRESS_MS,
    UNSTATED_SESSION_MS,
)
from dingda.shared.queue import JobQueue, rq_now
from dingda.shared.runtime.logs import printable

logger = logging.getLogger(__name__)

MOST_QUEUED = 20
"""How many open messages of one sender in one conversation may be on the queue. They are answered
one after the other, so more of them would only be in front of other people's."""
MAX_DEATHS = 3
"""How many workers may die over one message before it is given up."""
SWEEP_LIMIT = 500
_ACCEPT_RESULTS = {str(result): result for result in AcceptResult}


class Ledger:
    """The transitions of messages from state to state.

    Every method may raise what the Redis client raises; nothing is half done then, since each step
    is one script.

    Args:
        redis: a client that decodes responses.
        queue: the RQ queue that the messages go through.
        replicas: how many must have an accept, a claim or an end; what too few have in time is
            counted as `unreplicated`.
        journal: about how many ended messages the journal holds; 0: none are noted.
        late_ms: how long after its session's end a message may still be answered, by a push; 0
            where nothing can be pushed.
        lease_ms, outcome_ms, handover_ms, apart_ms: see `times`; shorter in tests.
    """

    def __init__(  # noqa: PLR0913 - two settings, and times that tests shorten
        self,
        redis: Redis,
        queue: JobQueue,
        *,
        replicas: int = 0,
        journal: int = 0,
        late_ms: int = 0,
        lease_ms: int = LEASE_MS,
        outcome_ms: int = OUTCOME_MS,
        handover_ms: int = HANDOVER_MS,
        apart_ms: int = APART_MS,
    ) -> None:
        self._redis = redis
        self._keys = LedgerKeys(queue.name)
        self._scripts = LedgerScripts(redis, queue, replicas=replicas)
        self._replicas = replicas
        self._journal = journal
        self._late_ms = late_ms
        self.lease_ms = lease_ms
        self._outcome_ms = outcome_ms
        self._handover_ms = handover_ms
        self._apart_ms = apart_ms

    async def accept(
        self, messages: Sequence[tuple[Envelope | Message, bytes]], *, backlog_limit: int
    ) -> list[AcceptResult]:
        """Record and enqueue messages that are new, all in one round trip.

        Args:
            messages: the envelope of each, or all of it, with the body that it was read from.
            backlog_limit: how many messages may wait, on the queue or for another attempt.

        Returns:
            What became of each, in order.
        """
        entries = [AcceptEntry.of(message, body) for message, body in messages]
        arguments = AcceptArguments(
            backlog_limit,
            LONGEST_SESSION_MS,
            UNSTATED_SESSION_MS,
            rq_now(),
            MOST_QUEUED,
            RECHECK_MS,
        )
        outcomes = await self._scripts.run(arguments, entries)
        return [_ACCEPT_RESULTS[outcome] for outcome in outcomes]

    async def name_press(self, press: Press) -> str:
        """Name a press of a card's button: as the last one, if it repeats that.

        DingTalk gives a press no id, and a press that it delivers again looks like somebody's
        second one. So the same button with the same parameters, pressed by the same person and
        nothing else on that card since, is the same press for `REPEATED_PRESS_MS`.
        """
        name, key = secrets.token_hex(8), self._keys.press(press.by)
        arguments = NamePressArguments(key, press.what, name, REPEATED_PRESS_MS)
        return str(await self._scripts.run(arguments))

    async def lease(self, message_id: str) -> Lease | LeaseRefusal:
        """Take a message, or say why it cannot be had."""
        token = secrets.token_hex(8)
        arguments = LeaseArguments(
            message_id, token, self.lease_ms, MARGIN_MS, DEAD_LETTER_S, self._journal, self._late_ms
        )
        granted, *held = await self._scripts.step(arguments)
        if not granted:
            why_not, woken = held
            refusal = LeaseRefusal(why_not)
            if refusal is LeaseRefusal.SPOILT:
                _log_spoilt(message_id)
            await self._enqueue(woken)
            return refusal
        payload, remaining_ms, attempt, failures, prepared, age_ms, is_first, *others = held
        was_put_back, dialogue, has_card, late_ms = others
        return Lease(
            id=message_id,
            token=token,
            payload=payload.encode(),
            remaining_ms=min(remaining_ms, LONGEST_SESSION_MS + late_ms),
            delivery_attempt=attempt,
            failures=read_failures(failures),
            prepared=read_prepared(prepared),
            age_ms=age_ms,
            is_first=bool(is_first),
            was_put_back=bool(was_put_back),
            dialogue=dialogue,
            has_card=bool(has_card),
            late_ms=late_ms,
        )

    async def renew(self, lease: Lease) -> None:
        """Extend a lease by its full length.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        _check_granted(
            await self._scripts.step(RenewArguments(lease.id, lease.token, self.lease_ms))
        )

    async def claim_send(
        self, lease: Lease, *, facts: str = "", dialogue_after: str = AS_STORED
    ) -> None:
        """Record that this worker is about to send the reply.

        Call it as late as possible: if the worker dies afterwards, the message ends as `unknown`.
        A claim that too few replicas have is made again where the primary is then: a server that
        was frozen grants it without knowing that another has its role.

        Args:
            lease: the hold on it.
            facts: what has been noted of it, as JSON (`MessageFacts`), in case it ends without its
                worker, or in a later attempt; "" where an earlier attempt noted more.
            dialogue_after: what this reply does to the dialogue of its sender, see `dialogues`.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
            NotReplicatedError: if too few replicas have the claim, though enough follow a server
                that insists on replicas. The claim holds: send nothing, and `retry`.
        """
        claim = secrets.token_hex(8)
        arguments = ClaimSendArguments(
            lease.id, lease.token, self._outcome_ms, claim, facts, dialogue_after
        )
        is_replicated = await self._claim(arguments) or await self._claim(arguments)
        if not is_replicated and await self._has_enough_replicas():
            raise NotReplicatedError("no replica has the claim")

    async def next_part(self, lease: Lease, rest: PreparedReply) -> Lease:
        """Go on to the next part of a reply, when one has been delivered.

        From here on, a worker that leases the message sends what is left and calls no skill.

        Args:
            lease: the hold on it, which was used to send.
            rest: what is left to send.

        Returns:
            The same hold, on what is left.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        arguments = NextPartArguments(
            lease.id, lease.token, self.lease_ms, rest=rest.to_json(), last_failure=rest.part
        )
        _check_granted(await self._scripts.step(arguments))
        return replace(lease, delivery_attempt=1, failures=Failures(), prepared=rest)

    async def claim_notice(self, lease: Lease) -> bool:
        """Claim the notice that tells the sender to wait; False if it has been claimed before."""
        return bool(await self._scripts.step(ClaimNoticeArguments(lease.id, lease.token)))

    async def finish(
        self,
        lease: Lease,
        completion: Completion,
        *,
        facts: str = "",
        dialogue_after: str = AS_STORED,
    ) -> None:
        """End a message.

        Args:
            lease: the hold on it, which ends here.
            completion: how it ends.
            facts: what the journal and a dead letter say of it; "" for what was noted before, as in
                `claim_send`.
            dialogue_after: what it does to the dialogue of its sender. A dead letter does what was
                claimed if its reply was most likely shown, else nothing.

        Raises:
            LeaseLostError: if it has been ended or taken over already.
        """
        is_dead = completion.outcome is Outcome.DEAD
        arguments = FinishArguments(
            lease.id,
            lease.token,
            state=completion.outcome,
            reason=completion.reason or "",
            detail=completion.detail,
            record_s=DEAD_LETTER_S if is_dead else RECORD_S,
            remembered_as="" if is_dead else OUTCOME_NUMBERS[completion.outcome],
            remember_s=REMEMBER_S,
            journal=self._journal,
            facts=facts,
            dialogue_after=dialogue_after,
        )
        left, is_replicated = await self._scripts.durable_step(arguments)
        await self._check_and_enqueue(left)
        if not is_replicated:  # as of a claim; it is refused where the message has ended by now
            await self._scripts.durable_step(arguments)

    async def park(self, lease: Lease) -> bool:
        """Put a message back until those before it of the same sender have ended.

        Returns:
            False if they have ended by now: it may go on, and the lease holds.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        parked, *woken = await self._scripts.step(ParkArguments(lease.id, lease.token, RECHECK_MS))
        _check_granted(parked >= 0)
        await self._enqueue(*woken)
        return bool(parked)

    async def retry(
        self,
        lease: Lease,
        *,
        pause_ms: int,
        prepared: PreparedReply | None,
        kinds: Iterable[str] = (),
        reason: str = "",
        facts: str = "",
        dialogue_after: str = AS_STORED,
    ) -> None:
        """Release a message whose reply was not delivered, or whose hook failed, for a pause.

        Args:
            lease: the hold on it, which ends here.
            pause_ms: how long it rests, in milliseconds.
            prepared: the reply to send then, or None to call the skill again.
            kinds: the kinds of failure to count; none where another reply is tried at once.
            reason: what a dead letter says should the session close first.
            facts: as in `claim_send`.
            dialogue_after: as in `claim_send`.

        Raises:
            LeaseLostError: if the message is somebody else's by now.
        """
        failed = lease.failures.plus(*kinds)
        arguments = RetryArguments(
            lease.id,
            lease.token,
            pause_ms,
            furthest=MessageState.SENDING,
            longest_wait_ms=LONGEST_WAIT_MS,
            prepared=prepared.to_json() if prepared else "",
            failures=failed.to_json() if failed != lease.failures else "",
            last_failure=reason,
            facts=facts,
            dialogue_after=dialogue_after,
        )
        await self._check_and_enqueue(await self._scripts.step(arguments))

    async def release(self, lease: Lease, *, pause_ms: int = 0, reason: str = "") -> None:
        """Release a message untouched, for another worker to lease.

        Args:
            lease: the hold on it, which ends here.
            pause_ms: how long it rests, in milliseconds. It keeps its place in its sender's queue.
            reason: what a dead letter says should the session close first.

        Raises:
            LeaseLostError: if it is somebody else's, or its reply may be on the wire already.
        """
        arguments = RetryArguments(
            lease.id,
            lease.token,
            pause_ms,
            furthest=MessageState.LEASED,
            longest_wait_ms=LONGEST_SESSION_MS,
            last_failure=reason,
        )
        await self._check_and_enqueue(await self._scripts.step(arguments))

    async def sweep(self) -> int:
        """End or enqueue again what is overdue, as every worker does every two seconds.

        Returns:
            How many messages were enqueued again.
        """
        arguments = SweepArguments(
            limit=SWEEP_LIMIT,
            handover_ms=self._handover_ms,
            max_deaths=MAX_DEATHS,
            remember_s=DEAD_LETTER_S,
            keep_dead_ms=DEAD_LETTER_S * 1000,
            recheck_ms=RECHECK_MS,
            apart_ms=self._apart_ms,
            longest_apart_ms=LONGEST_APART_MS,
            journal=self._journal,
            keep_journal_ms=JOURNAL_MS,
            late_ms=self._late_ms,
        )
        overdue, spoilt, given_up, removed = await self._scripts.run(arguments)
        for key in removed:
            logger.error("removed %s: it was of another kind than the ledger's", key)
        for message_id in spoilt:
            _log_spoilt(message_id)
        for message_id in given_up:
            words = "message %.8s is given up: %d workers died over it"
            logger.error(words, message_id, MAX_DEATHS)
        return int(await self._scripts.run(*to_requeue(overdue))) if overdue else 0

    async def probe(self) -> None:
        """Store nothing, but raise what storing a message would raise."""
        await self.accept([], backlog_limit=1)
        await self._redis.hincrby(self._keys.count, "accepted", 0)

    async def ignore(self, reason: str) -> None:
        """Count a genuine callback that there is nothing to answer to."""
        await self._redis.hincrby(self._keys.count, f"ignored:{reason}", 1)

    async def _claim(self, arguments: ClaimSendArguments) -> bool:
        """Claim, and say whether enough replicas have the claim; raises if it isn't granted."""
        granted, is_replicated = await self._scripts.durable_step(arguments)
        _check_granted(granted)
        return is_replicated

    async def _has_enough_replicas(self) -> bool:
        """Whether as many follow as we wait for, on a server that insists on any.

        One without `min-replicas-to-write`, or with a lower one, goes on with fewer; so do we then.
        """
        found = await self._redis.info("replication")
        return int(found.get("min_slaves_good_slaves", 0)) >= self._replicas

    async def _check_and_enqueue(self, left: Sequence[Any]) -> None:
        """Check that a step succeeded, and enqueue the message whose turn it made it."""
        granted, *woken = left
        _check_granted(granted)
        await self._enqueue(*woken)

    async def _enqueue(self, *woken: str) -> None:
        """Enqueue messages whose turn has come; if that fails, the next sweep does it."""
        if ids := [message_id for message_id in woken if message_id]:
            with suppress(RedisError, OSError):
                await self._scripts.step(*to_requeue(ids))


def _check_granted(granted: Any) -> None:
    if not granted:
        raise LeaseLostError("the message is no longer this worker's")


def _log_spoilt(message_id: str) -> None:
    logger.error(
        "message %s: its record in Redis is spoilt, so it has ended", printable(message_id)
    )
