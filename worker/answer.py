"""The job itself, top to bottom: lease, parse, route, ask the skill, deliver, done.

Read this first. Each message comes here once or more often (RQ may deliver twice, workers die), and
the ledger lets exactly one of them through each step.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Literal, cast

from redis.exceptions import RedisError

from shared.errors import InvalidReplyError, LeaseLostError
from shared.ledger import End, Ending, Lease, Ledger, Prepared
from shared.message import Message, parse_message
from shared.reply import Reply, Text, to_body
from shared.texts import FAILED, REJECTED, TIMED_OUT
from worker.concurrent import STOPPED
from worker.delivery import Delivered, Delivery, Outcome, Refused, Retry, Unknown
from worker.routing import Route, Router
from worker.skill import Answer, Ask, RefusalError

logger = logging.getLogger(__name__)

_ANSWERED = Ending(End.ANSWERED)
_UNMATCHED = Ending(End.UNMATCHED)
_REFUSED = Ending(End.REFUSED)
_EXPIRED = Ending(End.DEAD, "expired")


class Answerer:
    """Answers messages, any number of them at once on one event loop.

    Args:
        ledger: the truth about every message.
        router: finds the skill.
        delivery: posts the reply.
        threads: runs skills that block.
        skill_timeout_s: seconds that a skill may take unless it sets its own.
        unmatched: whether what no skill wants gets the help.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        router: Router,
        delivery: Delivery,
        threads: Executor,
        skill_timeout_s: float,
        unmatched: Literal["empty", "help"],
    ) -> None:
        self._ledger = ledger
        self._router = router
        self._delivery = delivery
        self._threads = threads
        self._skill_timeout_s = skill_timeout_s
        self._unmatched = unmatched

    async def answer(self, message_id: str) -> None:
        """Take one message as far as it goes now: to an end, or to another attempt later."""
        lease = await self._ledger.lease(message_id)
        if not isinstance(lease, Lease):
            logger.info("message %.8s needs nothing: %s", message_id, lease)
            return
        deadline_s = _now_s() + lease.left_ms / 1000
        async with self._held(lease):
            message = _parse(lease)
            prepared = lease.prepared or await self._prepare(message, deadline_s)
            if prepared is None:
                await self._end(lease, _UNMATCHED)
                return
            if _now_s() >= deadline_s:
                await self._end(lease, _EXPIRED)
                return
            outcome = await self._deliver(message, lease, prepared, deadline_s)
            await self._conclude(message, lease, prepared, outcome, deadline_s)

    async def _prepare(self, message: Message, deadline_s: float) -> Prepared | None:
        """Find out what to reply, and which ending it will make; None for silence."""
        route = self._route(message)
        if route is None:
            return None
        ask = Ask(text=route.text, message=message)
        try:
            answer = await self._ask(route, ask, deadline_s)
            return _prepared(answer, _ANSWERED) if answer is not None else None
        except RefusalError as refusal:
            return _prepared(Text(ask.say(str(refusal)), at=ask.mention), _REFUSED)
        except TimeoutError:
            reason, apology = "failed: the skill took too long", TIMED_OUT
            logger.warning("skill %s took too long", route.skill.name)
        except InvalidReplyError as error:
            reason, apology = f"failed: invalid reply: {error}", FAILED
            logger.error(
                "skill %s made a reply that DingTalk would refuse: %s", route.skill.name, error
            )
        except Exception as error:
            reason, apology = f"failed: {type(error).__name__} in the skill", FAILED
            logger.exception("skill %s failed", route.skill.name)
        words = ask.say(apology.format(skill=route.skill.summary))
        return _prepared(Text(words, at=ask.mention), Ending(End.DEAD, reason))

    def _route(self, message: Message) -> Route | None:
        route = self._router.route(message.text)
        if route is None and self._unmatched == "help":
            return self._router.route("help")
        return route

    async def _ask(self, route: Route, ask: Ask, deadline_s: float) -> Answer:
        timeout_s = route.skill.timeout_s or self._skill_timeout_s
        async with asyncio.timeout(min(timeout_s, deadline_s - _now_s())):
            if inspect.iscoroutinefunction(route.function):
                return cast("Answer", await route.function(ask))
            loop = asyncio.get_running_loop()
            return cast("Answer", await loop.run_in_executor(self._threads, route.function, ask))

    async def _deliver(
        self, message: Message, lease: Lease, prepared: Prepared, deadline_s: float
    ) -> Outcome:
        return await self._delivery.post(
            message.session_webhook,
            prepared.body,
            before_send=partial(self._ledger.sending, lease),
            attempt=lease.attempt,
            left_s=deadline_s - _now_s(),
        )

    async def _conclude(
        self,
        message: Message,
        lease: Lease,
        prepared: Prepared,
        outcome: Outcome,
        deadline_s: float,
    ) -> None:
        """Write down what became of the reply."""
        match outcome:
            case Delivered():
                await self._end(lease, prepared.ending)
            case Unknown(reason):
                await self._end(lease, Ending(End.DEAD, f"unknown: {reason}"))
            case Retry(pause_ms, reason) if _now_s() + pause_ms / 1000 < deadline_s:
                logger.info("message %.8s: %s; again in %d ms", lease.id, reason, pause_ms)
                await self._ledger.retry(lease, pause_ms=pause_ms, prepared=prepared)
            case Retry(_, reason):
                await self._end(lease, Ending(End.DEAD, f"expired: {reason}"))
            case Refused(reason, for_content=True) if prepared.ending == _ANSWERED:
                # A plainer text may pass where this reply did not; it goes as another attempt.
                ask = Ask(text=message.text, message=message)
                ending = Ending(End.DEAD, f"failed: {reason}")
                plainer = _prepared(Text(ask.say(REJECTED), at=ask.mention), ending)
                await self._ledger.retry(lease, pause_ms=0, prepared=plainer)
            case Refused(reason):
                await self._end(lease, Ending(End.DEAD, f"failed: {reason}"))

    async def _end(self, lease: Lease, ending: Ending) -> None:
        await self._ledger.done(lease, ending)
        level = logging.WARNING if ending.end is End.DEAD else logging.INFO
        logger.log(level, "message %.8s %s %s", lease.id, ending.end, ending.reason)

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[None]:
        """Keep the lease while the answer is made, and leave the message in good order."""
        renewing = asyncio.create_task(self._renew(lease))
        try:
            yield
        except LeaseLostError:
            logger.warning("message %.8s was taken over by another worker", lease.id)
        except asyncio.CancelledError as cancelled:
            with suppress(LeaseLostError, RedisError, OSError):
                if cancelled.args == (STOPPED,):
                    await self._end(lease, Ending(End.DEAD, "failed: stopped by an operator"))
                else:
                    await self._ledger.hand_back(lease)
            raise
        except (RedisError, OSError):
            # The sweeper takes it from here: it knows what the ledger last heard.
            raise
        except Exception as error:
            with suppress(LeaseLostError):
                await self._end(lease, Ending(End.DEAD, f"failed: {type(error).__name__}"))
            raise
        finally:
            renewing.cancel()

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


def _prepared(answer: Reply | str, ending: Ending) -> Prepared:
    reply = Text(answer) if isinstance(answer, str) else answer
    if not isinstance(reply, Reply):
        why = f"a skill returns a reply, a string or None, not {type(reply).__name__}"
        raise InvalidReplyError("reply", why)
    return Prepared(to_body(reply), ending)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
