"""From an event, a card action or a tick to the hooks of a robot's skills, and what comes of them.

Nothing is stored here: the worker carries out what follows, and tests read it.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from datetime import datetime
from typing import NamedTuple

from dingda.shared.dingtalk.card_action import CardAction
from dingda.shared.dingtalk.message import hash_of
from dingda.shared.dingtalk.notification import Notification
from dingda.shared.dingtalk.push import Push
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import Completion, Outcome
from dingda.shared.runtime.clock import china_now
from dingda.shared.runtime.failpoints import failpoint
from dingda.shared.runtime.task_owner import TaskOwner, current_owner
from dingda.worker.answering.actions import act
from dingda.worker.answering.admission import Admission, Places
from dingda.worker.answering.attempt_notes import AttemptNotes
from dingda.worker.answering.calling import (
    blocks,
    call_function,
    check_settings,
    raised_by_skill,
)
from dingda.worker.answering.cards import Press, RobotCards, press_in
from dingda.worker.answering.error_replies import completion_of_error
from dingda.worker.answering.metrics import AnsweringMetrics
from dingda.worker.answering.permissions import check_press_allowed
from dingda.worker.answering.responder import MAX_WAIT
from dingda.worker.answering.response import ANSWERED, as_reply
from dingda.worker.answering.safe_reply import safe_note
from dingda.worker.contained import contained, set_task_owner
from dingda.worker.sdk.actions import ActionHandler
from dingda.worker.sdk.context import HookContext
from dingda.worker.sdk.hooks import Hook
from dingda.worker.sdk.schedule import Schedule, shown_target
from dingda.worker.sdk.services import Services
from dingda.worker.sdk.skill import Skill
from dingda.worker.services.call_log import logging_calls
from dingda.worker.services.skill_clock import skill_time

_KEY_DIGITS = 16
"""How many hex digits tell the pushes of one tick apart."""


class FoundHook(NamedTuple):
    """A hook or an action that is to be called, and its skill."""

    skill: Skill
    hook: Hook | ActionHandler

    @property
    def label(self) -> str:
        """What its failures are counted by, over attempts and versions of the skill."""
        return f"{self.skill.name} {self.hook.label}"


class HookResult(NamedTuple):
    """What came of one call of a hook."""

    found: FoundHook
    completion: Completion
    notes: AttemptNotes

    @property
    def has_failed(self) -> bool:
        """Whether the hook is to be called again."""
        return self.completion.outcome is Outcome.DEAD


class HookCaller:
    """Calls the hooks of a robot's skills.

    Args:
        skills: in the order in which they are loaded.
        services: what hooks may use.
        threads: runs hooks that block.
        skill_timeout_s: seconds that a hook may take unless its skill sets its own.
        admission: the places of each skill, which its hooks share with its commands.
        now: the clock.
        metrics: counts the calls.
        cards: the robot's; None: presses of their buttons call nothing.
        new_notes: makes the notes of a call.
    """

    def __init__(  # noqa: PLR0913 - a room's parts, each by its name
        self,
        *,
        skills: Iterable[Skill],
        services: Services,
        threads: Executor,
        skill_timeout_s: float,
        admission: Admission | None = None,
        now: Callable[[], datetime] = china_now,
        metrics: AnsweringMetrics | None = None,
        cards: RobotCards | None = None,
        new_notes: Callable[[], AttemptNotes] = AttemptNotes,
    ) -> None:
        self._hooks = [(skill, hook) for skill in skills for hook in skill.hooks]
        self._services = services
        self._threads = threads
        self._skill_timeout_s = skill_timeout_s
        self._admission = admission or Admission()
        self._now = now
        self._metrics = metrics or AnsweringMetrics()
        self._cards = cards
        self._new_notes = new_notes

    def find(self, notification: Notification) -> list[FoundHook]:
        """The hooks for an event, a card action or a tick; of our own buttons the action."""
        if pressed := self._pressed(notification, ""):
            cards, press = pressed
            action = cards.find(press.action_name)
            return [FoundHook(*action)] if action else []
        kind, names = type(notification.subject), set(notification.names)
        return [
            FoundHook(skill, hook)
            for skill, hook in self._hooks
            if hook.subject is kind and not names.isdisjoint(hook.names)
        ]

    def is_crowded(self, hooks: Iterable[FoundHook]) -> bool:
        """Whether so many wait for one of the skills that this should wait in the ledger."""
        return any(self._places_of(found).is_full for found in hooks)

    async def call(
        self,
        found: FoundHook,
        notification: Notification,
        *,
        idempotency_key: str,
        timeout_s: float,
    ) -> HookResult:
        """Call one hook; whatever it raises becomes a completion.

        Args:
            found: the hook.
            notification: what it is called for.
            idempotency_key: names that, the same at each attempt.
            timeout_s: seconds until the deadline.
        """
        notes, skill = self._new_notes(), found.skill
        skill_timeout_s = skill.timeout_s or self._skill_timeout_s
        deadline_s = _now_s() + timeout_s
        within_s = min(MAX_WAIT * skill_timeout_s, timeout_s)
        ctx = HookContext(
            idempotency_key=idempotency_key,
            robot_code=notification.robot_code,
            now=self._now(),
            services=self._services,
        )
        began_s = _now_s()
        try:
            async with (
                # In one queue, which leaves places for every conversation.
                self._places_of(found).place("hooks", within_s=within_s),
                skill_time(skill_timeout_s, latest_s=deadline_s - _now_s()),
            ):
                began_s = _now_s()
                with logging_calls(notes.note_call):
                    note = await contained(self._run(found, notification, ctx))
            completion = ANSWERED
        except Exception as error:  # noqa: BLE001 - a hook may raise anything
            completion = completion_of_error(error, skill)
            note = safe_note(error)
            if completion.outcome is Outcome.DEAD:
                notes.note_error(raised_by_skill(error), found.hook.function)
        if completion.outcome is not Outcome.DEAD:
            await self._conclude(notification, idempotency_key, note)
        self._metrics.skill_ended(skill.name, completion.outcome, _now_s() - began_s)
        return HookResult(found, completion, notes)

    async def _run(self, found: FoundHook, notification: Notification, ctx: HookContext) -> str:
        """Call the function, and return what a card is to say of it."""
        skill, hook = found
        subject = notification.subject
        owner = current_owner.get() or TaskOwner(ctx.idempotency_key)
        set_task_owner(owner._replace(skill=skill.name))
        if isinstance(hook, ActionHandler):
            pressed = self._pressed(notification, ctx.idempotency_key)
            return await act(*pressed, ctx, self._threads) if pressed else ""
        if isinstance(subject, CardAction):
            check_press_allowed(skill, subject)
        check_settings(hook.settings, skill, self._services)
        if isinstance(subject, Push):
            raise TypeError("a push has no hooks")
        arguments = hook.bind(subject, ctx, self._services.settings)
        returned = await call_function(hook.function, arguments, self._threads)
        if hook.schedule:
            await _push_to_all(hook.schedule, returned, ctx)
            failpoint("after-ticked")
        return ""

    def _pressed(
        self, notification: Notification, press_id: str
    ) -> tuple[RobotCards, Press] | None:
        """The press of one of our own buttons; None if the notification is something else."""
        subject = notification.subject
        press = press_in(subject, press_id) if isinstance(subject, CardAction) else None
        return (self._cards, press) if self._cards and press else None

    async def _conclude(self, notification: Notification, press_id: str, note: str) -> None:
        """Let the card of a press show what came of it, if it is the one that decided."""
        if pressed := self._pressed(notification, press_id):
            cards, press = pressed
            await cards.conclude(press, note)

    def _places_of(self, found: FoundHook) -> Places:
        return self._admission.places_of(found.skill.name, blocks=blocks(found.hook.function))


async def _push_to_all(schedule: Schedule, returned: object, ctx: HookContext) -> None:
    """Push what a tick's function returned; what an earlier attempt has pushed is pushed once.

    Raises:
        BackendError: as `ctx.push`.
        InvalidReplyError: if it is no reply, or the schedule names nobody.
    """
    if returned is None:
        return
    reply = as_reply(returned)
    if not schedule.to:
        raise InvalidReplyError("reply", "the schedule names nobody to push it to: write to=…")
    for target in schedule.to:
        who = hash_of(shown_target(target))[:_KEY_DIGITS]
        await ctx.push(target, reply, key=f"{ctx.idempotency_key} {who}")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
