"""One event or card action, from its lease to its end: its hooks are called, and retried.

A hook runs at least once. It is called again after a pause if it raised, for as many times as there
are pauses; and if its worker died before the end was in the ledger. Of several hooks each counts
for itself: one that has returned is not called again because another one failed.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass

from dingda.shared.dingtalk.notification import Notification
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Lease
from dingda.shared.runtime.logs import event
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.hook_caller import FoundHook, HookCaller, HookResult
from dingda.worker.answering.lease_keeper import LeaseKeeper
from dingda.worker.answering.response import ANSWERED, DECLINED, UNMATCHED
from dingda.worker.answering.settlement import Draw, Finish

logger = logging.getLogger(__name__)

PAUSES_MS = (1_000, 4_000, 30_000, 120_000, 600_000)
"""The pause after the first failure, after the second, and so on; after the last it is final. The
first two are so short that a card's later actions wait for it (`LONGEST_WAIT_MS`)."""


@dataclass(frozen=True, slots=True)
class CallAgain:
    """Call the hooks that failed again after a pause."""

    pause_ms: int
    failed: tuple[str, ...]
    """Their labels."""
    reason: str


@dataclass(frozen=True, slots=True)
class HookAttempt:
    """An event or a card action, the lease on it, and the hooks to be called this time."""

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

    @property
    def since_s(self) -> float:
        """When the lease was taken, in seconds of the event loop's clock."""
        return self.deadline_s - self.lease.remaining_ms / 1000

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline; negative after it. Read it on the event loop."""
        return self.deadline_s - asyncio.get_running_loop().time()


class HookRunner:
    """Runs hooks, and tells the ledger what came of them.

    Args:
        ledger: the truth about everything that was accepted.
        lease_keeper: finishes.
        admission: the places of each skill.
    """

    def __init__(self, ledger: Ledger, lease_keeper: LeaseKeeper, admission: Admission) -> None:
        self._ledger = ledger
        self._lease_keeper = lease_keeper
        self._admission = admission

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
        """Put it back if an earlier action of its card is open, or a skill's waiting room full."""
        lease = attempt.lease
        if not lease.is_first and await self._ledger.park(lease):
            return True
        if attempt.caller.is_crowded(attempt.due):
            await self._ledger.release(lease, pause_ms=self._admission.pause_ms())
            return True
        return False


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
