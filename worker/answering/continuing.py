"""What a message means in a dialogue: an answer, a command that leaves it, or neither.

In this order: a choice that was offered; 取消; a command by its name; whatever the step can read. A
pattern in a sentence counts only if the step can't read that.
"""

from dataclasses import replace

from dingda.shared.dingtalk.message import Message
from dingda.shared.ledger.dialogues import AS_STORED, CLOSED, LATE
from dingda.shared.texts import CANCELLED, QUESTION_EXPIRED, TOO_LONG
from dingda.worker.answering.dialogue import Dialogue
from dingda.worker.answering.error_replies import response_to_error
from dingda.worker.answering.mentions import Reading
from dingda.worker.answering.response import Response
from dingda.worker.answering.routing import Readings, Route, Router, route_to
from dingda.worker.answering.safe_reply import question_back
from dingda.worker.errors import ArgumentNeeded, ClarificationNeeded, RefusalError
from dingda.worker.language.text import MAX_CHARS, FoldedText, fold
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.skill import Command, Skill

_CANCEL = frozenset({"取消", "算了", "cancel"})
_OWN = Skill("dialogue", summary="接着刚才的问题")
"""What the bot itself says in a dialogue."""


@_OWN.step
async def cancel(ctx: Context) -> str:
    """The dialogue is left."""
    return ctx.localize(CANCELLED)


@_OWN.step
async def expire(ctx: Context) -> str:
    """The answer came too late, or this version knows the step no longer."""
    return ctx.localize(QUESTION_EXPIRED)


@_OWN.step
async def shorten() -> str:
    """The answer is too long."""
    raise ClarificationNeeded(TOO_LONG)


def route_in_dialogue(router: Router, message: Message, asked: str) -> Route | None:
    """Find the way of a message whose sender was asked something.

    Args:
        router: of the robot that asked.
        message: what came.
        asked: what the ledger has of it, `Lease.dialogue`.

    Returns:
        The way; None if the message has nothing to do with the dialogue.
    """
    dialogue = None if asked == LATE else Dialogue.from_json(asked)
    step = dialogue and router.find_step(dialogue.skill, dialogue.step)
    if not (dialogue and step):
        return _expired(router, message)
    if not message.own_words.strip():
        is_answer = step[1].signature.is_sent_something(message)
        return _step(*step, Reading.of(""), dialogue) if is_answer else None
    readings = router.readings(message.own_words)
    if readings is None:
        return _say("shorten", dialogue, is_step=True)
    return _by_words(router, readings, dialogue, step)


def respond_to_error(
    error: BaseException, route: Route, ctx: Context, *, reading: bool = False
) -> Response:
    """The response to an error, and what it does to the dialogue.

    A missing argument may come with the next message. A question stays open where its answer could
    not be read, or was asked about; a refusal by the skill ends it.

    Args:
        error: what the skill raised, or what kept it from being called.
        route: of the message.
        ctx: of the message.
        reading: whether reading the arguments raised it.
    """
    response = response_to_error(error, route.skill, ctx)
    if not isinstance(error, ClarificationNeeded | RefusalError):
        return response
    if isinstance(error, ArgumentNeeded) and not error.rest and _can_be_kept(error, route, ctx):
        asked = Dialogue(
            route.skill.name,
            route.command.function.__name__,
            keep=ctx.kept,
            words=route.arguments.original,
            text=ctx.text,
            lacking=error.lacking,
        )
        return replace(response, dialogue_after=asked.opened())
    is_answer = route.is_step and (reading or isinstance(error, ClarificationNeeded))
    if not (route.dialogue and is_answer):
        return leave(response, route)
    if isinstance(error, ArgumentNeeded) and route.dialogue.choices:
        return replace(response, reply=question_back(ctx, error, route.dialogue.choices))
    return response


def leave(response: Response, route: Route) -> Response:
    """The same response, which closes the dialogue that the message was in, if any."""
    return replace(response, dialogue_after=CLOSED) if route.dialogue else response


def dialogue_after(response: Response | None, route: Route | None) -> str:
    """What a response does to the dialogue of its sender; None is a skill's silence."""
    if response:
        return response.dialogue_after
    return CLOSED if route and route.dialogue else AS_STORED


def _can_be_kept(error: ArgumentNeeded, route: Route, ctx: Context) -> bool:
    """Whether the next message can be read behind this one."""
    command, message = route.command, ctx.message
    if not message.ordering_key or (route.dialogue and route.dialogue.lacking == error.lacking):
        return False  # nobody is known to go on, or this message has brought nothing new
    found = route.skill.find_step(command.function.__name__)
    # What it says beside its words would be missed then.
    beside = command.signature.is_sent_something(message)
    beside = beside or command.signature.is_about_people(message, ctx.names)
    return found is not None and found.function is command.function and not beside


def _by_words(
    router: Router, readings: Readings, dialogue: Dialogue, step: tuple[Skill, Command]
) -> Route:
    typed = {reading.words.normalized for reading in readings}
    if chosen := next((each for each in dialogue.choices if fold(each) in typed), None):
        return _step(*step, Reading.of(chosen), dialogue)
    if typed & _CANCEL:
        return _say("cancel", dialogue)
    if named := router.by_name(readings):
        return replace(named, dialogue=dialogue)
    if len(dialogue.text) + len(readings.first.text) >= MAX_CHARS:
        return _say("shorten", dialogue, is_step=True)
    otherwise = router.by_pattern(readings)
    return replace(
        _step(*step, readings.first, dialogue),
        otherwise=otherwise and replace(otherwise, dialogue=dialogue),
    )


def _step(skill: Skill, step: Command, answer: Reading, dialogue: Dialogue) -> Route:
    """The way to a step, which reads the answer behind what was typed before it."""
    typed = route_to(skill, step, answer, answer.words)
    words = f"{dialogue.words} {typed.arguments.original}".strip()
    return replace(
        typed,
        text=f"{dialogue.text} {typed.text}".strip(),
        arguments=FoldedText.of(words) if dialogue.words else typed.arguments,
        dialogue=dialogue,
        is_step=True,
    )


def _expired(router: Router, message: Message) -> Route | None:
    """Any other way of the message; only where it has none, its sender hears what became of it."""
    readings = router.readings(message.own_words) if message.own_words.strip() else None
    if readings is None:
        return None
    found = router.by_name(readings) or router.by_pattern(readings)
    gone = Dialogue("", "")
    return replace(found, dialogue=gone) if found else _say("expire", gone)


def _say(step: str, dialogue: Dialogue, *, is_step: bool = False) -> Route:
    nothing = FoldedText("", "")
    return Route(_OWN, _OWN.steps[step], "", nothing, dialogue=dialogue, is_step=is_step)
