"""The way of one message from its job to its outcome. Read this first.

A message may come here more than once (RQ may deliver a job twice, workers die); the ledger lets
exactly one worker through each step. The way of one message:

1. `engine/concurrent_worker.py: ConcurrentWorker` takes a job off the queue: a message's id.
2. `answerer.py: Answerer.answer` takes a lease on the message, which `lease_keeper.py` renews, and
   finds the robot that it was sent to: the parts that are that robot's own (`robots.py`).
3. `answerer.py: Answerer._respond` checks the rate limit (`rate_limit.py`), the message's turn and
   the skill's room (`admission.py`).
4. `responder.py: Responder` finds the skill (`routing.py`), and calls it for senders who may use it
   (`permissions.py`).
5. `offering.py: encode_response` encodes it, in parts where it is long, and stores a card.
6. `sending.py: Sender.send` picks the channel and waits for a place on the wire.
7. `delivery/webhook.py`, `delivery/private.py` or `delivery/card.py`: `send` knows the URL, and
   reads the response by `delivery/classify.py`.
8. `delivery/post.py: post` makes the one POST.
9. `delivery/transport.py` takes a connection, opened while the skill worked
   (`Answerer._expect_reply`), and awaits `Ledger.claim_send` before it writes.
10. `settlement.py: settle` decides what follows.
11. `sending.py: Sender._carry_out` does it: `LeaseKeeper.finish`, a retry later, or a plain
    sentence instead.

A push begins at the fifth step, since what it says is made already: `pushes.py: PushRunner`. An
answer that grows on a card while its skill works (`growing_card.py`) is ended at the sixth.

An event or a card action, which has no sender to answer, leaves that way after its lease:
`hooks.py: HookRunner` calls the skills' hooks for it (`hook_caller.py`), and again those that fail.

What is observed meanwhile goes to four readers, and decides nothing: `Attempt.notes` to the ledger
(its journal and its dead letters), with the steps that it takes anyway; the `TaskOwner` of the task
to whatever line of the log is written for the message; `Tracing` to spans; `AnsweringMetrics` to
Prometheus. On a developer's machine the notes go to the simulator as well (`inspection.py`).
"""

import asyncio
import logging
import time
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import islice

from dingda.shared.dingtalk.message import Message, parse_message
from dingda.shared.dingtalk.notification import (
    Notification,
    is_notification,
    parse_notification,
)
from dingda.shared.dingtalk.push import Push
from dingda.shared.dingtalk.reply import Text
from dingda.shared.ledger.dialogues import AS_STORED
from dingda.shared.ledger.ledger import Ledger
from dingda.shared.ledger.schedules import Schedules
from dingda.shared.ledger.states import Completion, DeadReason, Lease, Outcome, PreparedReply
from dingda.shared.ledger.worker_report import MAX_DOING, HeldMessage
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.runtime.logs import event
from dingda.shared.runtime.task_owner import TaskOwner
from dingda.shared.runtime.tracing import Tracing
from dingda.shared.texts import LOOKING_UP, NOTHING_TO_SHOW, TOO_MANY
from dingda.worker.answering.admission import Admission
from dingda.worker.answering.attempt import Attempt, PushAttempt
from dingda.worker.answering.growing_card import abilities_of, closing_card
from dingda.worker.answering.hooks import HookAttempt, HookRunner
from dingda.worker.answering.inspection import NewNotes, only_notes
from dingda.worker.answering.lease_keeper import LeaseKeeper
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.notice import notice_after
from dingda.worker.answering.offering import encode_response
from dingda.worker.answering.outgoing import OutgoingReply, encode_sentence
from dingda.worker.answering.pushes import PushRunner
from dingda.worker.answering.rate_limit import RateDecision
from dingda.worker.answering.response import UNMATCHED, Response
from dingda.worker.answering.robots import AnsweringRobot, FindRobot
from dingda.worker.answering.sending import Sender
from dingda.worker.answering.unknown_robots import UnknownRobots
from dingda.worker.contained import set_task_owner
from dingda.worker.delivery.channel import Channel, SendChannel
from dingda.worker.language.text import localizer

logger = logging.getLogger(__name__)

_EXPIRED = Completion(Outcome.DEAD, DeadReason.EXPIRED)
_RATE_LIMITED = Completion(Outcome.DECLINED, detail="rate limit")


class Answerer:
    """Answers messages, any number of them at once on one event loop.

    Args:
        ledger: the truth about every message.
        find_robot: finds the parts of the robot that a message was sent to.
        webhook: sends replies to the conversation that the message came from.
        admission: the places of each skill, and those on the wire.
        notice_after_s: seconds until the sender is told that the answer takes a while; 0: never.
        reply_parts: how many messages one reply may be sent in.
        tracing: makes spans; None: traces nothing.
        metrics: counts what is no single robot's.
        schedules: where to note how ticks ended; None: nowhere.
        new_notes: makes the notes of an attempt.
    """

    def __init__(  # noqa: PLR0913 - a room's parts, each by its name
        self,
        *,
        ledger: Ledger,
        find_robot: FindRobot,
        webhook: SendChannel,
        admission: Admission,
        notice_after_s: float = 0.0,
        reply_parts: int = 3,
        tracing: Tracing | None = None,
        metrics: AnsweringMetrics | None = None,
        schedules: Schedules | None = None,
        new_notes: NewNotes = only_notes,
    ) -> None:
        metrics = metrics or AnsweringMetrics()
        self._ledger = ledger
        self._lease_keeper = LeaseKeeper(ledger, metrics)
        self._find_robot = find_robot
        self._unknown_robots = UnknownRobots(ledger, metrics)
        self._webhook = webhook
        self._admission = admission
        self._notice_after_s = notice_after_s
        self._reply_parts = reply_parts
        self._tracing = tracing or Tracing()
        self._sender = Sender(ledger, self._lease_keeper, webhook, admission, self._tracing)
        self._pushes = PushRunner(ledger, self._lease_keeper, self._sender, reply_parts=reply_parts)
        self._hooks = HookRunner(ledger, self._lease_keeper, admission, schedules)
        self._new_notes = new_notes
        self._attempts: dict[str, Attempt | HookAttempt | PushAttempt] = {}

    @property
    def held_leases(self) -> dict[str, Lease]:
        """The leases of the messages that are being answered, by message id."""
        return self._lease_keeper.held_leases

    def doing(self, now_ms: int) -> tuple[HeldMessage, ...]:
        """The messages that are being answered, the `MAX_DOING` that have been longest.

        Args:
            now_ms: the present, in ms since 1970; by it they say since when.
        """
        now_s = asyncio.get_running_loop().time()
        return tuple(
            HeldMessage(
                id=message_id,
                skill=attempt.skill,
                since_ms=now_ms - int((now_s - attempt.since_s) * 1000),
            )
            for message_id, attempt in islice(self._attempts.items(), MAX_DOING)
        )

    @property
    def max_concurrency(self) -> int:
        """How many messages may be held at once, including those that wait for their skill."""
        return self._admission.capacity

    async def answer(self, message_id: str) -> None:
        """Take one message as far as it goes now: to an outcome, or to another attempt later."""
        owner = TaskOwner(message_id, since_s=time.monotonic())
        set_task_owner(owner)
        lease = await self._ledger.lease(message_id)
        if not isinstance(lease, Lease):
            logger.info("nothing to do: %s", lease)
            return
        failpoint("after-lease")
        deadline_s = asyncio.get_running_loop().time() + lease.remaining_ms / 1000
        async with self._lease_keeper.keep(lease):
            content = _parse(lease)
            robot = self._find_robot(content.robot_code)
            if robot is None:
                await self._unknown_robots.put_back(lease, content.robot_code)
                return
            attempt = _attempt(lease, content, robot, deadline_s, self._new_notes)
            set_task_owner(owner._replace(skill=attempt.skill, attempt=lease.delivery_attempt))
            self._attempts[lease.id] = attempt
            try:
                with self._tracing.processing():
                    match attempt:
                        case HookAttempt():
                            await self._hooks.advance(attempt)
                        case PushAttempt():
                            await self._pushes.advance(attempt)
                        case Attempt():
                            with _thinking(attempt):
                                await self._advance(attempt)
            finally:
                self._attempts.pop(lease.id, None)

    async def _advance(self, attempt: Attempt) -> None:
        """Respond, or send the reply that an earlier attempt has made."""
        lease = attempt.lease
        channel = Channel.GROWING_CARD if lease.has_card else Channel.WEBHOOK
        persisted = OutgoingReply(lease.prepared, channel) if lease.prepared else None
        match persisted or await self._respond(attempt):
            case None:
                logger.info("put back for now", extra=event("message.put_back"))
            case Completion() as completion:
                after = attempt.dialogue_after_silence if completion is UNMATCHED else AS_STORED
                await self._lease_keeper.finish(
                    lease, completion, facts=attempt.facts, dialogue_after=after
                )
            case OutgoingReply() as reply:
                await self._sender.send(attempt, reply)

    async def _respond(self, attempt: Attempt) -> OutgoingReply | Completion | None:
        """Make the reply; the sender gets a notice if that takes long.

        Returns:
            A completion where nothing is to be sent; None if the message was put back, because it
            is not its turn or its skill is full.
        """
        message, age_s = attempt.message, attempt.lease.age_ms / 1000
        if attempt.session_s <= 0 and not attempt.robot.late.reaches(message):
            return _EXPIRED
        if limited := await self._rate_limited(attempt):
            return limited
        if await self._put_back(attempt):
            return None
        notify = partial(self._send_notice, attempt)
        with self._expect_reply(attempt), closing_card(attempt.card):
            async with notice_after(self._notice_after_s, notify, age_s=age_s):
                response = await attempt.robot.responder.respond(
                    message,
                    attempt.route,
                    timeout_s=attempt.remaining_s,
                    notes=attempt.notes,
                    abilities=abilities_of(attempt.card),
                )
        if attempt.card and await attempt.card.settle():
            response = response or _silence_on_card(attempt)
            if reply := await attempt.card.compose(response, message, max_parts=self._reply_parts):
                return reply
        if response is None:
            return UNMATCHED
        cards = attempt.robot.cards
        return await encode_response(response, message, cards, max_parts=self._reply_parts)

    def _expect_reply(self, attempt: Attempt) -> AbstractContextManager[None]:
        """Let the channel that the reply will most likely take open a connection meanwhile."""
        message, route = attempt.message, attempt.route
        if route is None:
            return nullcontext()
        is_private = route.skill.private and message.is_group
        channel = attempt.robot.private if is_private else self._webhook
        return channel.expect(message) if channel else nullcontext()

    async def _rate_limited(self, attempt: Attempt) -> OutgoingReply | Completion | None:
        """What ends a message that is over the rate limit; None if it is not."""
        lease, message, limiter = attempt.lease, attempt.message, attempt.robot.rate_limiter
        # A message is counted once, however many attempts it takes.
        if not limiter or lease.delivery_attempt > 1 or lease.was_put_back:
            return None
        match await limiter.judge(message, age_s=lease.age_ms / 1000):
            case RateDecision.WARN:
                warning = encode_sentence(TOO_MANY, message)
                return OutgoingReply(PreparedReply(warning, _RATE_LIMITED))
            case RateDecision.DROP:
                return _RATE_LIMITED
            case RateDecision.PASS:
                return None

    async def _put_back(self, attempt: Attempt) -> bool:
        """Put a message back if it is not its turn, or its skill's waiting room is full."""
        lease, route = attempt.lease, attempt.route
        # What nobody wants now may answer what an earlier message is about to ask.
        overtakes = route is not None and route.skill.overtakes
        if not (lease.is_first or overtakes) and await self._ledger.park(lease):
            return True
        if attempt.robot.responder.is_crowded(route, age_s=lease.age_ms / 1000):
            await self._ledger.release(lease, pause_ms=self._admission.pause_ms())
            return True
        return False

    async def _send_notice(self, attempt: Attempt) -> None:
        is_shown = attempt.card and attempt.card.is_shown
        if not is_shown and await self._ledger.claim_notice(attempt.lease):
            await self._sender.send_sentence(attempt, LOOKING_UP)


def _parse(lease: Lease) -> Message | Notification:
    if is_notification(lease.payload):
        return parse_notification(lease.payload)
    message = parse_message(lease.payload)
    if not isinstance(message, Message):
        # The gateway stores only messages; anything else was put there by another program.
        raise TypeError("the ledger holds a payload that is no message")
    return message


def _attempt(
    lease: Lease,
    content: Message | Notification,
    robot: AnsweringRobot,
    deadline_s: float,
    new_notes: NewNotes,
) -> Attempt | HookAttempt | PushAttempt:
    if isinstance(content, Notification):
        if isinstance(content.subject, Push):
            return PushAttempt(lease, content.subject, robot, deadline_s)
        return HookAttempt(lease, content, robot.hooks, deadline_s)
    route = robot.responder.route(content, lease.dialogue)
    card = None
    if robot.growing and route:
        card = robot.growing.of(lease, content, secret=route.is_secret)
    return Attempt(lease, content, robot, route, deadline_s, card, new_notes(lease.id))


def _thinking(attempt: Attempt) -> AbstractContextManager[None]:
    """Let the robot show that it works on a message that a skill wants."""
    reaction = attempt.robot.reaction
    return reaction.shown(attempt.message) if reaction and attempt.route else nullcontext()


def _silence_on_card(attempt: Attempt) -> Response:
    """The response that ends a card whose skill has shown its progress, and stays silent."""
    words = localizer(like=attempt.message.text)(NOTHING_TO_SHOW)
    return Response(Text(words), UNMATCHED, dialogue_after=attempt.dialogue_after_silence)
