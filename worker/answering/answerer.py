"""One message from its job to its end. Read this first.

Each message comes here once or more often (RQ may deliver twice, workers die), and the ledger lets
exactly one of them through each step. The way of one message:

1. `concurrent.py`: a job is taken off the queue; it holds a message's id.
2. `answer.py: Answerer.answer` takes a lease on the message, which `lease_keeper.py` renews.
3. `answer.py: Answerer._ask`: is it one too many, is it its turn, is there room?
4. `conversation.py: Conversation.reply` routes it, and asks the skill.
5. `outgoing.py: compose` makes of what is said the bytes to send.
6. `answer.py: Answerer._send` waits for a place on the wire, and picks the channel.
7. `webhook.py` or `private.py`: `send` says where to, and what the response means.
8. `post.py: post` makes the one POST.
9. `transport.py`: with the connection open, `Ledger.sending` claims the right to send.
10. `settlement.py: settle` decides what follows.
11. `answer.py: Answerer._carry_out` does it: an end, another attempt, or a plain sentence.
"""

import asyncio
import logging
from dataclasses import replace
from functools import partial

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.states import Completion, Lease, Outcome, PreparedReply
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.texts import LOOKING_UP, TOO_MANY
from dingda.worker.answering.admission import NoPlaceError
from dingda.worker.answering.attempt import Attempt
from dingda.worker.answering.lease_keeper import LeaseKeeper
from dingda.worker.answering.notice import noticing
from dingda.worker.answering.outgoing import OutgoingReply, compose, remark
from dingda.worker.answering.rate_limit import RateDecision, RateLimiter
from dingda.worker.answering.responder import Responder
from dingda.worker.answering.response import UNMATCHED
from dingda.worker.answering.routing import Route
from dingda.worker.answering.settlement import (
    Finish,
    RetryLater,
    SendFallback,
    SendNext,
    settle,
)
from dingda.worker.contained import TaskOwner, set_task_owner
from dingda.worker.delivery.channel import SendChannel
from dingda.worker.delivery.outcome import Delivered, DeliveryOutcome, OutOfTime, Rejected
from dingda.worker.delivery.transport import BeforeSend

logger = logging.getLogger(__name__)

_RATE_LIMITED = Completion(Outcome.DECLINED, detail="flood")


class Answerer:
    """Answers messages, any number of them at once on one event loop.

    Args:
        ledger: the truth about every message.
        conversation: knows what to say.
        webhook: sends replies to where the question came from.
        private: sends those that are for the sender alone; None where it is not set up.
        rate_limiter: bounds what one person or conversation may ask; None: no bounds.
        notice_after_s: seconds until the sender is told that the answer takes a while; 0: never.
        reply_parts: how many messages one reply may be sent in.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        conversation: Responder,
        webhook: SendChannel,
        private: SendChannel | None = None,
        rate_limiter: RateLimiter | None = None,
        notice_after_s: float = 0.0,
        reply_parts: int = 3,
    ) -> None:
        self._ledger = ledger
        self._leases = LeaseKeeper(ledger)
        self._conversation = conversation
        self._webhook = webhook
        self._private = private
        self._floods = rate_limiter
        self._admission = conversation.admission
        self._notice_after_s = notice_after_s
        self._reply_parts = reply_parts

    @property
    def held_leases(self) -> dict[str, Lease]:
        """The messages that are being answered just now, by their ids."""
        return self._leases.held_leases

    @property
    def most_at_once(self) -> int:
        """How many messages may be in hand at once, those included that wait for their skill."""
        return self._admission.most

    async def answer(self, message_id: str) -> None:
        """Take one message as far as it goes now: to an end, or to another attempt later."""
        set_task_owner(TaskOwner(message_id))
        lease = await self._ledger.lease(message_id)
        if not isinstance(lease, Lease):
            logger.info("message %.8s needs nothing: %s", message_id, lease)
            return
        failpoint("after-lease")
        deadline_s = asyncio.get_running_loop().time() + lease.remaining_ms / 1000
        async with self._leases.keep(lease):
            attempt = Attempt(lease, _parse(lease), deadline_s)
            kept = OutgoingReply(lease.prepared) if lease.prepared else None
            match kept or await self._ask(attempt):
                case None:
                    logger.info("message %.8s is put back for now", lease.id)
                case Completion() as completion:
                    await self._leases.finish(lease, completion)
                case OutgoingReply() as reply:
                    await self._send(attempt, reply)

    async def _ask(self, attempt: Attempt) -> OutgoingReply | Completion | None:
        """Find out what to say, with a word in between if that takes long.

        Returns:
            An end for silence; None if it was put back, as it is not its turn or its skill is full.
        """
        message, lease = attempt.message, attempt.lease
        if limited := await self._rate_limited(attempt):
            return limited
        route = self._conversation.route(message)
        if await self._put_back(lease, route):
            return None
        tell = partial(self._tell_to_wait, attempt)
        async with noticing(tell, after_s=self._notice_after_s, age_s=lease.age_ms / 1000):
            response = await self._conversation.respond(
                message, route, timeout_s=attempt.remaining_s
            )
        return compose(response, message, max_parts=self._reply_parts) if response else UNMATCHED

    async def _rate_limited(self, attempt: Attempt) -> OutgoingReply | Completion | None:
        """What ends a message that is one too many; None if it is not."""
        # Once a message: another attempt at it is not another message.
        if self._floods is None or attempt.lease.delivery_attempt > 1 or attempt.lease.was_put_back:
            return None
        match await self._floods.judge(attempt.message):
            case RateDecision.WARN:
                return OutgoingReply(
                    PreparedReply(remark(TOO_MANY, attempt.message), _RATE_LIMITED)
                )
            case RateDecision.DROP:
                return _RATE_LIMITED
            case RateDecision.PASS:
                return None

    async def _put_back(self, lease: Lease, route: Route | None) -> bool:
        """Put a message back if it is not its turn, or too many wait for its skill already."""
        overtakes = route is None or route.skill.overtakes
        if not (lease.is_first or overtakes) and await self._ledger.park(lease):
            return True
        if self._conversation.is_crowded(route, age_s=lease.age_ms / 1000):
            await self._ledger.release(lease, pause_ms=self._admission.rest_ms())
            return True
        return False

    async def _send(self, attempt: Attempt, reply: OutgoingReply) -> None:
        """Send a reply: what has several parts one after the other, each claimed on its own."""
        while True:
            claim = partial(self._ledger.claim_send, attempt.lease)
            channel = self._private if reply.private else self._webhook
            outcome = await self._post(attempt, channel, reply.prepared.body, claim)
            if isinstance(outcome, Delivered):
                failpoint("after-delivery")
            settlement = settle(
                outcome, reply, attempt.lease.failures, remaining_ms=attempt.remaining_s * 1000
            )
            if not isinstance(settlement, SendNext):
                await self._carry_out(settlement, attempt, reply)
                return
            reply = reply.next
            lease = await self._ledger.next_part(attempt.lease, reply.prepared)
            attempt = replace(attempt, lease=lease)
            failpoint("between-parts")

    async def _post(
        self, attempt: Attempt, channel: SendChannel | None, body: bytes, before_send: BeforeSend
    ) -> DeliveryOutcome | OutOfTime:
        """Send something by a channel as soon as there is a place on the wire."""
        if channel is None:
            return Rejected("private: DINGDA_APP_KEY is not set")
        if attempt.remaining_s <= 0:
            return OutOfTime()
        posts = self._admission.posts
        # Many replies of one skill at one moment must not keep another's waiting.
        route = self._conversation.route(attempt.message) if posts.is_busy else None
        try:
            async with posts.place(route.skill.name if route else "", within_s=attempt.remaining_s):
                return await channel.send(
                    attempt.message, body, before_send=before_send, timeout_s=attempt.remaining_s
                )
        except NoPlaceError:
            return OutOfTime()

    async def _carry_out(
        self, settlement: Finish | RetryLater | SendFallback, attempt: Attempt, reply: OutgoingReply
    ) -> None:
        """Do what was decided: write down an end, or give the message back for another attempt."""
        lease = attempt.lease
        match settlement:
            case Finish(completion, sentence):
                await self._leases.finish(lease, completion)
                if sentence:
                    await self._tell(attempt, sentence)
            case RetryLater(pause_ms, trouble, reason):
                logger.info("message %.8s: %s; again in %d ms", lease.id, reason, pause_ms)
                await self._ledger.retry(
                    lease, pause_ms=pause_ms, prepared=reply.kept, trouble=trouble, reason=reason
                )
            case SendFallback(sentence, completion):
                fallback = PreparedReply(remark(sentence, attempt.message), completion)
                await self._ledger.retry(lease, pause_ms=0, prepared=fallback)

    async def _tell_to_wait(self, attempt: Attempt) -> None:
        if await self._ledger.claim_notice(attempt.lease):
            await self._tell(attempt, LOOKING_UP)

    async def _tell(self, attempt: Attempt, sentence: str) -> None:
        """Say something besides the answer; whether it arrives decides nothing."""
        body = remark(sentence, attempt.message)
        outcome = await self._post(attempt, self._webhook, body, _unclaimed)
        if not isinstance(outcome, Delivered | OutOfTime):
            reason = outcome.reason
            logger.info("message %.8s: a remark was not delivered: %s", attempt.lease.id, reason)


def _parse(lease: Lease) -> Message:
    message = parse_message(lease.payload)
    if not isinstance(message, Message):
        # The gateway stores what can be answered; anything else was put there by somebody else.
        raise TypeError("the ledger holds a payload that is no message")
    return message


async def _unclaimed() -> None:
    """What is said besides the answer needs no claim."""
