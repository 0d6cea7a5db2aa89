"""The job itself, top to bottom: lease, parse, route, ask the skill, deliver, done.

Read this first. Each message comes here once or more often (RQ may deliver twice, workers die), and
the ledger lets exactly one of them through each step.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TypeGuard

from redis.exceptions import RedisError

from dingda.shared.errors import LeaseLostError
from dingda.shared.failpoints import failpoint
from dingda.shared.ledger import Ledger
from dingda.shared.logs import class_name
from dingda.shared.message import Message, parse_message
from dingda.shared.reply import MAX_BODY_BYTES, Reply, Text, to_body
from dingda.shared.states import DeadReason, End, Ending, Lease, Prepared
from dingda.shared.texts import (
    ASK_PRIVATELY,
    CUT_OFF,
    LOOKING_UP,
    REJECTED,
    REST_REJECTED,
    SENT_PRIVATELY,
    TOO_MANY,
)
from dingda.worker.admission import NoPlaceError
from dingda.worker.contained import STOPPED, Subject, is_cancelled, work_for
from dingda.worker.conversation import ANSWERED, UNMATCHED, Conversation, Said
from dingda.worker.delivery import Delivery
from dingda.worker.dingtalk import MAX_PRIVATE_BYTES, DingTalk
from dingda.worker.flood import FloodLimits, Verdict
from dingda.worker.outcome import Again, Delivered, Outcome, Refused, TooLate, Unknown, decide
from dingda.worker.routing import Route
from dingda.worker.splitting import split
from dingda.worker.text import is_traditional, to_traditional

logger = logging.getLogger(__name__)

_FLOOD = Ending(End.REFUSED, detail="flood")
_NOTICE_GRACE_S = 0.5


_Letter = Prepared | Said
"""A reply that may be kept for another attempt, or one that is secret."""


class Answerer:
    """Answers messages, any number of them at once on one event loop.

    Args:
        ledger: the truth about every message.
        conversation: knows what to say.
        delivery: posts replies to where the question came from.
        dingtalk: sends private ones; None where it is not set up.
        floods: bounds what one person or conversation may ask; None: no bounds.
        notice_after_s: seconds until the asker is told that the answer takes a while; 0: never.
        reply_parts: how many messages one reply may be sent in.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        conversation: Conversation,
        delivery: Delivery,
        dingtalk: DingTalk | None = None,
        floods: FloodLimits | None = None,
        notice_after_s: float = 0.0,
        reply_parts: int = 3,
    ) -> None:
        self._ledger = ledger
        self._conversation = conversation
        self._delivery = delivery
        self._dingtalk = dingtalk
        self._floods = floods
        self._admission = conversation.admission
        self._notice_after_s = notice_after_s
        self._reply_parts = reply_parts
        self.in_hand: dict[str, Lease] = {}
        """The messages that are being answered just now, by their ids."""

    @property
    def most_at_once(self) -> int:
        """How many messages may be in hand at once, those included that wait for their skill."""
        return self._admission.most

    async def answer(self, message_id: str) -> None:
        """Take one message as far as it goes now: to an end, or to another attempt later."""
        work_for(Subject(message_id))
        lease = await self._ledger.lease(message_id)
        if not isinstance(lease, Lease):
            logger.info("message %.8s needs nothing: %s", message_id, lease)
            return
        failpoint("after-lease")
        deadline_s = _now_s() + lease.left_ms / 1000
        async with self._held(lease):
            message = _parse(lease)
            letter = lease.prepared or await self._ask(message, lease, deadline_s)
            if letter is None:
                logger.info("message %.8s is put back for now", lease.id)
            elif isinstance(letter, Ending):
                await self._end(lease, letter)
            else:
                await self._send(message, lease, letter, deadline_s)

    async def _ask(
        self, message: Message, lease: Lease, deadline_s: float
    ) -> _Letter | Ending | None:
        """Find out what to say, with a word in between if that takes long.

        Returns:
            An end for silence; None if it was put back, as it is not its turn or its skill is full.
        """
        if flooded := await self._flooded(message, lease):
            return flooded
        route = self._conversation.route(message)
        if await self._put_back(lease, route):
            return None
        async with self._noticing(message, lease, deadline_s):
            left_s = deadline_s - _now_s()
            said = await self._conversation.reply(message, route, left_s=left_s)
        return self._letter(message, said) if said else UNMATCHED

    async def _flooded(self, message: Message, lease: Lease) -> _Letter | Ending | None:
        """What ends a message that is one too many; None if it is not."""
        # Once a message: another attempt at it is not another message.
        if self._floods is None or lease.attempt > 1 or lease.was_put_back:
            return None
        match await self._floods.judge(message):
            case Verdict.TELL:
                return Prepared(to_body(_remark(message, TOO_MANY)), _FLOOD)
            case Verdict.DROP:
                return _FLOOD
            case Verdict.PASS:
                return None

    async def _put_back(self, lease: Lease, route: Route | None) -> bool:
        """Put a message back if it is not its turn, or too many wait for its skill already."""
        overtakes = route is None or route.skill.overtakes
        if not (lease.is_first or overtakes) and await self._ledger.park(lease):
            return True
        if self._conversation.is_crowded(route, age_s=lease.age_ms / 1000):
            await self._ledger.hand_back(lease, pause_ms=self._admission.rest_ms())
            return True
        return False

    def _letter(self, message: Message, said: Said) -> _Letter:
        """Make what can be sent of what is said: in parts, or cut."""
        cut_off = _in_script_of(message, CUT_OFF)
        if said.secret:
            # Parts that wait for their turn would have to be kept in Redis.
            max_bytes = MAX_PRIVATE_BYTES if said.private else MAX_BODY_BYTES
            (cut,) = split(said.reply, max_parts=1, cut_off=cut_off, max_bytes=max_bytes)
            return replace(said, reply=cut)
        parts = split(said.reply, max_parts=self._reply_parts, cut_off=cut_off)
        first, *rest = map(to_body, parts)
        return Prepared(first, said.ending, tuple(rest))

    async def _send(
        self, message: Message, lease: Lease, letter: _Letter, deadline_s: float
    ) -> None:
        """Send a reply: what has several parts one after the other, each claimed on its own."""
        while _now_s() < deadline_s:
            try:
                async with self._place_on_wire(message, deadline_s):
                    outcome = await self._post(message, lease, letter, deadline_s)
            except NoPlaceError:
                break
            if not (
                isinstance(outcome, Delivered) and isinstance(letter, Prepared) and letter.rest
            ):
                await self._conclude(message, lease, letter, outcome, deadline_s)
                return
            failpoint("after-delivery")
            letter = letter.next
            lease = await self._ledger.next_part(lease, letter)
            failpoint("between-parts")
        await self._end(lease, _dead(DeadReason.EXPIRED, "", letter))

    def _place_on_wire(
        self, message: Message, deadline_s: float
    ) -> AbstractAsyncContextManager[None]:
        posts = self._admission.posts
        # Many replies of one skill at one moment must not keep another's waiting.
        route = self._conversation.route(message) if posts.is_busy else None
        return posts.place(route.skill.name if route else "", within_s=deadline_s - _now_s())

    async def _post(
        self, message: Message, lease: Lease, letter: _Letter, deadline_s: float
    ) -> Outcome:
        claim = partial(self._ledger.sending, lease)
        left_s = deadline_s - _now_s()
        if _is_private(letter):
            if self._dingtalk is None:
                return Refused("private: DINGDA_APP_KEY is not set")
            return await self._dingtalk.send_privately(
                message.sender_staff_id,
                letter.reply,
                before_send=claim,
                left_s=left_s,
            )
        return await self._delivery.post(
            message.session_webhook,
            letter.body if isinstance(letter, Prepared) else to_body(letter.reply),
            before_send=claim,
            left_s=left_s,
        )

    async def _conclude(
        self,
        message: Message,
        lease: Lease,
        letter: _Letter,
        outcome: Outcome,
        deadline_s: float,
    ) -> None:
        """Write down what became of the reply."""
        private = _is_private(letter)
        # What is secret stays out of Redis: another attempt asks the skill again.
        kept = letter if isinstance(letter, Prepared) else None
        match decide(outcome, lease.failures, (deadline_s - _now_s()) * 1000):
            case Delivered():
                failpoint("after-delivery")
                await self._end(lease, letter.ending)
                if private:
                    await self._tell(message, SENT_PRIVATELY, deadline_s)
            case Unknown(reason):
                await self._end(lease, _dead(DeadReason.UNKNOWN, reason, letter))
            case Again(pause_ms, trouble, reason):
                logger.info("message %.8s: %s; again in %d ms", lease.id, reason, pause_ms)
                await self._ledger.retry(
                    lease, pause_ms=pause_ms, prepared=kept, trouble=trouble, reason=reason
                )
            case TooLate(reason):
                await self._end(lease, _dead(DeadReason.EXPIRED, reason, letter))
            case Refused(reason, for_content) if letter.ending == ANSWERED and (
                for_content or private
            ):
                # A plain text may pass where this reply did not; it goes as another attempt.
                rejected = REST_REJECTED if kept and kept.shown else REJECTED
                sentence = ASK_PRIVATELY if private else rejected
                ending = _dead(DeadReason.FAILED, reason, letter)
                plainer = Prepared(to_body(_remark(message, sentence)), ending)
                await self._ledger.retry(lease, pause_ms=0, prepared=plainer)
            case Refused(reason):
                await self._end(lease, _dead(DeadReason.FAILED, reason, letter))

    @asynccontextmanager
    async def _noticing(
        self, message: Message, lease: Lease, deadline_s: float
    ) -> AsyncIterator[None]:
        """Tell the asker once, if the answer takes a while from when the question was asked."""
        if not self._notice_after_s:
            yield
            return
        begun = asyncio.Event()

        async def notice() -> None:
            # A quick answer after a long wait needs no word before it.
            left_s = self._notice_after_s - lease.age_ms / 1000
            await asyncio.sleep(max(left_s, min(self._notice_after_s, _NOTICE_GRACE_S)))
            begun.set()
            if await self._ledger.notice(lease):
                await self._tell(message, LOOKING_UP, deadline_s)

        noticing = asyncio.create_task(notice())
        try:
            yield
        finally:
            # Once begun it is waited for, or it could be shown after the answer.
            if not begun.is_set():
                noticing.cancel()
            await asyncio.gather(noticing, return_exceptions=True)

    async def _tell(self, message: Message, sentence: str, deadline_s: float) -> None:
        """Say something besides the answer; whether it arrives decides nothing."""
        try:
            async with self._place_on_wire(message, deadline_s):
                outcome = await self._delivery.post(
                    message.session_webhook,
                    to_body(_remark(message, sentence)),
                    before_send=_unclaimed,
                    left_s=deadline_s - _now_s(),
                )
        except NoPlaceError:
            return
        if not isinstance(outcome, Delivered):
            logger.info("message %.8s: a remark was not delivered: %s", message.id, outcome.reason)

    async def _end(self, lease: Lease, ending: Ending) -> None:
        await self._ledger.done(lease, ending)
        level = logging.WARNING if ending.end is End.DEAD else logging.INFO
        logger.log(level, "message %.8s is %s", lease.id, ending)

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[None]:
        """Keep the lease while the answer is made, and leave the message in good order."""
        renewing = asyncio.create_task(self._renew(lease))
        self.in_hand[lease.id] = lease
        try:
            yield
        except LeaseLostError:
            logger.warning("message %.8s was taken over by another worker", lease.id)
        except (RedisError, OSError):
            # The sweeper takes it from here: it knows what the ledger last heard.
            raise
        except BaseException as error:
            if is_cancelled(error):
                with suppress(LeaseLostError, RedisError, OSError):
                    await self._let_go(lease, stopped=STOPPED.explains(error))
            else:
                with suppress(LeaseLostError):
                    failed = Ending(End.DEAD, DeadReason.FAILED, class_name(error))
                    await self._end(lease, failed)
            raise
        finally:
            renewing.cancel()
            del self.in_hand[lease.id]

    async def _let_go(self, lease: Lease, *, stopped: bool) -> None:
        """Leave a message that is in hand: to the next worker, or for good if it was stopped."""
        if stopped:
            # Refused while the reply may be on the wire: the sweeper calls that unknown.
            await self._ledger.renew(lease)
            stopped_by = "stopped by an operator"
            await self._end(lease, Ending(End.DEAD, DeadReason.FAILED, stopped_by))
        else:
            await self._ledger.hand_back(lease)

    async def _renew(self, lease: Lease) -> None:
        """Renew until cancelled, or until there is nothing left to renew."""
        with suppress(LeaseLostError):
            while True:
                await asyncio.sleep(self._ledger.lease_ms / 4000)
                try:
                    await self._ledger.renew(lease)
                except (RedisError, OSError):
                    logger.warning("message %.8s: the lease could not be renewed", lease.id)


def _parse(lease: Lease) -> Message:
    message = parse_message(lease.payload)
    if not isinstance(message, Message):
        # The gateway stores what can be answered; anything else was put there by somebody else.
        raise TypeError("the ledger holds a payload that is no message")
    return message


def _is_private(letter: _Letter) -> TypeGuard[Said]:
    return isinstance(letter, Said) and letter.private


def _dead(reason: DeadReason, detail: str, letter: _Letter) -> Ending:
    """A dead letter, which says which part of a reply it was."""
    part = letter.part if isinstance(letter, Prepared) else ""
    if part:
        detail = f"{detail} ({part})" if detail else part
    return Ending(End.DEAD, reason, detail)


def _remark(message: Message, sentence: str) -> Reply:
    return Text(_in_script_of(message, sentence))


def _in_script_of(message: Message, sentence: str) -> str:
    return to_traditional(sentence) if is_traditional(message.text) else sentence


async def _unclaimed() -> None:
    """What is said besides the answer needs no claim."""


def _now_s() -> float:
    return asyncio.get_running_loop().time()
