"""One event, card action or tick, from its lease to its end: its hooks are called, and retried.

A hook runs at least once. It is called again after a pause if it raised, for as many times as there
are pauses; and if its worker died before the end was in the ledger. Of several hooks each counts
for itself: one that has returned is not called again because another one failed.

A tick whose schedule this worker's skill does not have is left to workers with another version of
it for a while.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import RedisError

from dingda.shared.dingtalk.notification import Notification
from dingda.shared.dingtalk.tick import Tick
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.schedules import Schedules
from dingda.shared.ledger.states import Completion, Lease
from dingda.shared.runtime.logs import event
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.hook_caller import FoundHook, HookCaller, HookResult
from dingda.worker.answering.lease_keeper import LeaseKeeper
from dingda.worker.answering.leased import Leased
from dingda.worker.answering.response import ANSWERED, DECLINED, UNMATCHED
from dingda.worker.answering.settlement import Draw, Finish

logger = logging.getLogger(__name__)

PAUSES_MS = (1_000, 4_000, 30_000, 120_000, 600_000)
"""The pause after the first failure, after the second, and so on; after the last it is final. The
first two are so short that a card's later actions wait for it (`LONGEST_WAIT_MS`)."""
LEFT_TO_OTHERS_MS = 600_000
"""How old a tick may get that no worker knows: so long may a rolling deploy take."""
_UNKNOWN_PAUSE_MS = 5_000


@dataclass(frozen=True, slots=True)
class CallAgain:
    """Call the hooks that failed again after a pause."""

    pause_ms: int
    failed: tuple[str, ...]
    """Their labels."""
    reason: str


@dataclass(frozen=True, slots=True)
class HookAttempt(Leased):
    """What hooks are called for, the lease on it, and those to be called this time."""

    lease: Lease
    notification: Notification
    caller: HookCaller
    """Of the robot that was told."""
    deadline_s: float
    """The last moment for a hook to work, in seconds of the event loop's clock."""

    @property
    def found(self) -> list[FoundHook]:
        """All hooks for it."""
        return self.caller.find(self.notification)

    @property
    def due(self) -> list[FoundHook]:
        """The hooks that have failed at each attempt before this one, at the first all."""
        lease = self.lease
        return [
            found
            for found in self.found
            if lease.failures.of(found.label) >= lease.delivery_attempt - 1
        ]

    @property
    def skill(self) -> str:
        """The name of the first skill that is called; "" where none is."""
        return next((found.skill.name for found in self.due), "")


class HookRunner:
    """Runs hooks, and tells the ledger what came of them.

    Args:
        ledger: the truth about everything that was accepted.
        lease_keeper: finishes.
        admission: the places of each skill.
        schedules: where to note how ticks ended; None: nowhere.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease_keeper: LeaseKeeper,
        admission: Admission,
        schedules: Schedules | None = None,
    ) -> None:
        self._ledger = ledger
        self._lease_keeper = lease_keeper
        self._admission = admission
        self._schedules = schedules

    async def advance(self, attempt: HookAttempt) -> None:
        """Call the hooks that are due, and finish, or leave the rest for another attempt."""
        if await self._put_back(attempt):
            logger.info("put back for now", extra=event("message.put_back"))
            return
        lease = attempt.lease
        results = await asyncio.gather(
            *(
                attempt.caller.call(
                    found,
                    attempt.notification,
                    idempotency_key=lease.id,
                    timeout_s=attempt.remaining_s,
                )
                for found in attempt.due
            )
        )
        facts = _facts(attempt, results)
        match settle_hooks(attempt, results):
            case Finish(completion):
                await self._lease_keeper.finish(lease, completion, facts=facts)
                await self._note_end(attempt, completion)
            case CallAgain(pause_ms, failed, reason):
                retried = event("message.retried", reason=reason, pause_s=pause_ms / 1000)
                logger.info("%s; retry in %d ms", reason, pause_ms, extra=retried)
                await self._ledger.retry(
                    lease,
                    pause_ms=pause_ms,
                    prepared=None,
                    kinds=failed,
                    reason=reason,
                    facts=facts,
                )

    async def _put_back(self, attempt: HookAttempt) -> bool:
        """Put it back if it is not its turn, a skill's waiting room is full, or nobody knows it."""
        lease = attempt.lease
        is_tick = isinstance(attempt.notification.subject, Tick)
        if is_tick and not attempt.found and lease.age_ms < LEFT_TO_OTHERS_MS:
            await self._ledger.release(lease, pause_ms=_UNKNOWN_PAUSE_MS)
            return True
        if not lease.is_first and await self._ledger.park(lease):
            return True
        if attempt.caller.is_crowded(attempt.due):
            await self._ledger.release(lease, pause_ms=self._admission.pause_ms())
            return True
        return False

    async def _note_end(self, attempt: HookAttempt, completion: Completion) -> None:
        """Note how a tick ended; where that fails, operators know it for less long."""
        subject = attempt.notification.subject
        if not self._schedules or not isinstance(subject, Tick) or subject.run:
            return
        for found in attempt.found:
            if schedule := found.hook.schedule:
                facts = schedule.facts(
                    attempt.notification.robot_code, "", subject.skill, subject.function
                )
                with suppress(RedisError, OSError):
                    await self._schedules.note_end(facts, attempt.lease.id, completion)


def settle_hooks(
    attempt: HookAttempt,
    results: Sequence[HookResult],
    *,
    draw: Draw = random.uniform,
) -> Finish | CallAgain:
    """Decide what follows from what the hooks came to.

    Args:
        attempt: the one that was just made.
        results: of the hooks that were called.
        draw: spreads the pauses, so that not all come back at one moment.
    """
    failures = [each for each in results if each.has_failed]
    before = attempt.lease.delivery_attempt - 1
    if failures and before < len(PAUSES_MS):
        pause_ms = round(PAUSES_MS[before] * draw(0.8, 1.2))
        if pause_ms < attempt.remaining_s * 1000:
            labels = tuple(each.found.label for each in failures)
            return CallAgain(pause_ms, labels, failures[0].completion.detail)
    if attempt.found and not results:  # what failed before is no longer there
        return Finish(ANSWERED)
    return Finish(completion_of_hooks(results))


def completion_of_hooks(results: Sequence[HookResult]) -> Completion:
    """How what hooks were called for ends: dead if one failed, else answered if one returned."""
    for each in results:
        if each.has_failed:
            return each.completion
    if any(each.completion == ANSWERED for each in results):
        return ANSWERED
    return DECLINED if results else UNMATCHED


def _facts(attempt: HookAttempt, results: Sequence[HookResult]) -> str:
    """What the ledger is told of one hook: the first that failed, else the first."""
    of = next((each for each in results if each.has_failed), next(iter(results), None))
    if of is None:
        return MessageFacts.of_notification(attempt.notification).to_json()
    return MessageFacts.of_notification(
        attempt.notification,
        skill=of.found.skill.name,
        calls=tuple(of.notes.calls),
        error=of.notes.error,
        place=of.notes.place,
    ).to_json()
