"""From a message to the response: route it, and call the skill.

Nothing is stored or sent here: the worker delivers the response, and tests read it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from datetime import datetime
from typing import Any, Literal

from dingda.shared import texts
from dingda.shared.dingtalk.message import Message
from dingda.shared.dingtalk.reply import Markdown, Text
from dingda.shared.errors import DingdaError
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.runtime.clock import china_now
from dingda.shared.runtime.logs import class_name, trace
from dingda.shared.runtime.task_owner import TaskOwner, current_owner
from dingda.worker.answering.admission import Admission, Places
from dingda.worker.answering.attempt_notes import AttemptNotes
from dingda.worker.answering.calling import (
    blocks,
    call_function,
    check_settings,
    raised_by_skill,
)
from dingda.worker.answering.continuing import leave, respond_to_error, route_in_dialogue
from dingda.worker.answering.dialogue import ask
from dingda.worker.answering.error_replies import failed
from dingda.worker.answering.growing_text import title_of
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.permissions import check_allowed, refusal_in_group
from dingda.worker.answering.response import (
    ANSWERED,
    DECLINED,
    UNMATCHED,
    Response,
    as_reply,
    check_channel,
)
from dingda.worker.answering.routing import Route, Router
from dingda.worker.answering.safe_reply import question_back, sentence
from dingda.worker.answering.text_presses import TextPresses
from dingda.worker.answering.unmatched import hint
from dingda.worker.contained import contained, is_cancelled, set_task_owner
from dingda.worker.errors import ArgumentNeeded, ClarificationNeeded, RefusalError
from dingda.worker.sdk.abilities import Abilities
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.people import Named, look_up
from dingda.worker.sdk.question import Question
from dingda.worker.sdk.services import Services
from dingda.worker.services.call_log import logging_calls
from dingda.worker.services.skill_clock import skill_time

logger = logging.getLogger(__name__)

MAX_WAIT = 2
"""How long a message may wait for a place of its skill, as a multiple of the skill's timeout."""
_GROUP_NOT_LISTED = Completion(Outcome.DECLINED, detail="the group is not among the robot's")


class _NotForThisStepError(DingdaError):
    """A step can't read a message, which may be meant for another skill."""

    def __init__(self, route: Route, why: ArgumentNeeded) -> None:
        super().__init__(str(why))
        self.route = route
        self.why = why


class Responder:
    """Makes the response to a message.

    Args:
        router: finds the skill.
        services: what skills may use.
        threads: runs skills that block.
        skill_timeout_s: seconds that a skill may take unless it sets its own.
        unmatched: the response to a message that no skill wants: a hint where one is expected, the
            help, or nothing.
        admission: the places of each skill.
        now: the clock.
        metrics: counts the calls of skills, and what the answerer does.
        conversations: the groups to answer in, by their ids; empty: all.
        presses: takes the texts that buttons send; None: nothing does.
    """

    def __init__(  # noqa: PLR0913 - a room's parts, each by its name
        self,
        *,
        router: Router,
        services: Services,
        threads: Executor,
        skill_timeout_s: float,
        unmatched: Literal["hint", "help", "empty"],
        admission: Admission | None = None,
        now: Callable[[], datetime] = china_now,
        metrics: AnsweringMetrics | None = None,
        conversations: Collection[str] = (),
        presses: TextPresses | None = None,
    ) -> None:
        self._router = router
        self._services = services
        self._threads = threads
        self._skill_timeout_s = skill_timeout_s
        self._unmatched = unmatched
        self._admission = admission or Admission()
        self._now = now
        self.metrics = metrics or AnsweringMetrics()
        self._conversations = conversations
        self._presses = presses

    def route(self, message: Message, asked: str = "") -> Route | None:
        """Find the skill by the message's words, else by what it carries, else by its quotation.

        Only a message without words of its own is routed by the other two.

        Args:
            message: the message.
            asked: what its sender was asked before, `Lease.dialogue`.
        """
        if self._presses and (route := self._presses.route(message)):
            return route
        if asked and (route := route_in_dialogue(self._router, message, asked)):
            return route
        if message.own_words.strip():
            return self._router.route(message.own_words)
        if route := self._router.route_sent(message):
            return route
        quoted = message.quoted
        if quoted is None or quoted.is_bots:
            return None
        route = self._router.route(quoted.text)
        # Another person's words must not bring up what is for the sender alone.
        return None if route is None or route.skill.private else route

    def is_crowded(self, route: Route | None, *, age_s: float) -> bool:
        """Whether so many messages wait for the skill that this one should go back to the ledger.

        Args:
            route: to the skill.
            age_s: how long ago the message came, in seconds. An old one never goes back: its sender
                is to get a response.
        """
        if route is None or age_s > MAX_WAIT * self._timeout_s(route):
            return False
        return self._places_of(route).is_full

    async def respond(
        self,
        message: Message,
        route: Route | None,
        *,
        timeout_s: float,
        notes: AttemptNotes | None = None,
        abilities: Abilities | None = None,
    ) -> Response | None:
        """Make the response to a message by the skill that `route` found for it.

        Args:
            message: the message.
            route: to the skill; None where no skill wants the message.
            timeout_s: seconds until the deadline.
            notes: where to note the skill's work; None: nowhere.
            abilities: what the skill can do in this call; None: what needs nobody.

        Returns:
            The response; None for silence.
        """
        notes = notes or AttemptNotes()
        try:
            ctx = self._context(message, route, abilities or Abilities())
            if refusal := refusal_in_group(message, self._conversations):
                return Response(sentence(ctx, refusal), _GROUP_NOT_LISTED)
            if route is None:
                return await self._respond_unmatched(ctx, timeout_s, notes)
            return await self._ask_skill(route, ctx, timeout_s, notes)
        except BaseException as error:
            if is_cancelled(error):
                raise
            # A hint or a Context may raise, too.
            notes.note_error(error, route and route.command.function)
            logger.error("no response: %s", trace(error))
            return Response(Text(texts.LAST_RESORT), failed(f"{class_name(error)} in the skill"))

    def _context(self, message: Message, route: Route | None, abilities: Abilities) -> Context:
        is_step = route and route.is_step and route.dialogue
        return Context(
            text=route.text if route else self._router.words_in(message.own_words),
            message=message,
            idempotency_key=message.id,
            robot_code=message.robot_code,
            now=self._now(),
            services=self._services,
            abilities=abilities,
            names=route.names if route else (),
            kept=is_step.keep if is_step else {},
        )

    async def _respond_unmatched(
        self, ctx: Context, timeout_s: float, notes: AttemptNotes
    ) -> Response | None:
        match self._unmatched:
            case "hint":
                reply = hint(ctx, self._router)
                return Response(reply, UNMATCHED) if reply else None
            case "help":
                route = self._router.route("help")
                similar = self._router.similar(ctx.text)
                if similar or route is None:
                    return Response(question_back(ctx, texts.DID_YOU_MEAN, similar), DECLINED)
                return await self._ask_skill(route, ctx, timeout_s, notes)
            case "empty":
                return None

    async def _ask_skill(
        self, route: Route, ctx: Context, timeout_s: float, notes: AttemptNotes
    ) -> Response | None:
        """Call the skill; whatever it raises becomes a sentence for the sender."""
        skill_timeout_s, deadline_s = self._timeout_s(route), _now_s() + timeout_s
        within_s = min(MAX_WAIT * skill_timeout_s, timeout_s)
        began_s = _now_s()
        try:
            async with (
                self._places_of(route).place(ctx.message.conversation_id, within_s=within_s),
                skill_time(skill_timeout_s, latest_s=deadline_s - _now_s()),
            ):
                began_s = _now_s()
                with logging_calls(notes.note_call):
                    response = await contained(self._run_skill(route, ctx, notes))
        except _NotForThisStepError as error:
            other_ctx = self._context(ctx.message, error.route, ctx.abilities)
            response = await self._ask_skill(error.route, other_ctx, timeout_s, notes)
            return response or respond_to_error(error.why, route, ctx, reading=True)
        except Exception as error:  # noqa: BLE001 - a skill may raise anything
            response = respond_to_error(error, route, ctx)
            if response.completion.outcome is Outcome.DEAD:
                notes.note_error(raised_by_skill(error), route.command.function)
        outcome = response.completion.outcome if response else UNMATCHED.outcome
        self.metrics.skill_ended(route.skill.name, outcome, _now_s() - began_s)
        return response

    def _timeout_s(self, route: Route) -> float:
        return route.skill.timeout_s or self._skill_timeout_s

    def _places_of(self, route: Route) -> Places:
        return self._admission.places_of(route.skill.name, blocks=blocks(route.command.function))

    async def _run_skill(self, route: Route, ctx: Context, notes: AttemptNotes) -> Response | None:
        """Run the skill's own code: its settings, its slots, its function, its reply."""
        skill, command = route.skill, route.command
        notes.note_command(skill, command, is_answer=route.is_step)
        owner = current_owner.get() or TaskOwner(ctx.message.id)
        set_task_owner(owner._replace(skill=skill.name))
        moved = bool(route.is_step and route.dialogue and route.dialogue.moved)
        private = check_allowed(skill, ctx, moved=moved)
        check_settings(command.signature.settings, skill, self._services)
        try:
            arguments = await self._read_arguments(route, ctx)
        except (ClarificationNeeded, RefusalError) as error:
            if route.otherwise and isinstance(error, ArgumentNeeded):
                raise _NotForThisStepError(route.otherwise, error) from None
            return respond_to_error(error, route, ctx, reading=True)
        notes.note_arguments(command, arguments)
        returned = await call_function(command.function, arguments, self._threads)
        if returned is None:
            returned = _written(ctx.abilities.answer.text)
        if returned is None:
            return None
        if issubclass(type(returned), Question):
            return ask(returned, skill, ctx, private=private)
        reply = as_reply(returned)
        check_channel(reply, private=private)
        response = Response(reply, ANSWERED, private=private, persist=not skill.private)
        return leave(response, route)

    async def _read_arguments(self, route: Route, ctx: Context) -> dict[str, Any]:
        arguments = route.command.signature.bind(
            route.arguments,
            usage=route.command.usage,
            ctx=ctx,
            now=ctx.now,
            settings=self._services.settings,
        )
        for name, value in arguments.items():
            if isinstance(value, Named):
                arguments[name] = await look_up(value, ctx.message, self._services.dingtalk)
        return arguments


def _written(text: str) -> Markdown | None:
    """What a skill has written instead of returning it; None if that is nothing."""
    return Markdown(title_of(text), text) if text.strip() else None


def _now_s() -> float:
    return asyncio.get_running_loop().time()
