"""Sending what is encoded: by its channel, with a claim, and what follows from the outcome."""

import logging
import time
from dataclasses import replace
from functools import partial

from dingda.shared.ledger.dialogues import AS_STORED, LEFT_ALONE
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, DeadReason, PreparedReply
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.runtime.logs import class_name, event
from dingda.shared.runtime.task_owner import current_owner
from dingda.shared.runtime.tracing import Tracing
from dingda.worker.answering.admission import Admission, NoPlaceError
from dingda.worker.answering.attempt import Attempt, PushAttempt
from dingda.worker.answering.growing_card import GrowingCard
from dingda.worker.answering.lease_keeper import LeaseKeeper
from dingda.worker.answering.outgoing import OutgoingReply, encode_sentence
from dingda.worker.answering.settlement import (
    Finish,
    RetryLater,
    SendFallback,
    SendInstead,
    SendNext,
    settle,
)
from dingda.worker.contained import set_task_owner
from dingda.worker.delivery.channel import Channel, Send, SendChannel
from dingda.worker.delivery.outcome import Delivered, DeliveryOutcome, OutOfTime, Rejected
from dingda.worker.delivery.transport import BeforeSend

logger = logging.getLogger(__name__)

PUSHED = "pushed, as its session had closed"
"""The detail of a message whose reply goes on as a push."""


class Sender:
    """Sends replies and pushes, each at most once, and tells the ledger how that ended.

    Args:
        ledger: the truth about every message.
        lease_keeper: finishes.
        webhook: sends replies to the conversation that a message came from.
        admission: the places on the wire.
        tracing: makes spans.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease_keeper: LeaseKeeper,
        webhook: SendChannel,
        admission: Admission,
        tracing: Tracing,
    ) -> None:
        self._ledger = ledger
        self._lease_keeper = lease_keeper
        self._webhook = webhook
        self._admission = admission
        self._tracing = tracing

    async def send(self, attempt: Attempt | PushAttempt, reply: OutgoingReply) -> None:
        """Send a reply: its parts one after the other, each with a claim of its own."""
        while True:
            with self._tracing.delivering():
                outcome = await self._deliver(attempt, reply)
                self._tracing.note(outcome=class_name(outcome))
            attempt.robot.responder.metrics.delivery_ended(outcome)
            if isinstance(outcome, Delivered):
                failpoint("after-delivery")
            settlement = settle(
                outcome,
                reply,
                attempt.lease.failures,
                remaining_ms=_remaining_s(attempt, reply.channel) * 1000,
            )
            if isinstance(settlement, SendInstead):
                card = _card_of(attempt)
                reply = await card.replace(reply) if card else reply.in_place_of_card()
                continue
            if not isinstance(settlement, SendNext):
                await self._carry_out(settlement, attempt, reply)
                return
            was_card, reply = reply.channel is Channel.GROWING_CARD, reply.next
            # What follows a card is noted with the card's end.
            if not was_card:
                lease = await self._ledger.next_part(attempt.lease, reply.prepared)
                attempt = replace(attempt, lease=lease)
            failpoint("between-parts")

    async def _deliver(
        self, attempt: Attempt | PushAttempt, reply: OutgoingReply
    ) -> DeliveryOutcome | OutOfTime:
        """Deliver a reply, or the part of it that is next."""
        if reply.channel is Channel.GROWING_CARD:
            card = _card_of(attempt)
            return await card.end(reply) if card else Rejected("card: not set up")
        if _remaining_s(attempt, reply.channel) <= 0:
            return OutOfTime()
        send = self._sending(attempt, reply.channel)
        claim = partial(self._claim_send, attempt, reply.dialogue_after)
        return await self._post(attempt, send, reply.prepared.body, claim)

    def _sending(self, attempt: Attempt | PushAttempt, channel: Channel) -> Send | None:
        """The way to send a body; None where the robot does not have it."""
        robot = attempt.robot
        if isinstance(attempt, PushAttempt):
            by_card = channel is Channel.CARD and robot.card
            return partial((by_card or robot.push).send, attempt.push)
        way = {
            Channel.WEBHOOK: self._webhook,
            Channel.PRIVATE: robot.private,
            Channel.CARD: robot.card,
        }.get(channel)
        return partial(way.send, attempt.message) if way else None

    async def _claim_send(self, attempt: Attempt | PushAttempt, dialogue_after: str) -> None:
        await self._ledger.claim_send(
            attempt.lease, facts=attempt.facts, dialogue_after=dialogue_after
        )
        if owner := current_owner.get():
            set_task_owner(owner._replace(sending_s=time.monotonic()))

    async def _post(
        self,
        attempt: Attempt | PushAttempt,
        send: Send | None,
        body: bytes,
        before_send: BeforeSend,
    ) -> DeliveryOutcome | OutOfTime:
        """Send a body as soon as there is a place on the wire."""
        if send is None:
            return Rejected("private: DINGDA_APP_KEY is not set")
        if attempt.remaining_s <= 0:
            return OutOfTime()
        # A burst of one skill's replies must not delay those of another.
        try:
            async with self._admission.posts.place(attempt.skill, within_s=attempt.remaining_s):
                return await send(body, before_send=before_send, timeout_s=attempt.remaining_s)
        except NoPlaceError:
            return OutOfTime()

    async def _carry_out(
        self,
        settlement: Finish | RetryLater | SendFallback,
        attempt: Attempt | PushAttempt,
        reply: OutgoingReply,
    ) -> None:
        """Do what was decided: finish the message, or give it back for another attempt."""
        lease = attempt.lease
        match settlement:
            case Finish(completion, sentence):
                # A claim has stored this already; what is sent without one has not.
                after = reply.dialogue_after if reply.channel is Channel.CARD else AS_STORED
                if await self._pushes_instead(completion, attempt, reply):
                    detail = f"{reply.completion.detail}; {PUSHED}".removeprefix("; ")
                    completion = replace(reply.completion, detail=detail)
                    after = reply.dialogue_after
                await self._lease_keeper.finish(
                    lease, completion, facts=attempt.facts, dialogue_after=after
                )
                if sentence and isinstance(attempt, Attempt):
                    await self.send_sentence(attempt, sentence)
            case RetryLater(pause_ms, kind, reason):
                retried = event("message.retried", reason=reason, pause_s=pause_ms / 1000)
                logger.info("%s; retry in %d ms", reason, pause_ms, extra=retried)
                await self._ledger.retry(
                    lease,
                    pause_ms=pause_ms,
                    prepared=reply.persisted,
                    kinds=(kind,),
                    reason=reason,
                    facts=attempt.facts,
                    dialogue_after=reply.dialogue_after if reply.persist else LEFT_ALONE,
                )
            case SendFallback(sentence, completion) if isinstance(attempt, Attempt):
                fallback = PreparedReply(encode_sentence(sentence, attempt.message), completion)
                await self._ledger.retry(
                    lease,
                    pause_ms=0,
                    prepared=fallback,
                    facts=attempt.facts,
                    dialogue_after=LEFT_ALONE,
                )
            case SendFallback(_, completion):  # of a push, which has none
                await self._lease_keeper.finish(lease, completion, facts=attempt.facts)

    async def _pushes_instead(
        self, completion: Completion, attempt: Attempt | PushAttempt, reply: OutgoingReply
    ) -> bool:
        """Push a reply that comes too late for its session; whether that was possible."""
        is_late = completion.reason is DeadReason.EXPIRED and reply.channel is Channel.WEBHOOK
        if not (is_late and isinstance(attempt, Attempt)):
            return False
        return await attempt.robot.late.push(attempt.message, reply.prepared)

    async def send_sentence(self, attempt: Attempt, sentence: str) -> None:
        """Send a sentence besides the answer; the message's outcome does not depend on it."""
        if attempt.session_s <= 0:
            return
        body = encode_sentence(sentence, attempt.message)
        send = self._sending(attempt, Channel.WEBHOOK)
        outcome = await self._post(attempt, send, body, _unclaimed)
        if not isinstance(outcome, Delivered | OutOfTime):
            logger.info("a notice was not delivered: %s", outcome.reason)


def _remaining_s(attempt: Attempt | PushAttempt, channel: Channel) -> float:
    """Seconds in which something may still be sent by a channel: a session closes earlier."""
    if isinstance(attempt, Attempt) and channel is Channel.WEBHOOK:
        return attempt.session_s
    return attempt.remaining_s


def _card_of(attempt: Attempt | PushAttempt) -> GrowingCard | None:
    """The card that an answer may grow on; a push has none."""
    return attempt.card if isinstance(attempt, Attempt) else None


async def _unclaimed() -> None:
    """A sentence besides the answer needs no claim."""
