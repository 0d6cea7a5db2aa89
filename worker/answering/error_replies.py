"""Responses to a skill's errors: a sentence for the sender, and a reason for operators."""

import logging

from dingda.shared import texts
from dingda.shared.dingtalk.reply import Text
from dingda.shared.errors import InvalidReplyError
from dingda.shared.ledger.states import Completion, DeadReason, Outcome
from dingda.shared.runtime.logs import class_name, trace
from dingda.worker.answering.admission import NoPlaceError
from dingda.worker.answering.response import DECLINED, Response
from dingda.worker.answering.safe_reply import question_back, safe_detail, sentence
from dingda.worker.contained import AbortedError
from dingda.worker.errors import BackendError, ClarificationNeeded, SkillError
from dingda.worker.sdk.context import Context
from dingda.worker.sdk.skill import Skill

logger = logging.getLogger(__name__)


def response_to_error(error: BaseException, skill: Skill, ctx: Context) -> Response:
    """The response to an error, whatever that is made of.

    Args:
        error: what the skill raised, or what kept it from being called.
        skill: the one that the message was routed to.
        ctx: the message.
    """
    try:
        return _response(error, skill, ctx)
    except BaseException as another:  # noqa: BLE001 - an error's own __str__ may raise anything
        # Its attributes may be missing as well, as in a subclass that never calls
        # super().__init__().
        name = class_name(error)
        logger.error("skill %s: %s can't be shown: %s", skill.name, name, trace(another))
        return Response(Text(texts.LAST_RESORT), failed(f"{name} in the skill"))


def completion_of_error(error: BaseException, skill: Skill) -> Completion:
    """The completion of what has no sender to tell: declined by a refusal, else dead.

    Args:
        error: what a hook of the skill raised, or what kept it from being called.
        skill: the hook's.
    """
    try:
        is_refusal = isinstance(error, SkillError) and not isinstance(error, BackendError)
        return DECLINED if is_refusal else failed(_reason_for_operators(error, skill))
    except BaseException as another:  # noqa: BLE001 - as above
        name = class_name(error)
        logger.error("skill %s: %s can't be shown: %s", skill.name, name, trace(another))
        return failed(f"{name} in the skill")


def _response(error: BaseException, skill: Skill, ctx: Context) -> Response:
    match error:
        case ClarificationNeeded():
            return Response(question_back(ctx, error, error.suggestions), DECLINED)
        case BackendError():
            words: object = error
        case SkillError():
            return Response(sentence(ctx, error), DECLINED)
        case NoPlaceError():
            words = texts.TOO_MANY_ASK.format(skill=skill.title)
            return Response(
                sentence(ctx, words), Completion(Outcome.DECLINED, detail=f"busy: {error}")
            )
        case TimeoutError():
            words = texts.TIMED_OUT.format(skill=skill.title)
        case _:
            words = texts.FAILED.format(skill=skill.title)
    return Response(sentence(ctx, words), failed(_reason_for_operators(error, skill)))


def _reason_for_operators(error: BaseException, skill: Skill) -> str:
    """Why a skill failed, in a few words that quote nobody; the log has more."""
    match error:
        case BackendError():
            detail = safe_detail(f"{error.service}: {error.reason}")
            logger.warning("skill %s: a backend failed: %s", skill.name, detail)
        case NoPlaceError():
            detail = f"busy: {error}"
            logger.warning("skill %s: %s", skill.name, detail)
        case TimeoutError():
            logger.warning("skill %s took too long", skill.name)
            detail = "the skill took too long"
        case InvalidReplyError():
            detail = safe_detail(f"invalid reply: {error}")
            logger.error("skill %s made an %s", skill.name, detail)
        case _:
            logger.error("skill %s failed: %s", skill.name, trace(error))
            name = error.name if isinstance(error, AbortedError) else class_name(error)
            detail = f"{name} in the skill"
    return detail


def failed(detail: str) -> Completion:
    """The completion of a message that got only an apology; `detail` is for operators."""
    return Completion(Outcome.DEAD, DeadReason.FAILED, detail)
