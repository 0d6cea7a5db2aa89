"""Keeping the lease of a message while it is answered, and giving it up in good order."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

from redis.exceptions import RedisError

from dingda.shared.errors import LeaseLostError
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.facts import MessageFacts
from dingda.shared.ledger.histograms import Stage
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome
from dingda.shared.runtime.error_place import place_of
from dingda.shared.runtime.logs import class_name, event
from dingda.shared.runtime.task_owner import current_owner
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.contained import STOPPED, is_cancelled

logger = logging.getLogger(__name__)


class LeaseKeeper:
    """The leases that one worker holds.

    Args:
        ledger: the one that gave them.
        metrics: counts those that were lost.
    """

    def __init__(self, ledger: Ledger, metrics: AnsweringMetrics | None = None) -> None:
        self._ledger = ledger
        self._metrics = metrics or AnsweringMetrics()
        self._renewal_s = ledger.lease_ms / 4000
        self.held_leases: dict[str, Lease] = {}
        """The leases of the messages that are being answered, by message id."""

    @asynccontextmanager
    async def keep(self, lease: Lease) -> AsyncIterator[None]:
        """Renew a lease for as long as the context lasts.

        A message whose answering raises ends as a dead letter; one whose answering is cancelled is
        released, or ends as a dead letter too if an operator stopped it. Both are re-raised, as is
        an error of Redis. A lost lease is not: another worker has the message by then.
        """
        loop = asyncio.get_running_loop()
        renewing: asyncio.TimerHandle | asyncio.Task[None]

        def start_renewing() -> None:
            nonlocal renewing
            renewing = loop.create_task(self._renew(lease))

        # A timer, as it costs less than a task, and most messages end before it.
        renewing = loop.call_later(self._renewal_s, start_renewing)
        self.held_leases[lease.id] = lease
        try:
            yield
        except LeaseLostError:
            self._metrics.lease_lost()
            logger.warning("was taken over by another worker", extra=event("message.taken_over"))
        except (RedisError, OSError):
            # The sweeper ends or requeues the message by the state that the ledger last stored.
            raise
        except BaseException as error:
            if is_cancelled(error):
                with suppress(LeaseLostError, RedisError, OSError):
                    await self._give_up(lease, stopped=STOPPED.explains(error))
            else:
                with suppress(LeaseLostError):
                    await self._fail(lease, error)
            raise
        finally:
            renewing.cancel()
            # Another attempt of this worker may have it by now, and may have ended already.
            self.held_leases.pop(lease.id, None)

    async def finish(
        self,
        lease: Lease,
        completion: Completion,
        *,
        facts: str = "",
        dialogue_after: str = AS_STORED,
    ) -> None:
        """Finish a message, and log its outcome.

        Args:
            lease: the hold on it.
            completion: how it ends.
            facts: what was noted of it (see `Ledger.finish`).
            dialogue_after: what it does to the dialogue of its sender (see `Ledger.finish`).

        Raises:
            LeaseLostError: if it was finished or taken over before.
        """
        await self._ledger.finish(lease, completion, facts=facts, dialogue_after=dialogue_after)
        level = logging.WARNING if completion.outcome is Outcome.DEAD else logging.INFO
        stages_s = _stages_s(lease)
        took = ", ".join(f"{stage} {seconds:.3f} s" for stage, seconds in stages_s.items())
        ended = event(
            "message.ended",
            outcome=completion.outcome,
            reason=completion.full_reason or None,
            **{f"{stage}_s": round(seconds, 6) for stage, seconds in stages_s.items()},
        )
        logger.log(level, "%s: %s", completion, took, extra=ended)

    async def _fail(self, lease: Lease, error: BaseException) -> None:
        """Finish a message whose answering raised what nothing here expects."""
        name = class_name(error)
        facts = MessageFacts.of_payload(
            lease.payload, error=name, place=place_of(error, {"dingda"})
        )
        failed = Completion(Outcome.DEAD, DeadReason.FAILED, name)
        await self.finish(lease, failed, facts=facts.to_json())

    async def _give_up(self, lease: Lease, *, stopped: bool) -> None:
        """Release a message to the next worker, or end it if an operator stopped it."""
        if stopped:
            # Refused while the reply may be on the wire; then the sweeper ends it as unknown.
            await self._ledger.renew(lease)
            detail = "stopped by an operator"
            await self.finish(lease, Completion(Outcome.DEAD, DeadReason.FAILED, detail))
        else:
            await self._ledger.release(lease)

    async def _renew(self, lease: Lease) -> None:
        """Renew until cancelled, or until there is nothing left to renew."""
        with suppress(LeaseLostError):
            while True:
                try:
                    await self._ledger.renew(lease)
                except (RedisError, OSError):
                    logger.warning("the lease could not be renewed")
                await asyncio.sleep(self._renewal_s)


def _stages_s(lease: Lease) -> dict[Stage, float]:
    """How long a message that ends now took by stage, in seconds, by this process's clock."""
    stages_s, owner, now_s = {Stage.QUEUE: lease.age_ms / 1000}, current_owner.get(), monotonic()
    if owner and owner.since_s:
        stages_s[Stage.SKILL] = (owner.sending_s or now_s) - owner.since_s
    if owner and owner.sending_s:
        stages_s[Stage.DELIVERY] = now_s - owner.sending_s
    return stages_s
